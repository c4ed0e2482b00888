package embed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"freehold/internal/embed"
	"freehold/internal/purse"
	"freehold/internal/vector"
	"freehold/internal/vector/vectortest"
)

// model makes vectors that say which text they are of.
type model struct {
	mu     sync.Mutex
	asked  [][]string
	busy   int
	most   int // questions at once
	refuse func(text string) string
	before func(n int) (embed.Answer, error, bool) // of the nth question
}

func (m *model) Ask(ctx context.Context, texts []string) (embed.Answer, error) {
	m.mu.Lock()
	m.asked = append(m.asked, slices.Clone(texts))
	n := len(m.asked)
	m.busy++
	m.most = max(m.most, m.busy)
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.busy--; m.mu.Unlock() }()
	if m.before != nil {
		if a, err, stop := m.before(n); stop {
			return a, err
		}
	}
	a := embed.Answer{Tokens: int64(len(texts)), Cost: decimal.NewNullDecimal(decimal.New(int64(len(texts)), -3))}
	for _, t := range texts {
		if m.refuse != nil && m.refuse(t) != "" {
			return embed.Answer{Refused: m.refuse(t)}, nil
		}
		a.Vectors = append(a.Vectors, of(t))
	}
	return a, nil
}

func of(text string) []float32 {
	var h uint32 = 2166136261
	for _, b := range []byte(text) {
		h = (h ^ uint32(b)) * 16777619
	}
	return []float32{float32(h&0xffff) + 1, float32(h >> 16), float32(len(text))}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestOrder: whatever the sizes, each text has its own vector, no question is larger
// than it may be, and no more are under way.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		m := &model{refuse: func(text string) string {
			if strings.Contains(text, "bad") {
				return "too bad"
			}
			return ""
		}}
		batch, bytes, at := 1+r.IntN(8), 1+r.IntN(200), 1+r.IntN(4)
		c := embed.New(embed.Options{Asker: m, Model: "m", Batch: batch, Bytes: bytes, Concurrency: at, Sleep: sleep})
		var texts []string
		for i := range r.IntN(60) {
			text := fmt.Sprint(i, strings.Repeat("x", r.IntN(60)))
			switch r.IntN(8) {
			case 0:
				text += "bad"
			case 1:
				text = " \n"
			}
			texts = append(texts, text)
		}
		vectors, why, err := c.Embed(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			want := ""
			switch {
			case strings.TrimSpace(text) == "":
				want = "its text is empty"
			case strings.Contains(text, "bad"):
				want = "the model refuses its text: too bad"
			}
			if why[i] != want || want == "" && !slices.Equal(vectors[i], of(text)) || want != "" && vectors[i] != nil {
				t.Fatalf("%q: %v %q, want %q", text, vectors[i], why[i], want)
			}
		}
		for _, q := range m.asked {
			if len(q) > batch || len(q) > 1 && len(strings.Join(q, "")) > bytes {
				t.Fatalf("a question of %d texts, %d bytes, for at most %d and %d", len(q), len(strings.Join(q, "")), batch, bytes)
			}
		}
		if m.most > at {
			t.Errorf("%d at once, of %d", m.most, at)
		}
	}
}

// TestRefusals: a model that refuses all is an error, and no text's fault.
func TestRefusals(t *testing.T) {
	m := &model{refuse: func(string) string { return "unknown model" }}
	c := embed.New(embed.Options{Asker: m, Model: "m", Sleep: sleep})
	if _, _, err := c.Embed(t.Context(), []string{"a", "b"}); err == nil || !strings.Contains(err.Error(), "takes no text at all: unknown model") {
		t.Error(err)
	}
}

// TestWaits: who is busy is asked again when it says so, and not for ever; what is down
// is an error that may be tried again; money that is not there is one that may not.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{before: func(n int) (embed.Answer, error, bool) { return embed.Answer{Wait: 7 * time.Second}, nil, n < 4 }}
		c := embed.New(embed.Options{Asker: m, Model: "m", Sleep: sleep})
		begun := time.Now()
		if v, _, err := c.Embed(t.Context(), []string{"a"}); err != nil || len(v) != 1 || time.Since(begun) != 21*time.Second {
			t.Errorf("%v after %v: %v", v, time.Since(begun), err)
		}
		if s := c.Spent(); s.Texts != 1 || s.Asked != 1 || s.USD.String() != "0.001" {
			t.Errorf("%+v", s)
		}
		m.before = func(int) (embed.Answer, error, bool) { return embed.Answer{Wait: time.Second}, nil, true }
		var away *vector.Error
		if _, _, err := c.Embed(t.Context(), []string{"a"}); !errors.As(err, &away) || !away.Again() {
			t.Errorf("busy for ever: %v", err)
		}
		down := &vector.Error{Trouble: vector.Unavailable, Store: "m", Doing: "embed"}
		m.before = func(int) (embed.Answer, error, bool) { return embed.Answer{}, down, true }
		if _, _, err := c.Embed(t.Context(), []string{"a"}); !errors.Is(err, down) {
			t.Errorf("down: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
	// A turn that was taken when the question ended is there for the next one.
	m := &model{}
	c := embed.New(embed.Options{Asker: m, Model: "m", Concurrency: 1, Sleep: sleep})
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Embed(ctx, []string{"a"}); err == nil {
			t.Error("it was canceled, and that is no error")
		}
	}
	if _, _, err := c.Embed(t.Context(), []string{"a"}); err != nil {
		t.Error(err)
	}
	c = embed.New(embed.Options{
		Asker: m, Model: "m", Batch: 1, Concurrency: 2, Sleep: sleep,
		Limit: decimal.NewNullDecimal(decimal.RequireFromString("0.0025")), Token: decimal.NewNullDecimal(decimal.RequireFromString("0.0002")),
	})
	var limit *purse.LimitError
	if _, _, err := c.Embed(t.Context(), []string{"aaa", "bbb", "ccc", "ddd"}); !errors.As(err, &limit) || c.Spent().USD.GreaterThan(limit.Limit) {
		t.Errorf("above the limit: %v, %+v", err, c.Spent())
	}
}

// TestOdd: an answer that is not what was asked for is an error, whatever it says.
func TestOdd(t *testing.T) {
	for name, a := range map[string]embed.Answer{
		"too few":   {Vectors: [][]float32{{1, 2, 3}}},
		"shorter":   {Vectors: [][]float32{{1, 2, 3}, {1, 2}}},
		"no number": {Vectors: [][]float32{{1, 2, 3}, {1, 2, float32(nan())}}},
		"empty":     {Vectors: [][]float32{{}, {}}},
	} {
		m := &model{before: func(int) (embed.Answer, error, bool) { return a, nil, true }}
		if _, _, err := embed.New(embed.Options{Asker: m, Model: "m", Sleep: sleep}).Embed(t.Context(), []string{"a", "b"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func nan() float64 { var zero float64; return zero / zero }

// words count as tokens.
func words(s string) int64 { return int64(len(strings.Fields(s))) }

// TestChunk: pieces joined are the text, none is too long that can be cut, and sentences
// stay whole where they fit.
func TestChunk(t *testing.T) {
	text := "One two three. Four five six! Seven?\nEight nine ten eleven twelve thirteen. 一二。三四。"
	got := embed.Chunk(text, 6, words)
	want := []string{"One two three. Four five six!", " Seven?", "\nEight nine ten eleven twelve thirteen.", " 一二。三四。"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	r := rand.New(rand.NewPCG(3, 4))
	runes := func(s string) int64 { return int64(utf8.RuneCountInString(s)) }
	for range 300 {
		var b strings.Builder
		for range r.IntN(200) {
			b.WriteString([]string{"a", "ß", "word", " ", " ", ". ", "\n", "! ", "。", "日本", "\t"}[r.IntN(11)])
		}
		most := 1 + r.Int64N(30)
		for name, count := range map[string]embed.Counter{"words": words, "runes": runes} {
			pieces := embed.Chunk(b.String(), most, count)
			if strings.Join(pieces, "") != b.String() {
				t.Fatalf("%s: pieces of %q are %q", name, b.String(), pieces)
			}
			for _, p := range pieces {
				if count(p) > most || !utf8.ValidString(p) || p == "" && len(pieces) > 1 {
					t.Fatalf("%s: %q is a piece of at most %d", name, p, most)
				}
			}
		}
	}
}

// TestParts: which text a record has, why it has none, and what becomes of a long one.
func TestParts(t *testing.T) {
	record := func(id string, fields ...vector.Field) vector.Record {
		return vector.Record{ID: vector.IDOf(id), Payload: vector.NewPayload(fields)}
	}
	text := func(s string) vector.Field { return vector.Field{Name: "body", Value: vector.TextOf(s)} }
	records := []vector.Record{
		record("a", text("one two")), record("b"), record("c", text(" ")), record("d", vector.Field{Name: "body", Value: vector.IntOf(7)}),
		record("e", text("one two three four five")), record("f", text("left")),
	}
	show := func(x *embed.Texts) (out []string) {
		parts, err := x.Parts(t.Context(), records)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			out = append(out, fmt.Sprintf("%s of %s: %s%s", p.Record.ID, p.Of, p.Text, p.Why))
		}
		return out
	}
	x := &embed.Texts{Field: "body", LeaveOut: []string{"f"}, MaxTokens: 3, Count: words}
	want := []string{
		"a of a: one two", "b of b: it has no text: there is no field body", "c of c: it has no text: the field body is empty",
		"d of d: it has no text: the field body has the type int", "e of e: its text has about 5 tokens, and 3 is the most", "f of f: " + embed.LeftOut,
	}
	if got := show(x); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	x.Chunked = true
	if got := show(x); got[4] != "e##0 of e: one two three" || got[5] != "e##1 of e: four five" {
		t.Errorf("%q", got)
	}
	records[0].ID = vector.IDOf("e##0")
	if got := show(x); !strings.Contains(got[0], "it could take the place of one") {
		t.Errorf("an id such as a piece's: %q", got[0])
	}
	parts, err := x.Parts(t.Context(), records[4:5])
	if err != nil || fmt.Sprint(parts[1].Record.Payload) != fmt.Sprint(vector.NewPayload([]vector.Field{
		{Name: embed.FieldChunk, Value: vector.IntOf(1)}, {Name: embed.FieldChunks, Value: vector.IntOf(2)}, {Name: embed.FieldOf, Value: vector.TextOf("e")}, text("four five"),
	})) {
		t.Errorf("%v: %v", parts, err)
	}
}

// TestJoinedByOtherIDs: a file of texts may name the records as the source does, or as a
// store does that they were copied to: by UUIDs, with or without the id in _id, in one
// namespace, and in pieces.
func TestJoinedByOtherIDs(t *testing.T) {
	mapped := vector.Mapping{Index: "kb", IDs: vector.UUIDs, KeepID: "_id", KeepNamespace: "_namespace", Flat: true}
	file := vectortest.NewMemory()
	if err := file.Create(t.Context(), &vector.Description{Name: "texts"}); err != nil {
		t.Fatal(err)
	}
	put := func(r vector.Record) {
		t.Helper()
		if err := file.Put(t.Context(), r.Namespace, []vector.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	with := func(ns, id, text string) vector.Record {
		return vector.Record{ID: vector.IDOf(id), Namespace: ns, Payload: vector.NewPayload([]vector.Field{{Name: "body", Value: vector.TextOf(text)}})}
	}
	applied := func(r vector.Record) vector.Record {
		t.Helper()
		out, err := mapped.Apply(&r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	part := func(ns, id string, n, of int, text string) vector.Record {
		r := with(ns, id, text)
		r.ID = r.ID.Piece(n)
		r.Payload = r.Payload.With(embed.FieldOf, vector.TextOf(id)).With(embed.FieldChunk, vector.IntOf(int64(n))).With(embed.FieldChunks, vector.IntOf(int64(of)))
		return r
	}
	put(with("b", "own", "as the source has it"))
	put(applied(with("b", "kept", "by _id")))
	bare := applied(with("b", "bare", "by the UUID alone"))
	bare.Payload = with("", "", "by the UUID alone").Payload
	put(bare)
	for n, text := range []string{"One two.", "Three.", "一。", "二"} {
		put(applied(part("b", "pieces", n, 4, text)))
	}
	put(part("b", "plain", 1, 2, "second"))
	put(part("b", "plain", 0, 2, "first"))
	put(part("b", "torn", 0, 3, "first"))
	put(part("b", "torn", 2, 3, "third"))
	for n, text := range []string{"left", "right"} {
		r := applied(with("b", "nameless##"+fmt.Sprint(n), text))
		r.Payload = with("", "", text).Payload
		put(r)
	}
	put(applied(with("", "elsewhere", "of another namespace")))

	x := &embed.Texts{Field: "body", Joined: &embed.Joined{Source: file, Index: "kb"}}
	var records []vector.Record
	for _, id := range []string{"own", "kept", "bare", "pieces", "plain", "torn", "nameless", "elsewhere", "none"} {
		records = append(records, vector.Record{ID: vector.IDOf(id), Namespace: "b"})
	}
	parts, err := x.Parts(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range parts {
		got = append(got, p.Of.String()+": "+p.Text+p.Why)
	}
	want := []string{
		"own: as the source has it", "kept: by _id", "bare: by the UUID alone", "pieces: One two. Three. 一。二", "plain: first second",
		"torn: the joined file does not have each piece of its text: there are 2 of 3", "nameless: left right",
		"elsewhere: the joined file has no text of it", "none: the joined file has no text of it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
