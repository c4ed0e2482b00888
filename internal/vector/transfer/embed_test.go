package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/embed"
	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
	"freehold/internal/vector/vectortest"
)

// model makes of each text a vector that is its own.
type model struct {
	fail func() error
	off  float32 // what it has become since
}

func (m *model) Ask(_ context.Context, texts []string) (embed.Answer, error) {
	if m.fail != nil {
		if err := m.fail(); err != nil {
			return embed.Answer{}, err
		}
	}
	var a embed.Answer
	for _, text := range texts {
		if strings.Contains(text, "refused") {
			return embed.Answer{Refused: "no such words"}, nil
		}
		v := wordsVector(text)
		v[0] += m.off
		a.Vectors = append(a.Vectors, v)
	}
	return a, nil
}

const madeDim = 5

func wordsVector(text string) []float32 {
	r := rand.New(rand.NewPCG(uint64(len(text)), 7))
	for _, b := range []byte(text) {
		r = rand.New(rand.NewPCG(r.Uint64(), uint64(b)))
	}
	out := make([]float32, madeDim)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// texts is a store whose records have texts of up to 12 words, and some that have none.
func texts(t *testing.T, r *rand.Rand, n int, namespaces ...string) *vectortest.Memory {
	t.Helper()
	m := filled(t, r, 0)
	for _, ns := range namespaces {
		for i := range n {
			x := record(r, ns, i)
			words := make([]string, 1+r.IntN(12))
			for j := range words {
				words[j] = fmt.Sprintf("w%d", r.IntN(1000))
			}
			text := strings.Join(words, " ")
			switch r.IntN(12) {
			case 0:
				text = " "
			case 1:
				text = "refused"
			}
			x.Payload = x.Payload.With("text", vector.TextOf(text))
			if err := m.Put(t.Context(), ns, []vector.Record{x}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

// embedding is a model's, with what is made of texts by it.
func embedding(m *model, chunk int64) *embed.Texts {
	return &embed.Texts{
		Client: embed.New(embed.Options{Asker: m, Model: "m", Batch: 7, Concurrency: 3, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}),
		Vector: vector.Spec{Name: "new", Form: vector.Dense, Dim: madeDim, Metric: vector.Cosine}, Field: "text",
		MaxTokens: chunk, Chunked: true, Count: func(s string) int64 { return int64(len(strings.Fields(s))) },
	}
}

// embedded is a store for records with new vectors only.
func embeddedStore(t *testing.T) *vectortest.Memory {
	t.Helper()
	m := vectortest.NewMemory()
	if err := m.Create(t.Context(), &vector.Description{Store: "memory", Name: "n", Vectors: []vector.Spec{{Name: "new", Form: vector.Dense, Dim: madeDim, Metric: vector.Cosine}}}); err != nil {
		t.Fatal(err)
	}
	return m
}

func verifyEmbedded(t *testing.T, o *transfer.Options, e vector.Embedding) *transfer.Report {
	t.Helper()
	known := map[[2]string]bool{}
	for x, err := range o.Journal.Refused(t.Context(), o.ID) {
		if err != nil {
			t.Fatal(err)
		}
		known[[2]string{x.Namespace, x.ID}] = true
	}
	report, err := transfer.Verify(t.Context(), transfer.VerifyOptions{
		Source: o.Source, Target: o.Target, Mapping: o.Mapping, Namespaces: o.Namespaces, Embedding: e, Random: rand.New(rand.NewPCG(1, 1)), Clock: time.Now,
		Refused: func(ns, id string) bool { return known[[2]string{ns, id}] },
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestEmbedKilled: records that get new vectors on their way, in a copy that is ended at
// any moment and taken up again, with a model that is away now and then: each that has a
// text is there with the vector of its own text, in pieces where it is long; each that has
// none, or that the model refuses, is told; and the proof finds the same.
func TestEmbedKilled(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 3))
		from, to := texts(t, r, 60+r.IntN(100), "", "a"), embeddedStore(t)
		o := options(t, from, to, open(t))
		o.Mapping.DropVectors = []string{""}
		m := &model{}
		e := embedding(m, 5)
		o.Embedding = e
		kills := r.IntN(4)
		for n := 0; ; n++ {
			ctx, cancel := context.WithCancel(t.Context())
			left := math.MaxInt
			if n < kills {
				left = 1 + r.IntN(60)
			}
			var mu sync.Mutex
			fail := func(doing string) error {
				mu.Lock()
				defer mu.Unlock()
				if left--; left <= 0 {
					cancel()
					return errors.New("killed")
				}
				if doing != "describe" && r.IntN(10) == 0 {
					return &vector.Error{Trouble: vector.Unavailable, Store: "memory", Doing: doing}
				}
				return nil
			}
			from.Fail, to.Fail, m.fail = fail, fail, func() error { return fail("embed") }
			o.Readers, o.Writers, o.Unit = 1+r.IntN(5), 1+r.IntN(5), 10+r.IntN(50)
			_, err := transfer.Run(ctx, o)
			cancel()
			from.Fail, to.Fail, m.fail = nil, nil, nil
			if err == nil {
				break
			}
			if n >= kills {
				t.Fatalf("%d: %v", seed, err)
			}
		}
		want := 0
		for _, ns := range o.Namespaces {
			want += theirs(t, from, to, ns)
		}
		d, err := to.Describe(t.Context())
		if err != nil || int(d.Count()) != want {
			t.Errorf("%d: the target has %d records, of %d: %v", seed, d.Count(), want, err)
		}
		if report := verifyEmbedded(t, &o, e); !report.Same() || report.Embedded == nil || report.Embedded.Texts == 0 {
			t.Errorf("%d: %+v", seed, report)
		}
	}
}

// theirs checks the records that were made of a namespace's, and counts them.
func theirs(t *testing.T, from, to *vectortest.Memory, ns string) (n int) {
	t.Helper()
	for u, err := range from.Units(t.Context(), ns, "", 1000) {
		if err != nil {
			t.Fatal(err)
		}
		for records, err := range from.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range records {
				text, _ := records[i].Payload.Get("text")
				words := strings.Fields(text.Text())
				if len(words) == 0 || words[0] == "refused" {
					continue
				}
				pieces := slices.Collect(slices.Chunk(words, 5))
				for j, piece := range pieces {
					id := records[i].ID
					if len(pieces) > 1 {
						id = vector.IDOf(fmt.Sprintf("%s##%d", id, j))
					}
					got, err := to.Fetch(t.Context(), ns, []vector.ID{id})
					if err != nil || len(got) != 1 || !slices.Equal(got[0].Vector("new").Dense, wordsVector(strings.Join(piece, " "))) || len(got[0].Vectors) != 1 {
						t.Fatalf("%s: %v %v", id, got, err)
					}
					n++
				}
			}
		}
	}
	return n
}

// TestEmbedRefused: each record without a vector is told once, with its reason; the copy
// ends where the model is away for longer than it waits, and no record is blamed for it.
func TestEmbedRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	from, to := filled(t, r, 3, ""), embeddedStore(t)
	for id, text := range map[string]string{"empty": "", "no": "refused", "long": "1 2 3 4 5 6"} {
		x := vector.Record{ID: vector.IDOf(id), Payload: vector.NewPayload([]vector.Field{{Name: "text", Value: vector.TextOf(text)}})}
		if err := from.Put(t.Context(), "", []vector.Record{x}); err != nil {
			t.Fatal(err)
		}
	}
	m := &model{}
	e := embedding(m, 5)
	e.Chunked = false
	o := options(t, from, to, open(t))
	o.Mapping.DropVectors, o.Embedding = []string{""}, e
	var mu sync.Mutex
	now := time.Now()
	o.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
		return ctx.Err()
	}
	tries := 0
	m.fail = func() error {
		mu.Lock()
		defer mu.Unlock()
		tries++
		return &vector.Error{Trouble: vector.Unavailable, Store: "the model m", Doing: "embed"}
	}
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if tally, err := transfer.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the model m") || tally.Refused != 0 || tally.UnitsDone != 0 {
		t.Fatalf("the model is away: %+v, %v", tally, err)
	}
	// The outage is told at once, and then once a minute with how often it was tried.
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if n := len(lines); n < 2 || n > 12 || n >= tries || !strings.Contains(lines[0], "doing=embed tries=1 ") || strings.Contains(lines[1], "tries=1 ") {
		t.Errorf("%d tries, told in %d lines:\n%s", tries, n, log.String())
	}
	m.fail = nil
	tally, err := transfer.Run(t.Context(), o)
	if err != nil || tally.Copied != 3 || tally.Refused != 3 {
		t.Fatalf("%+v: %v", tally, err)
	}
	var told []string
	for x, err := range o.Journal.Refused(t.Context(), o.ID) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, x.ID+": "+x.Why)
	}
	slices.Sort(told)
	want := []string{"empty: it has no text: the field text is empty", "long: its text has about 6 tokens, and 5 is the most", "no: the model refuses its text: no such words"}
	if !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
	if report := verifyEmbedded(t, &o, e); !report.Same() || report.Refused != 3 {
		t.Errorf("%+v", report)
	}
}

// TestEmbedVerified: what is wrong with a vector, a payload or an id of a target whose
// vectors were made is found, and that the model is another one by now, too.
func TestEmbedVerified(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for name, c := range map[string]struct {
		broken  func(to *vectortest.Memory, x vector.Record) error
		altered int64
		missing int64
		extra   int64
		what    string
	}{
		"nothing": {},
		"another vector": {broken: func(to *vectortest.Memory, x vector.Record) error {
			x.Vectors = []vector.Vector{{Name: "new", Dense: wordsVector("something else")}}
			return to.Put(t.Context(), "", []vector.Record{x})
		}, altered: 1, what: "vector new"},
		"no vector": {broken: func(to *vectortest.Memory, x vector.Record) error {
			x.Vectors = nil
			return to.Put(t.Context(), "", []vector.Record{x})
		}, altered: 1, what: "vector new"},
		"a vector of zeros": {broken: func(to *vectortest.Memory, x vector.Record) error {
			x.Vectors = []vector.Vector{{Name: "new", Dense: make([]float32, madeDim)}}
			return to.Put(t.Context(), "", []vector.Record{x})
		}, altered: 1, what: "vector new"},
		"a field": {broken: func(to *vectortest.Memory, x vector.Record) error {
			x.Payload = x.Payload.With("year", vector.IntOf(1))
			return to.Put(t.Context(), "", []vector.Record{x})
		}, altered: 1, what: "field year"},
		"gone": {broken: func(to *vectortest.Memory, x vector.Record) error {
			return to.Delete(t.Context(), "", []vector.ID{x.ID})
		}, missing: 1, what: "missing"},
		"one more": {broken: func(to *vectortest.Memory, x vector.Record) error {
			x.ID = vector.IDOf("more")
			return to.Put(t.Context(), "", []vector.Record{x})
		}, extra: 1, what: "extra"},
	} {
		from, to := filled(t, r, 20, ""), embeddedStore(t)
		e := embedding(&model{}, 0)
		o := options(t, from, to, open(t))
		o.Mapping.DropVectors, o.Embedding = []string{""}, e
		if _, err := transfer.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if c.broken != nil {
			got, err := to.Fetch(t.Context(), "", []vector.ID{vector.IDOf("id-00003")})
			if err == nil {
				err = c.broken(to, got[0])
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		report := verifyEmbedded(t, &o, e)
		if report.Altered != c.altered || report.Missing != c.missing || report.Extra != c.extra || c.what != "" && (len(report.Differences) != 1 || report.Differences[0].What != c.what) {
			t.Errorf("%s: %+v", name, report)
		}
		if name == "nothing" {
			other := embedding(&model{off: 3}, 0)
			if report := verifyEmbedded(t, &o, other); report.Embedded.Differ == 0 || report.Same() {
				t.Errorf("another model: %+v", report)
			}
		}
	}
}
