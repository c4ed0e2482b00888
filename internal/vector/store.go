package vector

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Metric is what nearness of vectors is measured by.
type Metric string

// The metrics.
const (
	Cosine    Metric = "cosine"
	Dot       Metric = "dot"
	Euclid    Metric = "euclid"
	Manhattan Metric = "manhattan"
	Hamming   Metric = "hamming"
	Jaccard   Metric = "jaccard"
)

// Form is what a vector is made of.
type Form string

// The forms.
const (
	Dense  Form = "dense"
	Sparse Form = "sparse"
	Multi  Form = "multi"
	Binary Form = "binary"
)

// Spec is a vector that records of a store have.
type Spec struct {
	Name   string `json:"name"` // empty: the one without a name
	Form   Form   `json:"form"`
	Dim    int    `json:"dim,omitempty"` // numbers, or bits of a binary one; 0 of a sparse one
	Metric Metric `json:"metric"`
	// Element is what each number is kept as: float32, float16, uint8, bit.
	Element string `json:"element,omitempty"`
	// Normalised: the store keeps the direction only, of length 1.
	Normalised bool `json:"normalised,omitempty"`
	// Assumed: nothing says the metric, which is that of most.
	Assumed bool `json:"assumed,omitempty"`
}

// Namespace is a part of a store whose ids are its own.
type Namespace struct {
	Name  string `json:"name"` // empty: the default one
	Count int64  `json:"count"`
}

// FieldSpec is a field that a store knows beforehand: a column, or an index.
type FieldSpec struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // in the store's own words
	Indexed bool   `json:"indexed,omitempty"`
}

// Description is what a store is and has.
type Description struct {
	Store      string            `json:"store"` // pinecone, qdrant, ...
	Name       string            `json:"name"`  // of the index or collection
	Vectors    []Spec            `json:"vectors"`
	Namespaces []Namespace       `json:"namespaces"`
	Fields     []FieldSpec       `json:"fields,omitempty"`
	IDs        []IDKind          `json:"ids,omitempty"` // kinds that its records can have
	Rounds     bool              `json:"-"`             // as its limits say
	Facts      map[string]string `json:"facts,omitempty"`
	// Scans: it has no index, and searches by looking at all records.
	Scans bool `json:"scans,omitempty"`
}

// Count is how many records all namespaces have.
func (d *Description) Count() int64 {
	var n int64
	for i := range d.Namespaces {
		n += d.Namespaces[i].Count
	}
	return n
}

// Vector finds a vector's spec.
func (d *Description) Vector(name string) *Spec {
	for i := range d.Vectors {
		if d.Vectors[i].Name == name {
			return &d.Vectors[i]
		}
	}
	return nil
}

// Refuse says why a record's vectors are not those of the collection, "" where they
// are.
func (d *Description) Refuse(r *Record) string {
	for i := range r.Vectors {
		v := &r.Vectors[i]
		spec := d.Vector(v.Name)
		switch {
		case spec == nil:
			return fmt.Sprintf("there is no vector %q", v.Name)
		case spec.Form == Dense && len(v.Dense) != spec.Dim, spec.Form == Multi && len(v.Dense) != spec.Dim*v.Rows:
			return fmt.Sprintf("vector %q has %d numbers, and the collection's have %d", v.Name, len(v.Dense), spec.Dim)
		}
	}
	return ""
}

// Holds says why what is to be put into e cannot be put into d, "" where it can.
func (d *Description) Holds(e *Description) string {
	for i := range e.Vectors {
		want := &e.Vectors[i]
		have := d.Vector(want.Name)
		if have == nil {
			return fmt.Sprintf("it has no vector %q", want.Name)
		}
		if have.Form != want.Form || have.Dim != want.Dim || have.Metric != want.Metric {
			return fmt.Sprintf("its vector %q is %s of %d by %s, not %s of %d by %s", want.Name, have.Form, have.Dim, have.Metric, want.Form, want.Dim, want.Metric)
		}
	}
	return ""
}

// Unit is a piece of a namespace that is read at once, and is done or not.
type Unit struct {
	Namespace string `json:"namespace,omitempty"`
	// IDs are its records, in a store that lists ids. Else they are those with keys
	// above After up to Upto, in the store's own order and notation.
	IDs   []string `json:"ids,omitempty"`
	After string   `json:"after,omitempty"`
	Upto  string   `json:"upto,omitempty"`
	// Next is from where the listing goes on behind it.
	Next string `json:"next,omitempty"`
	// Count is how many records were listed.
	Count int `json:"count"`
}

// Source is a store that is read. All of its methods may be used concurrently.
type Source interface {
	// Describe reads what the store is and has. Its counts are what the store says of
	// itself, which may lag behind.
	Describe(ctx context.Context) (*Description, error)
	// Count is how many records a namespace has now, exactly: by whatever it takes.
	Count(ctx context.Context, namespace string) (int64, error)
	// Units lists what a namespace has in units of about size records, in the
	// store's order, from behind the unit whose Next is after; "" is from the
	// beginning. Each record that was there all the while is in one of them.
	Units(ctx context.Context, namespace, after string, size int) iter.Seq2[Unit, error]
	// Read yields the records of a unit in batches. What was deleted since it was
	// listed is left out.
	Read(ctx context.Context, u Unit) iter.Seq2[[]Record, error]
	// Fetch returns those of the records that there are, in any order.
	Fetch(ctx context.Context, namespace string, ids []ID) ([]Record, error)
	// Search returns the nearest records, the nearest first.
	Search(ctx context.Context, s Search) ([]Hit, error)
	Close() error
}

// Given is a source that may be given the ids of its records, since it cannot list them.
type Given interface {
	// Given are those ids, of whichever namespaces; nil: it lists its ids itself.
	Given() iter.Seq2[string, error]
}

// Target is a store that is written, too.
type Target interface {
	Source
	// Limits are what it can hold, and take at once.
	Limits() Limits
	// Create makes the collection as described. One that is there already stays,
	// and is refused where it cannot hold the same.
	Create(ctx context.Context, d *Description) error
	// Put writes records of one namespace in the place of those with the same ids,
	// and returns when the store has them durably. Where the store refuses some of
	// them for what they are it is a [*RefusedError], and all others are written.
	Put(ctx context.Context, namespace string, records []Record) error
	// Delete takes records out. Those that there are not are no mistake.
	Delete(ctx context.Context, namespace string, ids []ID) error
}

// Aliased is a target whose collections can have further names, each of which is one
// collection's at a time.
type Aliased interface {
	// Alias makes name one of the collection, in one step if it was another one's, and
	// returns whose it was; empty: no other's.
	Alias(ctx context.Context, name string) (was string, err error)
}

// Whole is a target that may write several records so that it has all of them or none.
type Whole interface {
	// PutWhole is [Target.Put] of all records at once: on an error that says that they
	// are refused none is written. can is false where the store cannot do that with
	// these: Put is to be asked then. Of no records it says whether the store ever can.
	PutWhole(ctx context.Context, namespace string, records []Record) (can bool, err error)
}

// Search asks for the records nearest to a vector.
type Search struct {
	Namespace string
	Query     Vector // its Name says which vector is searched
	K         int
	Filter    *Filter // nil: all
	// Records asks for the records themselves. A store that cannot send them with the
	// hits leaves them out.
	Records bool
	// Vectors: they have their vectors, too.
	Vectors bool
}

// Hit is a record that was found. A higher Score is nearer for cosine and dot, a
// lower one for the distances.
type Hit struct {
	ID     ID
	Score  float64
	Record *Record // where it was asked for; nil: it has to be fetched
}

// Scanner is a source that finds records by their payload alone.
type Scanner interface {
	// Scan yields the records of a namespace that match, in batches. What is added
	// meanwhile may or may not be among them.
	Scan(ctx context.Context, namespace string, f *Filter) iter.Seq2[[]Record, error]
}

// Limits are what a target can hold, and take at once.
type Limits struct {
	Records int // of one Put; 0: any number
	Bytes   int // of one Put, by [Record.Size]; 0: any number

	Payload int // bytes of a record's payload; 0: any number
	// PayloadSize counts those bytes as the store does; nil: about, by [Payload.Size].
	PayloadSize func(p Payload) int

	TextID    int // bytes of a text id; 0: any number
	IDs       []IDKind
	OneID     bool // all ids of a collection are of one of these kinds
	Nulls     bool // null is a value
	Nested    bool // maps, and lists of other things than texts
	Integers  bool // whole numbers stay apart from doubles
	Namespace bool // ids are a namespace's own
	Spaces    int  // namespaces at most; 0: any number
	Forms     []Form
	Named     bool // several vectors, each with a name
	Positive  bool // sparse vectors have no values below 0
	Whole     bool // each record has all vectors of the collection
	Rounds    bool // a double may come back as the one beside it
	Dim       int  // of a dense vector at most; 0: any number
	// Directions reports whether it keeps the direction of a vector only; nil: of none.
	Directions func(v *Spec) bool
	// Column is the type of a column that is made for a field, by its name and values of
	// it, "" of one that stays in the payload; nil: all fields do.
	Column func(name string, values []Value) string
	// Field reports whether there is a place for a field of that name; nil: for any.
	Field func(name string) bool
	// Vector says why it cannot hold a vector whose form it has; nil, "": it can.
	Vector func(v *Vector) string
}

// RefusedError says which records a store refuses for what they are: to write
// them again does not help.
type RefusedError struct {
	Records map[ID]string // why
}

func (e *RefusedError) Error() string {
	for id, why := range e.Records {
		if len(e.Records) == 1 {
			return fmt.Sprintf("1 record is refused; %s: %s", id, why)
		}
		return fmt.Sprintf("%d records are refused; %s: %s", len(e.Records), id, why)
	}
	return "records are refused"
}

// Trouble is why a store did not do what was asked.
type Trouble string

// The troubles.
const (
	Throttled   Trouble = "throttled"   // too much at once: wait, and ask for less
	Unavailable Trouble = "unavailable" // it may do it the next time
	Denied      Trouble = "denied"      // the key, or a right that it has not
	Missing     Trouble = "missing"     // there is no such index, collection or table
	Invalid     Trouble = "invalid"     // the request is not to its liking; so will the next one be
)

// Error is what a store answered instead of doing what was asked.
type Error struct {
	Trouble    Trouble
	Store      string        // and where: qdrant at 127.0.0.1:6334
	Doing      string        // fetch, upsert, ...
	RetryAfter time.Duration // that the store asks for; 0: none
	Message    string        // of the store
	Cause      error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", e.Store, e.Doing, e.Trouble)
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Again reports whether to ask once more may help.
func (e *Error) Again() bool { return e.Trouble == Throttled || e.Trouble == Unavailable }
