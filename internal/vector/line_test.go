package vector

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// TestParseFloat: whatever the digits, a number is the float next to it, as strconv has
// it, and what JSON does not take for a number is none.
func TestParseFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(s string) {
		t.Helper()
		want, err := strconv.ParseFloat(s, 32)
		if !json.Valid([]byte(s)) {
			err = errNumber
		}
		got, n, failed := parseFloat([]byte(s + ","))
		if (failed == nil && n == len(s)) != (err == nil) || err == nil && math.Float32bits(got) != math.Float32bits(float32(want)) {
			t.Fatalf("%s is %v (%d bytes, %v), want %v (%v)", s, got, n, failed, want, err)
		}
	}
	for range 30_000 {
		f := math.Float32frombits(r.Uint32())
		if f-f != 0 {
			continue
		}
		check(strconv.FormatFloat(float64(f), 'g', -1, 32))
		check(strconv.FormatFloat(float64(f), 'e', r.IntN(25), 64))
		small := float32(r.NormFloat64())
		check(strconv.FormatFloat(float64(small), 'f', -1, 32))
		check(strconv.FormatFloat(r.NormFloat64(), 'f', -1, 64))
		// The middle of two floats, and what is a little beside it.
		middle := (float64(small) + float64(math.Nextafter32(small, 9))) / 2
		text := strconv.FormatFloat(middle, 'f', -1, 64)
		check(text)
		check(text + "0000000000000000000001")
	}
	for _, s := range []string{"0", "-0", "-0.0", "1e5", "1E+5", "1e-5", "16777217", "9007199254740993", "18446744073709551616", "1e22", "1e23", "1e-22", "1e39", "1e-60", "1e99999999999",
		"", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "1_0", "1..2", "--1", "1-2"} {
		check(s)
	}
}

// TestAppendFloat: a number is written by the digits that give it back, as strconv writes
// it; at powers of two it may have one more.
func TestAppendFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	longer := 0
	check := func(x float32) {
		t.Helper()
		got, want := string(appendFloat(nil, x)), strconv.FormatFloat(float64(x), 'g', -1, 32)
		back, err := strconv.ParseFloat(got, 32)
		if err != nil || math.Float32bits(float32(back)) != math.Float32bits(x) {
			t.Fatalf("%s is %v: %v", got, back, err)
		}
		if got != want {
			if longer++; len(got) > len(want)+1 {
				t.Fatalf("%s, want %s", got, want)
			}
		}
	}
	for range 200_000 {
		if x := math.Float32frombits(r.Uint32()); x-x == 0 {
			check(x)
		}
		check(float32(r.NormFloat64()))
		check(float32(r.NormFloat64() / 30))
		check(float32(r.IntN(2_000_000)) / 1000)
		check(float32(math.Pow(10, 12*r.Float64()-6)))
	}
	for e := -30; e < 30; e++ {
		for d := -3; d <= 3; d++ {
			x := math.Float32frombits(math.Float32bits(float32(math.Ldexp(1, e))) + uint32(d))
			check(x)
			check(-x)
		}
	}
	for _, x := range []float32{0, float32(math.Copysign(0, -1)), 1, 10, 100, 1e5, 999999, 1e6, 1e-4, 9.9999e-5, 0.1, 0.5, 123456, 99999.99, math.MaxFloat32, math.SmallestNonzeroFloat32} {
		check(x)
	}
	if longer > 1000 {
		t.Errorf("%d of a million are not as strconv writes them", longer)
	}
}

// TestParseRecord: a line is the record that was written, also where it is written with
// spaces, and its outline is of it.
func TestParseRecord(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	floats := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(r.NormFloat64())
		}
		return out
	}
	texts := []string{"", "a", `"`, `\`, "ü]}", "[{\"", "\n\t", "e\u2028", "it's 5", `{"id":1}`}
	for i := range 1000 {
		text := func() string { return texts[r.IntN(len(texts))] + texts[r.IntN(len(texts))] }
		want := Record{ID: IDOf(text()), Namespace: text()}
		switch i % 3 {
		case 1:
			want.ID = IntegerIDOf(r.Uint64())
		case 2:
			want.ID = UUIDOf(uuid.UUID{byte(i), 5})
		}
		if r.IntN(3) > 0 {
			want.Vectors = append(want.Vectors, Vector{Dense: floats(r.IntN(4))})
		}
		if r.IntN(3) > 0 {
			want.Vectors = append(want.Vectors, Vector{Name: "s" + text(), Indices: []uint32{1, uint32(i) + 2}, Values: floats(2)},
				Vector{Name: "m", Rows: 2, Dense: floats(6)}, Vector{Name: "b", Bits: []byte{byte(i), 1, 2}}, Vector{Name: "d", Dense: floats(3)})
		}
		want.Payload = NewPayload([]Field{{text(), TextOf(text())}, {"n", IntOf(r.Int64())}, {"f", FloatOf(float64(r.IntN(9)))}, {"l", ListOf([]Value{TextOf(text()), {}, MapOf(NewPayload([]Field{{text(), BoolOf(true)}}))})}})
		line, err := want.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(3) == 0 {
			v := jsontext.Value(bytes.Clone(line))
			if err := v.Indent(); err != nil {
				t.Fatal(err)
			}
			line = v
		}
		got, err := ParseRecord(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nis %+v (%v), want %+v", line, got, err, want)
		}
		o, err := ParseOutline(line)
		if err != nil || o.ID != want.ID || o.Namespace != want.Namespace || len(o.Vectors) != len(want.Vectors) {
			t.Fatalf("%s\nis %+v: %v", line, o, err)
		}
		for j := range want.Vectors {
			is := Spec{Name: want.Vectors[j].Name, Form: Dense, Dim: len(want.Vectors[j].Dense)}
			switch v := &want.Vectors[j]; {
			case v.Bits != nil:
				is.Form, is.Dim = Binary, 24
			case v.Indices != nil:
				is.Form = Sparse
			case v.Rows > 0:
				is.Form, is.Dim = Multi, 3
			}
			if o.Vectors[j] != is {
				t.Fatalf("%s\nhas %+v, want %+v", line, o.Vectors[j], is)
			}
		}
		for n := range len(line) * (1 - min(1, i%10)) { // what is cut off is no record
			if _, err := ParseRecord(line[:n]); err == nil {
				t.Fatalf("%s is a record", line[:n])
			}
			if _, err := ParseOutline(line[:n]); err == nil {
				t.Fatalf("%s is an outline", line[:n])
			}
		}
	}
}

// TestParseWrong: what is no record is not taken for one.
func TestParseWrong(t *testing.T) {
	for _, s := range []string{
		`[]`, `{}`, `null`, `{"id":1} 2`, `{"id":1,}`, `{"id":1,"id":2}`, `{"id":1 "namespace":"n"}`, `{"id":[1]}`, `{"id":-1}`, `{"id":1.5}`, `{"id":null}`, `{"id":"a\q"}`, `{"id":1,"id_type":"uuid"}`,
		`{"id":1,"namespace":2}`, `{"id":1,"vector":2}`, `{"id":1,"vector":["2"]}`, `{"id":1,"vector":[[2]]}`, `{"id":1,"vector":[null]}`, `{"id":1,"vector":[NaN]}`, `{"id":1,"vector":{}}`,
		`{"id":1,"vectors":[1]}`, `{"id":1,"vectors":{"s":[1]}}`, `{"id":1,"vectors":{"s":{"colour":1}}}`, `{"id":1,"payload":[]}`, `{"id":1,"payload":{"a":}}`, `{"id":1,"payload":{"a":1,"a":2}}`, `{"id":1,"colour":"red"}`,
	} {
		if r, err := ParseRecord([]byte(s)); err == nil {
			t.Errorf("%s is %+v", s, r)
		}
		if o, err := ParseOutline([]byte(s)); err == nil {
			t.Errorf("%s is outlined as %+v", s, o)
		}
	}
	for _, s := range []string{`{"id":1,"vector":[1,]}`, `{"id":1,"vector":[,1]}`, `{"id":1,"vector":[1 2]}`, `{"id":1,"vector":[1.]}`, `{"id":1,"vector":[1}]}`} {
		if r, err := ParseRecord([]byte(s)); err == nil {
			t.Errorf("%s is %+v", s, r)
		}
	}
	deep := `{"id":1,"payload":{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}`
	if _, err := ParseRecord([]byte(deep)); err == nil {
		t.Error("a payload may be of any depth")
	}
}
