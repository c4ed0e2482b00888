package vector_test

import (
	"strings"
	"testing"

	"freehold/internal/vector"
)

// TestDifferencesNested: of values within values it is seen what differs, also far
// behind their beginning.
func TestDifferencesNested(t *testing.T) {
	of := func(n vector.Value, more int) *vector.Record {
		list := make([]vector.Value, more)
		for i := range list {
			list[i] = vector.TextOf("some text")
		}
		return &vector.Record{ID: vector.IDOf("a"), Payload: vector.Payload{{Name: "nested", Value: vector.MapOf(vector.NewPayload([]vector.Field{
			{Name: "a", Value: vector.ListOf(list)}, {Name: "b", Value: n}, {Name: "c", Value: vector.ListOf(list)},
		}))}}}
	}
	for _, tt := range []struct {
		more      int
		want, got vector.Value
		w, g      string
	}{
		{0, vector.IntOf(1), vector.IntOf(2), `map {"a":[],"b":1,"c":[]}`, `map {"a":[],"b":2,"c":[]}`},
		{0, vector.IntOf(1), vector.FloatOf(1), `map {"a":[],"b":1,"c":[]}`, `map {"a":[],"b":1.0,"c":[]}`},
		{50, vector.IntOf(1), vector.IntOf(2), `"b":1,"c":["some text"`, `"b":2,"c":["some text"`},
	} {
		d := vector.Differences(of(tt.want, tt.more), of(tt.got, tt.more), &vector.Description{})
		if len(d) != 1 || !strings.Contains(d[0].Want, tt.w) || !strings.Contains(d[0].Got, tt.g) || len(d[0].Want)+len(d[0].Got) > 200 {
			t.Errorf("%+v", d)
		}
	}
}
