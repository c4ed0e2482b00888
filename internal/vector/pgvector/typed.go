package pgvector

import (
	"fmt"
	"slices"
	"strings"

	"freehold/internal/vector"
)

// columnTypes are those of which a table that is made can have columns for fields: which
// give back what they were given, or refuse it.
var columnTypes = []string{"boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "text", "uuid", "date", "timestamp", "timestamptz", "jsonb"}

// own are the columns that a table has in any case.
var own = []string{"namespace", "id", "payload"}

// columnFor is the type of a column that holds values as they are, "" of a field that
// stays in the payload. What has several kinds, or lists, maps or nulls, is jsonb.
func columnFor(name string, values []vector.Value) string {
	if columnless(name) != "" || len(values) == 0 {
		return ""
	}
	all := func(t string, k kind) bool {
		c := column{kind: k, typ: t, cast: t, scale: -1}
		return !slices.ContainsFunc(values, func(v vector.Value) bool {
			_, why := c.append(nil, &v)
			return why != ""
		})
	}
	switch {
	case all("boolean", boolean):
		return "boolean"
	case all("bigint", int8):
		return "bigint"
	case all("double precision", float8):
		return "double precision"
	case all("timestamptz", timestamptz):
		return "timestamptz"
	case all("text", text):
		return "text"
	}
	return "jsonb"
}

// columnless says why no column can have the name of a field.
func columnless(name string) string {
	switch {
	case name == "" || len(name) > longestName || badText(name) != "":
		return fmt.Sprintf("no column can be called %q", name)
	case slices.Contains(own, name) || strings.HasPrefix(name, vectorPrefix):
		return fmt.Sprintf("the table has a column %q of its own", name)
	}
	return ""
}

// fieldColumns are the columns of the fields of a table that is made, and their indexes.
func fieldColumns(d *vector.Description, taken map[string]bool) (columns, indexed []string, err error) {
	for _, f := range d.Fields {
		if why := columnless(f.Name); why != "" {
			return nil, nil, fmt.Errorf("field %q: %s", f.Name, why)
		}
		if !slices.Contains(columnTypes, f.Type) {
			return nil, nil, fmt.Errorf("field %q: a column of type %q is not made; there are %s", f.Name, f.Type, strings.Join(columnTypes, ", "))
		}
		if taken[f.Name] {
			return nil, nil, fmt.Errorf("field %q: there are two columns of that name", f.Name)
		}
		taken[f.Name] = true
		columns = append(columns, quote(f.Name)+" "+f.Type)
		if f.Indexed {
			indexed = append(indexed, quote(f.Name))
		}
	}
	return columns, indexed, nil
}
