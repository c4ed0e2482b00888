package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An operation's input is a flat struct. Members named in the path travel
// there; of a GET the others travel in the query (lists as repeated members),
// of a POST in a JSON body.

// member is one field of an input or output type as JSON has it.
type member struct {
	name     string
	optional bool
	doc      string
	index    []int
	typ      reflect.Type
}

// members lists the JSON members of a struct type; those of embedded structs
// are its own.
func members(t reflect.Type) []member {
	var out []member
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		out = append(out, member{name, strings.Contains(options, "omit"), f.Tag.Get("doc"), f.Index, f.Type})
	}
	return out
}

// inPath reports whether a member travels in the path.
func (op *Operation) inPath(name string) bool { return strings.Contains(op.Path, "{"+name+"}") }

// encode gives the URL and body of an input.
func (op *Operation) encode(in any) (path string, query url.Values, body []byte, err error) {
	path, query = op.Path, url.Values{}
	rest := map[string]any{}
	v := reflect.ValueOf(in)
	for _, m := range members(op.In) {
		f := v.FieldByIndex(m.index)
		switch {
		case op.inPath(m.name):
			path = strings.Replace(path, "{"+m.name+"}", url.PathEscape(text(f)), 1)
		case m.optional && f.IsZero():
		case op.Method != http.MethodGet:
			rest[m.name] = f.Interface()
		case f.Kind() == reflect.Slice:
			for i := range f.Len() {
				query.Add(m.name, text(f.Index(i)))
			}
		default:
			query.Set(m.name, text(f))
		}
	}
	if op.Method != http.MethodGet {
		body, err = plainJSON(rest)
	}
	return path, query, body, err
}

// plainJSON is v in JSON, with no sign escaped that need not be: a request that the
// gateway would take must not grow over its limit.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func text(v reflect.Value) string {
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v.Interface())
}

// decode reads an input from a request; body is that of a POST.
func (op *Operation) decode(r *http.Request, body []byte) (any, error) {
	in := reflect.New(op.In)
	if len(body) > 0 {
		if err := strictJSON(body, in.Interface()); err != nil {
			return nil, invalid("the body: "+err.Error(), "GET /admin/v1/openapi.json describes it")
		}
	}
	query := r.URL.Query()
	for _, m := range members(op.In) {
		var values []string
		switch {
		case op.inPath(m.name):
			values = []string{r.PathValue(m.name)}
		case op.Method == http.MethodGet:
			values = query[m.name]
			query.Del(m.name)
		}
		if len(values) == 0 {
			continue
		}
		if err := set(in.Elem().FieldByIndex(m.index), values); err != nil {
			return nil, invalid(m.name+": "+err.Error(), "")
		}
	}
	if op.Method == http.MethodGet && len(query) > 0 {
		return nil, invalid("unknown parameter "+strings.Join(slices.Sorted(maps.Keys(query)), ", "), "GET /admin/v1/openapi.json lists them")
	}
	return in.Elem().Interface(), nil
}

func strictJSON(body []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}

// set gives a field the value of texts.
func set(f reflect.Value, values []string) error {
	if f.Kind() == reflect.Slice {
		for _, v := range values {
			for part := range strings.SplitSeq(v, ",") {
				f.Set(reflect.Append(f, reflect.ValueOf(strings.TrimSpace(part)).Convert(f.Type().Elem())))
			}
		}
		return nil
	}
	v := values[len(values)-1]
	if f.Type() == reflect.TypeFor[time.Time]() {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return fmt.Errorf("%q is not a time such as 2026-01-31T00:00:00Z", v)
		}
		f.Set(reflect.ValueOf(t))
		return nil
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(v)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", v)
		}
		f.SetInt(n)
	case reflect.Bool:
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is not true or false", v)
		}
		f.SetBool(b)
	default:
		return fmt.Errorf("a %s cannot travel in a URL", f.Type())
	}
	return nil
}
