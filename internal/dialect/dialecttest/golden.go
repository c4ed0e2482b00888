package dialecttest

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// golden compares got with the golden file, or writes it.
func golden(t *testing.T, file string, got any) {
	t.Helper()
	if file == "" {
		return
	}
	text, err := json.MarshalIndent(bare(got), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if os.Getenv("FREEHOLD_UPDATE") != "" {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with FREEHOLD_UPDATE=1 to write it)", err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", file, diff)
	}
}

// bare is v as maps, slices and plain values without what is zero, so that
// golden files show only what was said.
func bare(v any) any { return strip(reflect.ValueOf(v)) }

func strip(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if err, ok := v.Interface().(error); ok {
			return err.Error()
		}
		return strip(v.Elem())
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				m[f.Name] = strip(v.Field(i))
			}
		}
		return m
	case reflect.Slice:
		if raw, ok := v.Interface().(json.RawMessage); ok {
			return string(raw)
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = strip(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

// same compares canonical values: raw JSON by meaning, nil and empty slices
// alike.
func same(want, got any) string {
	return cmp.Diff(want, got, cmp.FilterValues(notRaw, cmpopts.EquateEmpty()), cmp.Comparer(sameJSON), cmp.Comparer(func(a, b error) bool {
		return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
	}))
}

func notRaw(a, _ any) bool {
	_, raw := a.(json.RawMessage)
	return !raw
}

func sameJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return string(a) == string(b)
	}
	return reflect.DeepEqual(x, y)
}

// SameJSON returns the difference of two JSON texts by meaning, empty for none.
func SameJSON(want, got []byte) string {
	var x, y any
	if err := json.Unmarshal(want, &x); err != nil {
		return "wanted JSON: " + err.Error()
	}
	if err := json.Unmarshal(got, &y); err != nil {
		return "not JSON: " + err.Error() + ": " + clip(string(got))
	}
	return cmp.Diff(x, y)
}
