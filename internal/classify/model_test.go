package classify

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// TestEmbedded holds what the embedded model says of itself, and that it is
// written as it was read.
func TestEmbedded(t *testing.T) {
	m := embeddedModel(t)
	h := m.Header()
	if h.Name == "" || h.Created.IsZero() || len(h.HeldOut) < 8 || len(h.Data) != 6 {
		t.Errorf("header: %+v", h)
	}
	if h.Created.After(time.Now()) {
		t.Errorf("the model will be trained on %v", h.Created)
	}
	for _, d := range h.Data {
		if d.Source == "" || d.Licence == "" || d.Date == "" || d.Rows == 0 || len(d.SHA256) != 64 {
			t.Errorf("data without provenance: %+v; is its SHA-256 in learn/provenance.go?", d)
		}
	}
	file, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	n, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if v, w := m.Classify("", "Translate: hi"), n.Classify("", "Translate: hi"); v != w || m.Digest() != n.Digest() {
		t.Errorf("a model read again judges %+v, and not %+v", w, v)
	}
	if len(embedded) > 3<<19 {
		t.Errorf("the weights have %d bytes", len(embedded))
	}
}

// TestRecall: a model tells the rows that it was trained on, and what was made of
// them before, also after it was written and read.
func TestRecall(t *testing.T) {
	base, err := New(NewWeights(), Header{Temperature: 1, Slope: 1})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[RowID]Recalled{
		ID("", "a"): {HasTask: true, Task: Reasoning, Simple: 1},
		ID("", "b"): {HasComplexity: true, Complexity: 0.25},
		ID("b", ""): {HasTask: true, HasComplexity: true, Task: Write, Simple: 0.5, Complexity: 2},
	}
	parent, err := base.Remember(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	child, err := base.Remember(parent, map[RowID]Recalled{ID("", "b"): {HasTask: true, Task: Code}, ID("", "c"): {HasTask: true}})
	if err != nil {
		t.Fatal(err)
	}
	file, err := child.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if child, err = Load(file); err != nil {
		t.Fatal(err)
	}
	rows[ID("", "b")] = Recalled{HasTask: true, HasComplexity: true, Task: Code, Complexity: 0.25}
	rows[ID("", "c")] = Recalled{HasTask: true}
	rows[ID("b", "")] = Recalled{HasTask: true, HasComplexity: true, Task: Write, Simple: 0.5, Complexity: 1}
	for id, want := range rows {
		got, ok := child.Recall(id)
		if math.Abs(got.Simple-want.Simple) < 1e-4 && math.Abs(got.Complexity-want.Complexity) < 1e-4 {
			got.Simple, got.Complexity = want.Simple, want.Complexity
		}
		if !ok || got != want {
			t.Errorf("%08x: %+v, want %+v", id, got, want)
		}
	}
	if ID(" s", "a\n") != ID("s", "a") || ID("a", "b") == ID("ab", "") || child.Header().Recalled != 4 {
		t.Error("ids, or their number, are wrong")
	}
	for _, text := range []string{"", "d", "A"} {
		if r, ok := child.Recall(ID("", text)); ok {
			t.Errorf("%q was never seen, and is %+v", text, r)
		}
	}
}

// TestWeights: weights go into a model and come out within the rounding.
func TestWeights(t *testing.T) {
	w := NewWeights()
	w.Tasks[5*TaskCount+3], w.Tasks[9*TaskCount+3] = 2, -0.5
	w.Tasks[Bias*TaskCount+1] = 0.25
	w.Complexity[7], w.Complexity[Bias], w.Complexity[taskBase+2] = -3, 1, 0.125
	m, err := New(w, Header{Temperature: 1, Slope: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := m.Weights()
	near := func(what string, a, b []float64) {
		for i := range a {
			if math.Abs(a[i]-b[i]) > 0.01 {
				t.Errorf("%s[%d] is %v, was %v", what, i, b[i], a[i])
			}
		}
	}
	near("tasks", w.Tasks, got.Tasks)
	near("complexity", w.Complexity, got.Complexity)
}

// sealed is a file with this header and these numbers, its checksum right.
func sealed(t testing.TB, header any, raw []byte) []byte {
	t.Helper()
	return seal(t, headed(t, header), raw)
}

// headed is the begin of a file, up to the rows.
func headed(t testing.TB, header any) []byte {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(h))), h...)
}

func seal(t testing.TB, out, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	b.Write(out)
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return append(b.Bytes(), sum[:]...)
}

// good is a header that this program can use.
func good() Header {
	return Header{
		Format: formatVersion, Features: FeatureVersion, Inputs: Inputs, Heads: append(TaskNames(), "complexity"),
		Created: time.Unix(0, 0).UTC(), Temperature: 1, Slope: 1,
	}
}

// plain are numbers of a model whose weights are all 0 and whose units are 1.
func plain() []byte {
	raw := make([]byte, numbers)
	for c := range columns {
		binary.LittleEndian.PutUint32(raw[4*c:], math.Float32bits(1))
	}
	return raw
}

// TestBroken: what is no model is said to be none, and why.
func TestBroken(t *testing.T) {
	if _, err := Load(sealed(t, good(), plain())); err != nil {
		t.Fatalf("a good file is refused: %v", err)
	}
	change := func(f func(*Header)) []byte {
		h := good()
		f(&h)
		return sealed(t, h, plain())
	}
	number := func(at int, v float32) []byte {
		raw := plain()
		binary.LittleEndian.PutUint32(raw[at:], math.Float32bits(v))
		return sealed(t, good(), raw)
	}
	flipped := sealed(t, good(), plain())
	flipped[len(flipped)/2] ^= 1
	whole := sealed(t, good(), plain())
	h := good()
	h.Recalled = 2
	twice := seal(t, append(headed(t, h), make([]byte, 2*recordSize)...), plain())
	for _, x := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "does not begin", nil},
		{"another file", "does not begin", []byte("PK\x03\x04 something else entirely")},
		{"only magic", "cut off", []byte(magic)},
		{"cut off", "checksum", whole[:len(whole)-100]},
		{"cut off early", "checksum", whole[:80]},
		{"flipped bit", "checksum", flipped},
		{"too large", "no model has more", make([]byte, MaxFile+1)},
		{"header length", "its header has 4294967295 bytes", seal(t, append([]byte(magic), 0xff, 0xff, 0xff, 0xff), nil)},
		{"header is no JSON", "header: invalid character", seal(t, append([]byte(magic), 2, 0, 0, 0, '{', 'x'), plain())},
		{"format", "format 9", change(func(h *Header) { h.Format = 9 })},
		{"features", "version 77 of the features", change(func(h *Header) { h.Features = 77 })},
		{"inputs", "with 5 inputs", change(func(h *Header) { h.Inputs = 5 })},
		{"tasks", "knows the tasks", change(func(h *Header) { h.Heads[0] = "sing" })},
		{"temperature of 0", "out of all proportion", change(func(h *Header) { h.Temperature = 0 })},
		{"slope below 0", "out of all proportion", change(func(h *Header) { h.Slope = -1 })},
		{"offset", "out of all proportion", change(func(h *Header) { h.Offset = 1e300 })},
		{"unit of 0", "out of all proportion", number(0, 0)},
		{"not a number", "out of all proportion", number(4*columns, float32(math.NaN()))},
		{"infinite", "out of all proportion", number(4*columns+40, float32(math.Inf(1)))},
		{"rows that are not there", "speaks of 2000000 rows", change(func(h *Header) { h.Recalled = 2_000_000 })},
		{"fewer than no rows", "speaks of -1 rows", change(func(h *Header) { h.Recalled = -1 })},
		{"rows out of order", "not in order", twice},
		{"infinite task weight", "out of all proportion", number(4*(columns+(handCount+1)*columns), float32(math.Inf(-1)))},
		{"too few numbers", "unexpected EOF", sealed(t, good(), plain()[:numbers-1])},
		{"hardly any numbers", "unexpected EOF", sealed(t, good(), plain()[:10])},
		{"too many numbers", "more numbers", sealed(t, good(), append(plain(), 0))},
		{"a bomb", "more numbers", sealed(t, good(), make([]byte, 64<<20))},
	} {
		m, err := Load(x.file)
		if err == nil {
			t.Errorf("%s: is taken for a model: %+v", x.name, m.Header())
			continue
		}
		if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(magic), false)
	f.Add(sealed(f, good(), plain()[:100]), true)
	whole := sealed(f, good(), plain())
	f.Add(whole, false)
	f.Add(whole[:len(whole)-sha256.Size], true)
	f.Fuzz(func(t *testing.T, file []byte, sealIt bool) {
		if sealIt { // so that more than the checksum is tried
			sum := sha256.Sum256(file)
			file = append(bytes.Clone(file), sum[:]...)
		}
		m, err := Load(file)
		if err != nil {
			if !errors.Is(err, ErrModel) {
				t.Fatalf("not said to be the file's fault: %v", err)
			}
			return
		}
		check(t, m.Classify("", "Summarize this (A) text"))
		again, err := m.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(again); err != nil {
			t.Fatalf("a model that was read is refused when written: %v", err)
		}
	})
}
