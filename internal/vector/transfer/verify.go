package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"freehold/internal/vector"
)

// VerifyOptions of [Verify]. Those of [Options] mean the same.
type VerifyOptions struct {
	Source     vector.Source
	Target     vector.Target
	Mapping    vector.Mapping
	Namespaces []string // of the source
	// Embedding is by which the target's records got vectors; nil: by none. They have the
	// right form, and those of Texts records, chosen by chance, are what the model makes of
	// their texts now; 0: 32, below 0: of none.
	Embedding vector.Embedding
	Texts     int
	// Refused are records that are known not to be in the target.
	Refused func(namespace, id string) bool

	Readers int // 0: 4
	Unit    int // 0: 1000
	// Queries are so many vectors of records, chosen by chance, for which both
	// stores are searched; 0: 50, below 0: none. K is how many neighbours; 0: 10.
	Queries, K int
	// Exact is for how many records the exact neighbours are looked for, among all that
	// are read, and held against what the stores find; 0: 16, below 0: none.
	Exact int
	// Most is how many differences are told; 0: 100. All are counted.
	Most   int
	Random *rand.Rand
	// Hold keeps applications from writing records, once the target has followed all
	// that they wrote, until release is called: what seems to differ is looked at once
	// more then. nil: nobody writes.
	Hold func(ctx context.Context, namespace string, ids []vector.ID) (release func(), err error)
	// Progress is told how many records were compared; nil: nobody is.
	Progress func(compared int64)
	Clock    func() time.Time
}

// Report is what a verification found. Nothing is left out of its counts.
type Report struct {
	Started    time.Time          `json:"started"`
	Took       float64            `json:"seconds"`
	Source     vector.Description `json:"source"`
	Target     vector.Description `json:"target"`
	Namespaces []NamespaceReport  `json:"namespaces"` // of the target
	// Folded are the namespaces of the source, where the target has them in one.
	Folded   []NamespaceReport `json:"source_namespaces,omitempty"`
	Compared int64             `json:"compared"`
	Refused  int64             `json:"refused"` // known not to be there
	Missing  int64             `json:"missing"`
	Altered  int64             `json:"altered"`
	Extra    int64             `json:"extra"`
	// Near is as what vectors were compared, by the source's names, that need not be the
	// same to the bit.
	Near map[string]string `json:"near,omitempty"`
	// Rounded are numbers of fields that the target keeps as the double beside, which is
	// no difference.
	Rounded     int64               `json:"rounded,omitempty"`
	Differences []vector.Difference `json:"differences"`
	// Drift are the namespaces of the source in which something differs, all of them.
	Drift    []string        `json:"drift,omitempty"`
	Search   []SearchReport  `json:"search"`
	Exact    []ExactReport   `json:"exact"`
	Embedded *EmbeddedReport `json:"embedded,omitempty"`
	// Given is of a source that does not list its ids; nil: it does.
	Given *GivenReport `json:"given,omitempty"`
}

// NamespaceReport is what the target has of a namespace.
type NamespaceReport struct {
	Name   string `json:"name"`
	Want   int64  `json:"want"`
	Have   int64  `json:"have"`
	Digest string `json:"digest"` // of the ids that should be there
}

// SearchReport compares the neighbours that both stores find.
type SearchReport struct {
	Vector   string  `json:"vector"`
	Filtered bool    `json:"filtered"`
	Queries  int     `json:"queries"`
	K        int     `json:"k"`
	Overlap  float64 `json:"overlap"` // share of the source's neighbours that the target finds
	Worst    float64 `json:"worst"`   // of one query
	Failed   int     `json:"failed,omitempty"`
	Failure  string  `json:"failure,omitempty"` // the last
}

// drifts notes that something of a namespace differs.
func (r *Report) drifts(ns string) {
	if at, ok := slices.BinarySearch(r.Drift, ns); !ok {
		r.Drift = slices.Insert(r.Drift, at, ns)
	}
}

// Same reports whether the target has what it should have, and nothing else; and whether
// all that the source has was looked for.
func (r *Report) Same() bool { return r.Missing+r.Altered+r.Extra == 0 && r.Given.Whole() }

type verifying struct {
	VerifyOptions
	target *vector.Description

	mu      sync.Mutex
	report  Report
	want    map[string]*digest // by the target's namespace
	queries []vector.Record    // a sample, of the source
	seen    int64              // of which it is one
	folded  map[string]*space  // by the source's namespace
	given   *given             // nil: the source lists its ids

	questions []question // of exact neighbours
	common    common

	texts     []embedded // a sample, of those that were embedded
	seenTexts int64
}

// space is what should be in the target of a namespace of the source, and is not, or is
// there beside it.
type space struct {
	want           sum
	missing, extra int64
}

// space is that of a namespace of the source, where the mapping folds them. mu is held,
// or nobody else is at work.
func (v *verifying) space(ns string) *space {
	s := v.folded[ns]
	if s == nil {
		s = &space{}
		v.folded[ns] = s
	}
	return s
}

// Verify reads every record of the source and fetches the one that should be of it
// in the target, compares counts, and has both stores find neighbours. Differences
// are no error.
func Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	o.complete()
	v := &verifying{VerifyOptions: o, want: map[string]*digest{}, folded: map[string]*space{}, common: common{}}
	v.report = Report{Started: o.Clock(), Differences: []vector.Difference{}, Search: []SearchReport{}, Exact: []ExactReport{}, Namespaces: []NamespaceReport{}}
	source, err := o.Source.Describe(ctx)
	if err != nil {
		return nil, err
	}
	if v.target, err = o.Target.Describe(ctx); err != nil {
		return nil, err
	}
	v.report.Source, v.report.Target = *source, *v.target
	v.target.Rounds = o.Target.Limits().Rounds
	v.near(source)
	if v.given, err = givenOf(o.Source); err != nil {
		return nil, err
	}
	if err := v.ask(ctx, source); err != nil {
		return nil, err
	}
	for _, ns := range o.Namespaces {
		if v.want[o.Mapping.Namespace(ns)] == nil {
			v.want[o.Mapping.Namespace(ns)] = &digest{}
		}
		v.space(ns) // an empty one is told, too
		if err := v.namespace(ctx, ns); err != nil {
			return nil, fmt.Errorf("namespace %q: %w", ns, err)
		}
	}
	if v.report.Given, err = v.given.report(source, o.Namespaces, o.Most); err != nil {
		return nil, err
	}
	if err := v.extras(ctx); err != nil {
		return nil, err
	}
	v.fold()
	v.search(ctx, source)
	v.recall(ctx, source)
	if err := v.embeddings(ctx); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v.report.Took = o.Clock().Sub(v.report.Started).Seconds()
	return &v.report, nil
}

func (o *VerifyOptions) complete() {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	set(&o.Readers, 4)
	set(&o.Unit, 1000)
	set(&o.Queries, 50)
	set(&o.Exact, 16)
	set(&o.Texts, 32)
	set(&o.K, 10)
	set(&o.Most, 100)
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	if o.Refused == nil {
		o.Refused = func(string, string) bool { return false }
	}
}

// near notes which vectors are not compared to the bit.
func (v *verifying) near(source *vector.Description) {
	for i := range source.Vectors {
		name := source.Vectors[i].Name
		place, ok := v.Mapping.Vectors[name]
		if !ok {
			place = name
		}
		to := v.target.Vector(place)
		if to == nil || to.Near() == "" || slices.Contains(v.Mapping.DropVectors, name) {
			continue
		}
		if v.report.Near == nil {
			v.report.Near = map[string]string{}
		}
		v.report.Near[name] = to.Near()
	}
}

// namespace compares all records of a source's namespace.
func (v *verifying) namespace(ctx context.Context, ns string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	units := make(chan vector.Unit, v.Readers)
	var all sync.WaitGroup
	for range v.Readers {
		all.Go(func() {
			for u := range units {
				for records, err := range v.Source.Read(ctx, u) {
					if err == nil {
						err = v.compare(ctx, records)
					}
					if err != nil {
						cancel(err)
						break
					}
				}
			}
		})
	}
	for u, err := range v.Source.Units(ctx, ns, "", v.Unit) {
		if err != nil {
			cancel(err)
			break
		}
		if !send(ctx, units, u) {
			break
		}
	}
	close(units)
	all.Wait()
	return context.Cause(ctx)
}

// compare compares records with what the target has of them.
func (v *verifying) compare(ctx context.Context, records []vector.Record) error {
	if len(records) == 0 {
		return nil
	}
	c, err := v.pairs(ctx, records)
	if err != nil {
		return err
	}
	if len(v.questions) > 0 {
		v.answer(c.read)
	}
	if len(c.odd) > 0 && v.Hold != nil {
		if err := v.settle(ctx, records[0].Namespace, c); err != nil {
			return err
		}
	}
	v.note(func(r *Report) {
		v.given.add(records)
		r.Refused, r.Missing, r.Altered, r.Compared = r.Refused+c.known, r.Missing+c.missing, r.Altered+c.altered, r.Compared+int64(len(c.ids))
		r.Rounded += c.rounded
		r.Differences = append(r.Differences, c.found[:min(len(c.found), max(0, v.Most-len(r.Differences)))]...)
		if c.missing+c.altered > 0 {
			r.drifts(records[0].Namespace)
		}
		of := v.space(records[0].Namespace)
		of.missing += c.missing
		for _, id := range c.ids {
			v.want[c.namespace].add(id)
			if v.Mapping.Flat {
				h, _, _ := hashOf(id)
				of.want.add(h)
			}
		}
		for i := range records {
			v.sample(&records[i])
		}
		v.sampleTexts(c.texts)
		v.Progress(r.Compared)
	})
	return nil
}

// compared is what was found of some records.
type compared struct {
	namespace               string      // of the target
	ids                     []vector.ID // that the target should have
	known, missing, altered int64
	rounded                 int64 // numbers of those that do not differ
	texts                   []embedded
	found                   []vector.Difference
	odd                     []vector.ID // of the source
	read                    []*vector.Record
}

// pairs compares records with what the target has of them now.
func (v *verifying) pairs(ctx context.Context, records []vector.Record) (*compared, error) {
	parts, err := v.parts(ctx, records)
	if err != nil {
		return nil, err
	}
	c := &compared{}
	want := make([]vector.Record, 0, len(parts))
	of := make([]*vector.Part, 0, len(parts))
	for i := range parts {
		r := &parts[i].Record
		if v.Refused(r.Namespace, r.ID.String()) {
			c.known++
			continue
		}
		w, err := v.Mapping.Apply(r)
		if err != nil || parts[i].Why != "" { // it cannot have been copied, and nobody has said so
			w = vector.Record{ID: v.Mapping.ID(r.Namespace, r.ID), Namespace: v.Mapping.Namespace(r.Namespace)}
		}
		want, of, c.ids, c.read = append(want, w), append(of, &parts[i]), append(c.ids, w.ID), append(c.read, r)
	}
	if len(want) == 0 {
		return c, nil
	}
	c.namespace = want[0].Namespace
	got, err := v.Target.Fetch(ctx, c.namespace, c.ids)
	if err != nil {
		return nil, err
	}
	have := make(map[vector.ID]*vector.Record, len(got))
	for i := range got {
		have[got[i].ID] = &got[i]
	}
	for i := range want {
		g, origin := have[want[i].ID], &vector.Origin{Namespace: records[0].Namespace, ID: of[i].Record.ID.String()}
		if g == nil {
			c.missing++
			c.odd = append(c.odd, of[i].Of)
			c.found = append(c.found, vector.Difference{Namespace: c.namespace, ID: want[i].ID.String(), Source: origin, What: cmp.Or(of[i].Why, "missing")})
			continue
		}
		var made []vector.Difference
		if v.Embedding != nil {
			g, made = v.take(g, of[i], origin, c)
		}
		if d := slices.Concat(made, vector.Differences(&want[i], g, v.target)); len(d) > 0 {
			c.altered++
			c.odd = append(c.odd, of[i].Of)
			for j := range d {
				d[j].Source = origin
			}
			c.found = append(c.found, d...)
		} else if v.target.Rounds {
			c.rounded += int64(vector.Rounded(&want[i], g))
		}
	}
	return c, nil
}

// settle looks once more at what seems to differ, while nobody writes it.
func (v *verifying) settle(ctx context.Context, namespace string, c *compared) error {
	release, err := v.Hold(ctx, namespace, c.odd)
	if err != nil {
		return err
	}
	defer release()
	fresh, err := v.Source.Fetch(ctx, namespace, c.odd)
	if err != nil {
		return err
	}
	again, err := v.pairs(ctx, fresh)
	if err != nil {
		return err
	}
	c.rounded += again.rounded
	c.missing, c.altered, c.found, c.texts = again.missing, again.altered, again.found, again.texts
	return nil
}

func (v *verifying) note(change func(*Report)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.report)
}

// sample keeps each record with the same chance. mu is held.
func (v *verifying) sample(r *vector.Record) {
	if v.Queries > 0 {
		v.seen = keep(v.Random, &v.queries, v.Queries, v.seen, r)
	}
}

// keep takes one into a sample of n, with the same chance as each of those that
// were seen before, and returns how many have been seen.
func keep[T any](random *rand.Rand, sample *[]T, n int, seen int64, x *T) int64 {
	seen++
	if len(*sample) < n {
		*sample = append(*sample, *x)
	} else if i := random.Int64N(seen); i < int64(n) {
		(*sample)[i] = *x
	}
	return seen
}

// extras counts what the target has. Where that is not what was found to be there,
// its ids are read, and those told that should not be there.
func (v *verifying) extras(ctx context.Context) error {
	now, err := v.Target.Describe(ctx)
	if err != nil {
		return err
	}
	for _, ns := range now.Namespaces { // those that nothing should be in
		if v.want[ns.Name] == nil {
			v.want[ns.Name] = &digest{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.want)) {
		want := v.want[name]
		have, err := v.Target.Count(ctx, name)
		if err != nil {
			return err
		}
		v.report.Namespaces = append(v.report.Namespaces, NamespaceReport{Name: name, Want: want.n, Have: have, Digest: want.String()})
		if have == want.n && v.report.Missing == 0 {
			continue // all that should be there is, so nothing else can be
		}
		if err := v.look(ctx, name, want); err != nil {
			return err
		}
	}
	return nil
}

// fold counts what the target has of each namespace of the source, where they are one
// there: each of its records was looked for by its id, and what is there beside them was
// read.
func (v *verifying) fold() {
	if !v.Mapping.Flat {
		return
	}
	for _, ns := range slices.Sorted(maps.Keys(v.folded)) {
		s := v.folded[ns]
		v.report.Folded = append(v.report.Folded, NamespaceReport{Name: ns, Want: s.want.n, Have: s.want.n - s.missing + s.extra, Digest: s.want.String()})
	}
}

// look finds the records of a namespace of the target that should not be there: by
// the buckets in which the ids differ, so that few must be remembered.
func (v *verifying) look(ctx context.Context, name string, want *digest) error {
	have := &digest{}
	if err := each(ctx, v.Target, name, v.Unit, func(r *vector.Record) { have.add(r.ID) }); err != nil {
		return err
	}
	expected := some{in: want.apart(have)}
	for _, ns := range v.Namespaces {
		if v.Mapping.Namespace(ns) != name {
			continue
		}
		var failed error
		err := each(ctx, v.Source, ns, v.Unit, func(r *vector.Record) {
			parts, err := v.parts(ctx, []vector.Record{*r})
			failed = errors.Join(failed, err)
			for i := range parts {
				if id := parts[i].Record.ID; !v.Refused(ns, id.String()) {
					expected.add(v.Mapping.ID(ns, id))
				}
			}
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	expected.sort()
	var failed error
	err := each(ctx, v.Target, name, v.Unit, func(r *vector.Record) {
		if !expected.lacks(r.ID) || failed != nil {
			return
		}
		there, err := v.written(ctx, r)
		if failed = err; err != nil || there {
			return
		}
		was := v.Mapping.Back(r)
		v.report.Extra++
		v.space(was.Namespace).extra++
		v.report.drifts(was.Namespace)
		if len(v.report.Differences) < v.Most {
			v.report.Differences = append(v.report.Differences, vector.Difference{Namespace: name, ID: r.ID.String(), Source: &vector.Origin{Namespace: was.Namespace, ID: was.ID.String()}, What: "extra"})
		}
	})
	return errors.Join(err, failed)
}

// written reports whether the source has a record of the target by now: it was
// written since the source was read.
func (v *verifying) written(ctx context.Context, r *vector.Record) (bool, error) {
	if v.Hold == nil {
		return false, nil
	}
	was := v.Mapping.Back(r)
	release, err := v.Hold(ctx, was.Namespace, []vector.ID{was.ID})
	if err != nil {
		return false, err
	}
	defer release()
	have, err := v.Target.Fetch(ctx, r.Namespace, []vector.ID{r.ID})
	if err != nil || len(have) == 0 {
		return len(have) == 0, err // deleted since
	}
	got, err := v.Source.Fetch(ctx, was.Namespace, []vector.ID{was.ID})
	return len(got) > 0, err
}

// each reads all records of a namespace.
func each(ctx context.Context, s vector.Source, namespace string, size int, do func(*vector.Record)) error {
	for u, err := range s.Units(ctx, namespace, "", size) {
		if err != nil {
			return err
		}
		for records, err := range s.Read(ctx, u) {
			if err != nil {
				return err
			}
			for i := range records {
				do(&records[i])
			}
		}
	}
	return nil
}
