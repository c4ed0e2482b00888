package milvus

import (
	"math"
	"strings"
	"testing"

	"freehold/internal/vector"
)

func testSchema() *schema {
	return &schema{
		name: "c", dynamic: true, key: column{name: "pk", kind: kindVarChar},
		columns: []column{
			{name: "n", kind: kindInt32}, {name: "maybe", kind: kindVarChar, nullable: true}, {name: "list", kind: kindArray, element: kindVarChar},
			{name: "any", kind: kindJSON}, {name: "f", kind: kindFloat}, {name: "yes", kind: kindBool},
		},
	}
}

// TestExpressions: values are literals, whatever is in them, and a column is compared
// with what it can have only.
func TestExpressions(t *testing.T) {
	text, num := vector.TextOf, vector.FloatOf
	for _, tt := range []struct {
		f    vector.Filter
		want string
	}{
		{vector.Filter{Op: vector.Eq, Field: "a", Value: text(`x" or pk != "`)}, `(($meta["a"] == "x\" or pk != \"") or (json_contains($meta["a"], "x\" or pk != \"")))`},
		{vector.Filter{Op: vector.Eq, Field: "a", Value: text("\\u0041\n\r\t中")}, `(($meta["a"] == "\\u0041\n\r` + "\t中" + `") or (json_contains($meta["a"], "\\u0041\n\r` + "\t中" + `")))`},
		{vector.Filter{Op: vector.Eq, Field: "n", Value: num(3)}, `(n == 3)`},
		{vector.Filter{Op: vector.Eq, Field: "n", Value: num(3.5)}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Eq, Field: "n", Value: text("3")}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Ne, Field: "n", Value: text("3")}, `((not (pk >= "")) or not (not (pk >= "")))`},
		{vector.Filter{Op: vector.In, Field: "maybe", Values: []vector.Value{text("a"), num(1), text("b")}}, `((maybe == "a") or (maybe == "b"))`},
		{vector.Filter{Op: vector.Eq, Field: "list", Value: text("a")}, `(array_contains(list, "a"))`},
		{vector.Filter{Op: vector.Gt, Field: "list", Value: num(1)}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Gt, Field: "yes", Value: num(1)}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Eq, Field: "yes", Value: vector.BoolOf(true)}, `(yes == true)`},
		{vector.Filter{Op: vector.Lt, Field: "f", Value: num(1e30)}, `(f < 1.0e+30)`},
		{vector.Filter{Op: vector.Lt, Field: "x", Value: num(math.Inf(1))}, `($meta["x"] <= 1.7976931348623157e+308)`},
		{vector.Filter{Op: vector.Gt, Field: "x", Value: num(math.Inf(1))}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Gte, Field: "x", Value: num(math.NaN())}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Lt, Field: "x", Value: text("a")}, `(not (pk >= ""))`},
		{vector.Filter{Op: vector.Gte, Field: "x", Value: vector.IntOf(math.MinInt64)}, `($meta["x"] >= (-9223372036854775807 - 1))`},
		{vector.Filter{Op: vector.Exists, Field: "maybe", Value: vector.BoolOf(false)}, `(maybe is null)`},
		{vector.Filter{Op: vector.Exists, Field: "n", Value: vector.BoolOf(true)}, `(pk >= "")`},
		{vector.Filter{Op: vector.Exists, Field: "a", Value: vector.BoolOf(true)}, `(exists $meta["a"])`},
		{vector.Filter{Op: vector.Exists, Field: "any", Value: vector.BoolOf(true)}, `(pk >= "")`},
		{vector.Filter{Op: vector.And}, `(pk >= "")`},
		{vector.Filter{Op: vector.Or}, `(not (pk >= ""))`},
	} {
		got, err := testSchema().expr(&tt.f)
		if err != nil || got != tt.want {
			t.Errorf("%s: %s, want %s: %v", tt.f.String(), got, tt.want, err)
		}
	}
	for _, f := range []vector.Filter{
		{Op: vector.Eq, Field: `a"]`, Value: text("x")}, {Op: vector.Eq, Field: `a\`, Value: text("x")}, {Op: vector.Eq, Field: "", Value: text("x")},
		{Op: vector.Eq, Field: "a", Value: text("\xff")}, {Op: vector.Eq, Field: "a", Value: vector.MapOf(nil)}, {Op: "$near", Field: "a"},
	} {
		if got, err := testSchema().expr(&f); err == nil {
			t.Errorf("%s is %s", f.String(), got)
		}
	}
}

// TestManyValues: a long list is not a deep expression.
func TestManyValues(t *testing.T) {
	f := vector.Filter{Op: vector.In, Field: "maybe"}
	for range 1000 {
		f.Values = append(f.Values, vector.TextOf("a"))
	}
	got, err := testSchema().expr(&f)
	if err != nil {
		t.Fatal(err)
	}
	deep, most := 0, 0
	for _, c := range got {
		switch c {
		case '(':
			deep++
			most = max(most, deep)
		case ')':
			deep--
		}
	}
	if most > 12 || strings.Count(got, "maybe") != 1000 {
		t.Errorf("%d deep, %d values", most, strings.Count(got, "maybe"))
	}
}

func TestPartitionNames(t *testing.T) {
	for ns, want := range map[string]string{
		"": "_default", "news": "news", "_default": "_ns__5fdefault", "_ns_a": "_ns__5fns_5fa", "ältere": "_ns__c3_a4ltere", "a-b": "_ns_a_2db", "9": "_ns_9",
		strings.Repeat("x", 256): "_ns_" + strings.Repeat("x", 256),
	} {
		got := partitionName(ns)
		if got != want || namespaceOf(got) != ns {
			t.Errorf("%q is %s, want %s, and back %q", ns, got, want, namespaceOf(got))
		}
	}
	for _, p := range []string{"_ns_", "_ns_a_2", "_ns_a_zz", "_ns_a_61", "_ns_abc"} { // of others
		if got := namespaceOf(p); got != p {
			t.Errorf("partition %s is namespace %q", p, got)
		}
	}
}

// TestHalves: each float16 becomes itself again, and what lies between is rounded to
// the nearer, the even one of two.
func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		f := halfToFloat(uint16(h))
		if f != f {
			continue
		}
		if back := floatToHalf(f); back != uint16(h) {
			t.Fatalf("%04x is %v is %04x", h, f, back)
		}
	}
	for f, want := range map[float32]float32{
		1 + 1.0/2048: 1, 1 + 3.0/2048: 1 + 2.0/1024, 1 + 1.1/2048: 1 + 1.0/1024, 65519: 65504, 65520: float32(math.Inf(1)),
		-1.5 / (1 << 24): -2.0 / (1 << 24), 0.5 / (1 << 24): 0, 1.0/(1<<14) - 0.1/(1<<24): 1.0 / (1 << 14),
	} {
		if got := halfToFloat(floatToHalf(f)); got != want {
			t.Errorf("%v becomes %v, want %v", f, got, want)
		}
	}
	for f, want := range map[float32]uint16{1: 0x3f80, 1.00390625: 0x3f80, 1.01171875: 0x3f82, -2: 0xc000} {
		if got := floatToBFloat(f); got != want {
			t.Errorf("%v becomes %04x, want %04x", f, got, want)
		}
	}
}

func TestColumnTypes(t *testing.T) {
	for _, words := range []string{"BOOL", "INT8", "INT64 null", "DOUBLE", "VARCHAR(512)", "JSON", "ARRAY<INT64>(100)", "ARRAY<VARCHAR(64)>(10) null", "VARCHAR(64) partition key"} {
		f, err := columnOf("x", words)
		if err != nil {
			t.Errorf("%s: %v", words, err)
			continue
		}
		c := newColumn(f)
		got := c.words()
		if f.GetPartitionKey() {
			got += partitionKey
		}
		if got != words {
			t.Errorf("%s becomes %s", words, got)
		}
	}
	for _, words := range []string{"", "integer", "GEOMETRY", "ARRAY<INT64>", "ARRAY<ARRAY>(3)"} {
		if f, err := columnOf("x", words); err == nil {
			t.Errorf("%s is %v", words, f)
		}
	}
}
