// Package plan says what a copy of a vector store will do before it does it: how
// ids, namespaces and fields become the target's, what is lost and why, how long it
// takes and what it costs. A plan is a file that people review and edit.
package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"freehold/internal/vector"
)

// Plan is what is copied and how. What is under Found is for people; the rest is
// what a copy does.
type Plan struct {
	Version    int                `json:"version"`
	Made       time.Time          `json:"made"`
	From       string             `json:"from"` // URL, without its key
	To         string             `json:"to"`
	Namespaces []string           `json:"namespaces"`
	Appeared   []string           `json:"appeared,omitempty"` // since, and copied, too
	Mapping    vector.Mapping     `json:"mapping"`
	Create     vector.Description `json:"create"`
	// Embed: the records get a vector of another model; nil: those that they have.
	Embed *Embed `json:"embed,omitempty"`
	// Data are the data classes of the records; none: all there are.
	Data []string `json:"data,omitempty"`
	// AllowForbidden: they go to the target though the perimeter forbids it.
	AllowForbidden bool `json:"allow_forbidden"`
	// AllowMetric: they go into a collection that measures by another metric.
	AllowMetric bool  `json:"allow_metric"`
	Found       Found `json:"found"`
}

// Found is what a plan was made of, and what follows.
type Found struct {
	Source  vector.Description  `json:"source"`
	Target  *vector.Description `json:"target,omitempty"` // as it is there already
	Fields  []Field             `json:"fields"`
	Sampled int                 `json:"sampled"` // records that were looked at
	// Lacking is how many of them have no vector of a name.
	Lacking   map[string]int `json:"lacking,omitempty"`
	Losses    []Loss         `json:"losses"`
	Refused   string         `json:"refused,omitempty"` // why it cannot be copied so
	Size      Size           `json:"size"`
	Embed     *EmbedFound    `json:"embed,omitempty"`
	Memory    []Memory       `json:"memory,omitempty"`
	Assumed   []string       `json:"assumed"` // rates and prices, with where they are from
	Perimeter Perimeter      `json:"perimeter"`
	Writers   string         `json:"writers"`
}

// Field is a field of payloads, as it was seen in the sample.
type Field struct {
	Name  string         `json:"name"`
	Kinds map[string]int `json:"kinds"`           // how many records have it as what
	Whole int            `json:"whole,omitempty"` // doubles that are whole numbers
	As    string         `json:"as,omitempty"`
	Why   string         `json:"why,omitempty"`
}

// Loss is what the target will not have.
type Loss struct {
	What    string  `json:"what"`
	Why     string  `json:"why"`
	Share   float64 `json:"share"`   // of the records in the sample, 0 to 1
	Refused bool    `json:"refused"` // such records are not copied at all
}

// Inputs of [Make].
type Inputs struct {
	From, To string // URLs, without their keys
	Source   vector.Source
	Target   vector.Target
	Sample   int // records that are looked at; 0: 2000
	Now      time.Time
	// Namespaces to copy; nil: all.
	Namespaces []string
	// Create is the name of the collection that is made.
	Create string
	Prices Prices
	// Data are the data classes of the records, Perimeter what follows for the target.
	Data      []string
	Perimeter Perimeter
	Embed     *Embedder // nil: records keep the vectors that they have
}

// Version of plans.
const Version = 1

// Make reads both ends, and writes nothing.
func Make(ctx context.Context, in Inputs) (*Plan, error) {
	if in.Sample <= 0 {
		in.Sample = 2000
	}
	source, err := in.Source.Describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	target, err := in.Target.Describe(ctx)
	var away *vector.Error
	if errors.As(err, &away) && away.Trouble == vector.Missing {
		target, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	p := &Plan{Version: Version, Made: in.Now.UTC().Truncate(time.Second), From: in.From, To: in.To, Data: in.Data}
	if p.Namespaces = in.Namespaces; p.Namespaces == nil {
		for _, ns := range source.Namespaces {
			p.Namespaces = append(p.Namespaces, ns.Name)
		}
	}
	for _, ns := range p.Namespaces {
		if !slices.ContainsFunc(source.Namespaces, func(n vector.Namespace) bool { return n.Name == ns }) {
			return nil, fmt.Errorf("the source has no namespace %q", ns)
		}
	}
	sample, err := take(ctx, in.Source, p.Namespaces, in.Sample)
	if err != nil {
		return nil, fmt.Errorf("a sample of the source: %w", err)
	}
	limits := in.Target.Limits()
	p.Found = Found{Source: *source, Target: target, Sampled: len(sample), Fields: fieldsOf(sample), Losses: []Loss{}, Perimeter: in.Perimeter, Writers: writers(source)}
	p.Found.lack(source, sample)
	p.count(source)
	var without []Loss
	if in.Embed != nil {
		if without, err = p.estimate(ctx, in.Embed, sample); err != nil {
			return nil, err
		}
		if err := p.embed(source, in.Embed, &limits); err != nil {
			return nil, err
		}
		if err := p.holdsEmbedded(target); err != nil {
			return nil, err
		}
	}
	made := p.made(source)
	p.decide(made, &limits, sample)
	p.create(in.Create, made, target, &limits, sample)
	p.size(source, sample, in.Prices)
	if in.Embed != nil && len(sample) > 0 {
		p.Found.Losses = append(p.Found.Losses, without...)
		p.assume(in.Embed)
	}
	p.altered(made, &limits, sample)
	p.losses(&limits, sample)
	if err := p.Fits(source); err != nil {
		p.Found.Refused = err.Error()
	}
	return p, p.collisions(ctx, in.Source, source.IDs, sample)
}

// lack counts records without one of the source's vectors.
func (f *Found) lack(source *vector.Description, sample []vector.Record) {
	for _, v := range source.Vectors {
		n := 0
		for i := range sample {
			if sample[i].Vector(v.Name) == nil {
				n++
			}
		}
		if n > 0 {
			if f.Lacking == nil {
				f.Lacking = map[string]int{}
			}
			f.Lacking[v.Name] = n
		}
	}
}

// take reads the first records of each namespace, as many of each.
func take(ctx context.Context, s vector.Source, namespaces []string, n int) ([]vector.Record, error) {
	var out []vector.Record
	each := max(1, n/max(1, len(namespaces)))
	for _, ns := range namespaces {
		got := 0
		for u, err := range s.Units(ctx, ns, "", min(each, 500)) {
			if err != nil {
				return nil, err
			}
			for records, err := range s.Read(ctx, u) {
				if err != nil {
					return nil, err
				}
				records = records[:min(len(records), each-got)]
				out, got = append(out, records...), got+len(records)
				if got == each {
					break
				}
			}
			if got == each {
				break
			}
		}
	}
	return out, nil
}

// writers is what is known of who else writes to the source.
func writers(d *vector.Description) string {
	if d.Store == "file" {
		return "none: a file"
	}
	return "not known: whoever has the key. What changes during the copy is found by verify; stop writing, or write through freehold"
}

// Alike reports whether both plans copy the same in the same way, whenever they were
// made, whatever was found then, and whether or not it is allowed.
func (p *Plan) Alike(q *Plan) bool {
	a, b := *p, *q
	for _, x := range []*Plan{&a, &b} {
		x.Found, x.Made, x.Appeared, x.Data, x.AllowForbidden, x.AllowMetric = Found{}, time.Time{}, nil, nil, false, false
		if x.Embed != nil { // who is left out is said of what could not be copied, too
			e := *x.Embed
			e.LeaveOut = nil
			x.Embed = &e
		}
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
