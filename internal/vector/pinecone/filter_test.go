package pinecone

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	"freehold/internal/vector"
)

func TestParseFilter(t *testing.T) {
	text, num := vector.TextOf, vector.FloatOf
	for _, c := range []struct {
		in   string
		want *vector.Filter
	}{
		{`{}`, nil},
		{`{"genre":"drama"}`, &vector.Filter{Op: vector.Eq, Field: "genre", Value: text("drama")}},
		{`{"year":{"$gte":2000,"$lt":2010}}`, &vector.Filter{Op: vector.And, Of: []vector.Filter{
			{Op: vector.Gte, Field: "year", Value: num(2000)}, {Op: vector.Lt, Field: "year", Value: num(2010)},
		}}},
		{`{"b":{"$ne":true},"a":{"$exists":false}}`, &vector.Filter{Op: vector.And, Of: []vector.Filter{
			{Op: vector.Exists, Field: "a", Value: vector.BoolOf(false)}, {Op: vector.Ne, Field: "b", Value: vector.BoolOf(true)},
		}}},
		{`{"$or":[{"a":{"$in":["x",1]}},{"$and":[{"a":{"$nin":["y"]}},{"n":{"$gt":1}}]}],"n":{"$lte":5}}`, &vector.Filter{Op: vector.And, Of: []vector.Filter{
			{Op: vector.Or, Of: []vector.Filter{
				{Op: vector.In, Field: "a", Values: []vector.Value{text("x"), num(1)}},
				{Op: vector.And, Of: []vector.Filter{{Op: vector.Nin, Field: "a", Values: []vector.Value{text("y")}}, {Op: vector.Gt, Field: "n", Value: num(1)}}},
			}},
			{Op: vector.Lte, Field: "n", Value: num(5)},
		}}},
	} {
		got, err := ParseFilter([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		same := cmp.Comparer(func(a, b vector.Value) bool { return a.Equal(&b) })
		if d := cmp.Diff(c.want, got, same); d != "" {
			t.Errorf("%s: %s", c.in, d)
		}
		if got == nil {
			continue
		}
		// And back, and once more: the same.
		out, err := protojson.Marshal(filterStruct(got))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseFilter(out); err != nil || cmp.Diff(got, again, same) != "" {
			t.Errorf("%s became %s: %v", c.in, out, err)
		}
	}
}

func TestWrongFilters(t *testing.T) {
	for in, want := range map[string]string{
		`[]`:                   "no JSON object",
		`{"a":{}}`:             "nothing is asked",
		`{"a":null}`:           "$eq wants",
		`{"a":["x"]}`:          "$eq wants",
		`{"a":{"$like":"x"}}`:  `"$like" is no operator`,
		`{"a":{"b":1}}`:        `"b" is no operator`,
		`{"a":{"$gt":"x"}}`:    "$gt wants a number",
		`{"a":{"$in":[]}}`:     "$in wants a list",
		`{"a":{"$in":"x"}}`:    "$in wants a list",
		`{"a":{"$in":[null]}}`: "$in wants a list of",
		`{"a":{"$exists":1}}`:  "true or false",
		`{"$not":{"a":1}}`:     "$not stands where",
		`{"$or":[]}`:           "$or wants a list",
		`{"$or":{"a":1}}`:      "$or wants a list",
		`{"$and":[{}]}`:        "$and wants a list",
		strings.Repeat(`{"$and":[`, 40) + `{"a":1}` + strings.Repeat(`]}`, 40): "levels deep",
	} {
		if f, err := ParseFilter([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v; wanted is %q", in, f, err, want)
		}
	}
}
