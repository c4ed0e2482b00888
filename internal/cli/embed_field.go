package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"freehold/internal/admin"
	"freehold/internal/suggest"
	"freehold/internal/vector"
)

// Of a file without the field that is to be embedded, so many names of fields are kept,
// and so many told.
const (
	keptFields = 10_000
	toldFields = 20
)

// fieldThere refuses a file of which no record has a field, with those that there are. It
// reads until one has it: in most files that is the first.
func fieldThere(ctx context.Context, file string, source vector.Source, field string) error {
	d, err := source.Describe(ctx)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	records := 0
	for _, ns := range d.Namespaces {
		for u, err := range source.Units(ctx, ns.Name, "", 1000) {
			if err != nil {
				return err
			}
			for page, err := range source.Read(ctx, u) {
				if err != nil {
					return err
				}
				for i := range page {
					if _, ok := page[i].Payload.Get(field); ok {
						return nil
					}
					for _, f := range page[i].Payload {
						if len(have) < keptFields {
							have[f.Name] = true
						}
					}
				}
				records += len(page)
			}
		}
	}
	if records == 0 {
		return nil // there is nothing to be embedded, which is told as ever
	}
	names := slices.Sorted(maps.Keys(have))
	is := "its records have no field but their id"
	if n := len(names); n > 0 {
		is = "there are " + strings.Join(names[:min(n, toldFields)], ", ")
		if n > toldFields {
			is += fmt.Sprintf(" and %s more", count(int64(n-toldFields)))
		}
	}
	hint := "--text names the field that has the text"
	if near := suggest.Nearest(field, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &admin.Error{Code: admin.CodeConflict, Hint: hint, Message: fmt.Sprintf("%s: no record has a field %q; %s", file, field, is)}
}
