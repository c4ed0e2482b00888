package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
	"freehold/internal/vector/vectortest"
)

const dim = 8

var collection = vector.Description{Store: "memory", Name: "c", Vectors: []vector.Spec{{Form: vector.Dense, Dim: dim, Metric: vector.Dot}}}

// filled is a store with n records in each namespace.
func filled(t *testing.T, r *rand.Rand, n int, namespaces ...string) *vectortest.Memory {
	t.Helper()
	m := vectortest.NewMemory()
	if err := m.Create(t.Context(), &collection); err != nil {
		t.Fatal(err)
	}
	for _, ns := range namespaces {
		var all []vector.Record
		for i := range n {
			all = append(all, record(r, ns, i))
		}
		if err := m.Put(t.Context(), ns, all); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func record(r *rand.Rand, ns string, i int) vector.Record {
	v := make([]float32, dim)
	for j := range v {
		v[j] = float32(r.NormFloat64())
	}
	return vector.Record{
		ID: vector.IDOf(fmt.Sprintf("id-%05d", i)), Namespace: ns, Vectors: []vector.Vector{{Dense: v}},
		Payload: vector.NewPayload([]vector.Field{{Name: "year", Value: vector.FloatOf(float64(1900 + i))}, {Name: "text", Value: vector.TextOf("record")}}),
	}
}

func options(t *testing.T, from, to vector.Target, db *sqlite.DB) transfer.Options {
	t.Helper()
	d, err := from.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ns := range d.Namespaces {
		names = append(names, ns.Name)
	}
	return transfer.Options{
		Source: from, Target: to, Namespaces: names, ID: "copy-1", Journal: sqlite.NewCopies(db),
		Mapping: vector.Mapping{Index: "i", IDs: vector.KeepIDs}, Unit: 50,
		Log: slog.New(slog.DiscardHandler), Clock: time.Now, Jitter: func() float64 { return 0.5 },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// same fails unless what is in to is what m makes of from, and nothing else.
func same(t *testing.T, from, to *vectortest.Memory, m *vector.Mapping, namespaces ...string) {
	t.Helper()
	want := 0
	for _, ns := range namespaces {
		for u, err := range from.Units(t.Context(), ns, "", 1000) {
			if err != nil {
				t.Fatal(err)
			}
			for records, err := range from.Read(t.Context(), u) {
				if err != nil {
					t.Fatal(err)
				}
				for i := range records {
					want++
					r, err := m.Apply(&records[i])
					if err != nil {
						t.Fatal(err)
					}
					got, err := to.Fetch(t.Context(), r.Namespace, []vector.ID{r.ID})
					if err != nil || len(got) != 1 {
						t.Fatalf("%s of %q is not there: %v", r.ID, ns, err)
					}
					if d := vector.Differences(&r, &got[0], &collection); len(d) > 0 {
						t.Fatalf("%v", d)
					}
				}
			}
		}
	}
	d, err := to.Describe(t.Context())
	if err != nil || int(d.Count()) != want {
		t.Errorf("the target has %d records, of %d: %v", d.Count(), want, err)
	}
}

// TestRun: all namespaces, whatever their sizes, and a second run does nothing.
func TestRun(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	from, to, db := filled(t, r, 333, "", "a", "b"), filled(t, r, 0), open(t)
	o := options(t, from, to, db)
	tally, err := transfer.Run(t.Context(), o)
	if err != nil || tally.Copied != 999 || tally.Listed != 999 || tally.Gone != 0 || tally.UnitsDone != 21 || tally.Units != 21 || tally.Bytes == 0 || tally.Lag != 0 {
		t.Fatalf("%+v: %v", tally, err)
	}
	same(t, from, to, &o.Mapping, "", "a", "b")
	to.Fail = func(doing string) error { return fmt.Errorf("%s again", doing) }
	if again, err := transfer.Run(t.Context(), o); err != nil || again != tally {
		t.Errorf("%+v: %v", again, err)
	}
}

// TestMapped: ids are made so that namespaces stay apart in a target that has none,
// and fields get their types.
func TestMapped(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	from, to := filled(t, r, 120, "", "a"), filled(t, r, 0)
	to.Bounds.Namespace, to.Bounds.IDs = false, []vector.IDKind{vector.UUIDID, vector.IntegerID}
	o := options(t, from, to, open(t))
	o.Mapping = vector.Mapping{Index: "i", IDs: vector.UUIDs, Flat: true, KeepID: "_id", KeepNamespace: "_namespace", Fields: map[string]vector.FieldChange{"year": {As: vector.AsInt}}}
	if tally, err := transfer.Run(t.Context(), o); err != nil || tally.Copied != 240 {
		t.Fatalf("%+v: %v", tally, err)
	}
	same(t, from, to, &o.Mapping, "", "a")
	year := vector.Filter{Op: vector.Eq, Field: "year", Value: vector.IntOf(1903)}
	hits, err := to.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: make([]float32, dim)}, K: 10, Filter: &year})
	if err != nil || len(hits) != 2 {
		t.Errorf("year 1903 finds %d: %v", len(hits), err)
	}
}

// TestPoison: what cannot be copied is told, once, and all else is there.
func TestPoison(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	from, to, db := filled(t, r, 200, ""), filled(t, r, 0), open(t)
	bad := record(r, "", 900)
	bad.Payload = bad.Payload.With("year", vector.FloatOf(1900.5))
	null := record(r, "", 901)
	null.Payload = null.Payload.With("nothing", vector.Value{})
	if err := from.Put(t.Context(), "", []vector.Record{bad, null}); err != nil {
		t.Fatal(err)
	}
	to.Bounds.Nulls = false
	o := options(t, from, to, db)
	o.Mapping.Fields = map[string]vector.FieldChange{"year": {As: vector.AsInt}}
	calls := 0
	o.Source = failing{from, func() error {
		if calls++; calls%3 == 0 { // so that units are read in part, and again
			return &vector.Error{Trouble: vector.Unavailable, Store: "memory", Doing: "read"}
		}
		return nil
	}}
	o.Readers = 1
	tally, err := transfer.Run(t.Context(), o)
	if err != nil || tally.Copied != 200 || tally.Refused != 2 {
		t.Fatalf("%+v: %v", tally, err)
	}
	var got []string
	for x, err := range o.Journal.Refused(t.Context(), o.ID) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x.ID+": "+x.Why)
		if len(x.Record) == 0 {
			t.Errorf("%s: the record is not kept", x.ID)
		}
	}
	want := "[id-00900: field year: 1900.5 is no whole number, which the plan says it is id-00901: field nothing is null]"
	if fmt.Sprint(got) != want {
		t.Errorf("refused %v", got)
	}
}

// failing is a source whose reading fails.
type failing struct {
	*vectortest.Memory
	fail func() error
}

func (f failing) Read(ctx context.Context, u vector.Unit) iterRecords {
	return func(yield func([]vector.Record, error) bool) {
		for records, err := range f.Memory.Read(ctx, u) {
			if e := f.fail(); e != nil && err == nil {
				yield(nil, e)
				return
			}
			if !yield(records, err) {
				return
			}
		}
	}
}

type iterRecords = iter.Seq2[[]vector.Record, error]

// TestKilled: a copy that is ended at any moment, any number of times, and is taken
// up with other numbers of workers, loses, doubles and alters nothing. What dies
// with a process is all that is not in the journal: here each run has its own.
func TestKilled(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		from, to, db := filled(t, r, 300+r.IntN(300), "", "a"), filled(t, r, 0), open(t)
		to.Bounds.Records = 20 + r.IntN(60)
		o := options(t, from, to, db)
		kills := 1 + r.IntN(4)
		for n := 0; ; n++ {
			ctx, cancel := context.WithCancel(t.Context())
			left := math.MaxInt
			if n < kills {
				left = 1 + r.IntN(80)
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
					return &vector.Error{Trouble: vector.Throttled, Store: "memory", Doing: doing}
				}
				return nil
			}
			from.Fail, to.Fail = fail, fail
			o.Readers, o.Writers, o.Unit = 1+r.IntN(5), 1+r.IntN(5), 10+r.IntN(90)
			tally, err := transfer.Run(ctx, o)
			cancel()
			from.Fail, to.Fail = nil, nil
			if err == nil {
				if tally.Gone+tally.Refused != 0 || tally.Copied != tally.Listed {
					t.Errorf("%d: %+v", seed, tally)
				}
				break
			}
			if n >= kills {
				t.Fatalf("%d: %v", seed, err)
			}
		}
		same(t, from, to, &o.Mapping, "", "a")
	}
}

// TestLag: what is listed and not acknowledged is the lag, in a run that takes up what
// another one has listed, too.
func TestLag(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	from, to := filled(t, r, 400, "", "a"), filled(t, r, 0)
	o := options(t, from, to, open(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	puts := 0
	to.Fail = func(doing string) error {
		if doing != "put" {
			return nil
		}
		if puts++; puts > 3 {
			cancel()
			return errors.New("killed")
		}
		return nil
	}
	var mu sync.Mutex
	var most int64
	check := func(p transfer.Tally) {
		mu.Lock()
		defer mu.Unlock()
		if most = max(most, p.Lag); p.Lag != p.Listed-p.Copied {
			t.Errorf("%+v", p)
		}
	}
	o.Progress, o.Writers = check, 1
	tally, err := transfer.Run(ctx, o)
	if err == nil || tally.Lag == 0 || tally.Lag != tally.Listed-tally.Copied {
		t.Fatalf("%+v: %v", tally, err)
	}
	kept, err := o.Journal.Tally(t.Context(), o.ID)
	if err != nil || kept.Lag != kept.Listed-kept.Copied || kept.Lag == 0 {
		t.Errorf("kept %+v: %v", kept, err)
	}
	to.Fail = nil
	if tally, err = transfer.Run(t.Context(), o); err != nil || tally.Lag != 0 || tally.Copied != 800 || most == 0 {
		t.Errorf("%+v, at most %d: %v", tally, most, err)
	}
}

// TestMore: namespaces that appear during a copy are copied in it, before the target is
// finished, also when the source is away for a moment.
func TestMore(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	from, to := filled(t, r, 120, "", "a"), filled(t, r, 0)
	o := options(t, from, to, open(t))
	finished := false
	o.Target = finisher{to, func() { finished = true }}
	asked := 0
	o.More = func(context.Context) ([]string, error) {
		if finished {
			t.Error("more is asked for when the target is finished")
		}
		switch asked++; asked {
		case 1:
			return nil, &vector.Error{Trouble: vector.Unavailable, Store: "memory", Doing: "describe"}
		case 2, 3:
			name := fmt.Sprintf("new %d", asked)
			return []string{name}, from.Put(t.Context(), name, []vector.Record{record(r, name, 1), record(r, name, 2)})
		}
		return nil, nil
	}
	tally, err := transfer.Run(t.Context(), o)
	if err != nil || tally.Copied != 244 || asked != 4 || !finished {
		t.Fatalf("%+v, asked %d times, finished %v: %v", tally, asked, finished, err)
	}
	same(t, from, to, &o.Mapping, "", "a", "new 2", "new 3")
	o.More = func(context.Context) ([]string, error) { return nil, errors.New("no") }
	if _, err := transfer.Run(t.Context(), o); err == nil {
		t.Error("namespaces could not be listed, and that is no error")
	}
}

type finisher struct {
	*vectortest.Memory
	do func()
}

func (f finisher) Finish(context.Context) error {
	f.do()
	return nil
}

// TestAway: a store that stays away ends the copy when patience does, with what is
// done kept.
func TestAway(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	from, to := filled(t, r, 100, ""), filled(t, r, 0)
	to.Fail = func(string) error { return &vector.Error{Trouble: vector.Unavailable, Store: "memory", Doing: "put"} }
	o := options(t, from, to, open(t))
	var mu sync.Mutex
	now := time.Now()
	o.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
		return ctx.Err()
	}
	if _, err := transfer.Run(t.Context(), o); !errors.As(err, new(*vector.Error)) {
		t.Fatalf("%v", err)
	}
	to.Fail = nil
	if tally, err := transfer.Run(t.Context(), o); err != nil || tally.Copied != 100 {
		t.Errorf("%+v: %v", tally, err)
	}
	same(t, from, to, &o.Mapping, "")
}
