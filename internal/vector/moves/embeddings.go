package moves

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/embed"
	"freehold/internal/history"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/plan"
)

// Embeddings are of an index that moves to another model, too, as the configuration has
// them.
type Embeddings struct {
	Alias     string // workload; it stands for Old in the configuration
	Old, New  string
	Text      string
	InputType string
	// Ask asks one of the models for what the alias may ask it.
	Ask func(model string) embed.Asker
	// Quote says what asking New is like.
	Quote func() (Quote, error)
}

// Quote is what is known of a model before it is asked.
type Quote struct {
	Denied string                  // why texts may not go there; empty: they may
	Token  decimal.NullDecimal     // US dollars
	Count  func(text string) int64 // tokens, about
}

// same reports whether both mean the same models of the same texts.
func (x *Embeddings) same(m *front.Embeddings) bool {
	if x == nil || m == nil {
		return x == nil && m == nil
	}
	return x.Alias == m.Alias && x.Old == m.Old && x.New == m.New && x.Text == m.Text
}

// like reports whether both are of the same models.
func (x *Embeddings) like(y *Embeddings) bool {
	return x != nil && y != nil && x.Old == y.Old && x.New == y.New
}

// texts make vectors by a model. dim is how long they are, 0: not known; limit the most
// that they may cost.
func (e *entry) texts(x *Embeddings, model string, dim int, limit, token decimal.NullDecimal) *embed.Texts {
	p := plan.Embed{Dim: dim}
	return &embed.Texts{
		Client: embed.New(embed.Options{Asker: x.Ask(model), Model: model, Dim: dim, Limit: limit, Token: token, Sleep: e.k.o.Sleep}),
		Vector: p.Spec(), Field: x.Text,
	}
}

// models are what the front of an index needs; nil: its stores have the same vectors.
func (e *entry) models(spec *Spec, old int, given *front.Given) *front.Models {
	x := spec.Embeddings
	if x == nil {
		return nil
	}
	return &front.Models{Old: x.Old, New: x.New, Text: x.Text, Given: given, Embedding: func(model string) vector.Embedding {
		now, dim := e.now().Embeddings, old
		if now == nil { // the index is being closed
			now = x
		}
		if model != now.Old {
			dim = e.dim()
		}
		return e.texts(now, model, dim, decimal.NullDecimal{}, decimal.NullDecimal{})
	}}
}

// dim is how long vectors of the new model are; 0: it was not asked yet.
func (e *entry) dim() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.index != nil {
		if m := e.index.Move(); m.Embeddings != nil {
			return m.Embeddings.Dim
		}
	}
	return 0
}

// filler makes the vectors of one run of a copy; nil: the records keep theirs.
func (e *entry) filler() (vector.Embedding, error) {
	x, m := e.now().Embeddings, e.index.Move()
	if x == nil || m.Embeddings == nil {
		return nil, nil
	}
	q, err := x.Quote()
	if err != nil {
		return nil, err
	}
	if q.Denied != "" {
		return nil, denied(x, q.Denied)
	}
	return e.texts(x, x.New, m.Embeddings.Dim, m.Embeddings.MaxCost, q.Token), nil
}

func denied(x *Embeddings, why string) error {
	return &front.StageError{Why: fmt.Sprintf("the texts may not go to the model %s: %s", x.New, why), Hint: "freehold perimeter check shows where its requests may go"}
}

// embedder is what a plan with the new model needs; the model is asked once.
func (e *entry) embedder(ctx context.Context, x *Embeddings) (*plan.Embedder, error) {
	q, err := x.Quote()
	if err != nil {
		return nil, err
	}
	if q.Denied != "" {
		return nil, denied(x, q.Denied)
	}
	texts := e.texts(x, x.New, 0, decimal.NullDecimal{}, decimal.NullDecimal{})
	began := e.k.o.Clock()
	if _, why, err := texts.Embed(ctx, []string{embed.Probe}); err != nil || why[0] != "" {
		return nil, fmt.Errorf("the model %s is asked how long its vectors are: %w", x.New, orText(err, why))
	}
	took := e.k.o.Clock().Sub(began)
	out := &plan.Embedder{Texts: texts, Count: q.Count, Token: q.Token, Embed: plan.Embed{Alias: x.Alias, Model: x.New, Text: x.Text, Dim: texts.Dim(), InputType: x.InputType}}
	if n := q.Count(embed.Probe); took > 0 {
		out.Pace = 4 * float64(n) / took.Seconds()
		out.About = fmt.Sprintf("the model: %d tokens in %v by one request, times the 4 that are under way: a guess", n, took.Round(time.Millisecond))
	}
	return out, nil
}

func orText(err error, why []string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", why[0])
}

// given checks a plan that somebody made against what the index is to become.
func (x *Embeddings) given(p *plan.Plan, index string) error {
	switch {
	case x == nil && p.Embed == nil:
		return nil
	case x == nil:
		return &front.StageError{Why: "the plan gives records vectors of another model, and indexes." + index + " has no embeddings", Hint: "indexes." + index + ".embeddings says which workload goes over to that model with the index"}
	case p.Embed == nil:
		return &front.StageError{Why: "the plan keeps the vectors that records have, and indexes." + index + ".embeddings goes over to " + x.New, Hint: "freehold vectors plan --embed " + x.New + " --text " + x.Text + ", or no --plan"}
	case p.Embed.Model != x.New || p.Embed.Text != x.Text || p.Embed.InputType != x.InputType:
		return &front.StageError{Why: fmt.Sprintf("the plan embeds %s by %s (input_type %q), and indexes.%s.embeddings says %s by %s (%q)", p.Embed.Text, p.Embed.Model, p.Embed.InputType, index, x.Text, x.New, x.InputType), Hint: "make them say the same"}
	case p.Embed.TextFrom != "" || p.Embed.Chunk || p.Embed.Keep || p.Embed.Vector != "" || p.Embed.Dimensions != 0 || p.Embed.MaxTokens != 0 || len(p.Embed.LeaveOut) > 0:
		return &front.StageError{Why: "records that applications go on writing have one vector without a name, of the whole text in a field", Hint: "a plan without text_from, chunk, keep_vectors, vector, dimensions, max_tokens and leave_out"}
	}
	return nil
}

// serveEmbedded has records come with vectors that the front makes, in the place of theirs.
func serveEmbedded(p *plan.Plan, most decimal.NullDecimal, x *Embeddings) *front.Embeddings {
	p.Mapping.DropVectors = slices.DeleteFunc(p.Mapping.DropVectors, func(name string) bool { return name == "" || name == pinecone.SparseName })
	return &front.Embeddings{Alias: x.Alias, Old: x.Old, New: x.New, Text: x.Text, Dim: p.Embed.Dim, MaxCost: most}
}

// embedded is a mapping by which copies with new vectors are compared.
func embedded(m front.Move) (vector.Mapping, *plan.Embed) {
	if m.Embeddings == nil {
		return m.Mapping, nil
	}
	out := m.Mapping
	out.DropVectors = append(slices.Clone(out.DropVectors), "")
	return out, &plan.Embed{Alias: m.Embeddings.Alias, Model: m.Embeddings.New, Text: m.Embeddings.Text, Dim: m.Embeddings.Dim}
}

// Quote says what it will take to embed the texts of an index; nil: nothing is embedded.
func (k *Keeper) Quote(ctx context.Context, name string) (*plan.EmbedFound, error) {
	e, err := k.opened(name)
	if err != nil {
		return nil, err
	}
	spec := e.now()
	if spec.Embeddings == nil {
		return nil, nil
	}
	p, err := e.plan(ctx, &spec)
	if err != nil {
		return nil, err
	}
	return p.Found.Embed, nil
}

// plan is a plan of how the index moves.
func (e *entry) plan(ctx context.Context, spec *Spec) (*plan.Plan, error) {
	now, err := spec.Perimeter()
	if err != nil {
		return nil, err
	}
	in := plan.Inputs{From: spec.From.String(), To: spec.To.String(), Source: e.source, Target: e.target, Create: spec.To.Name, Now: e.k.o.Clock(), Perimeter: now}
	if spec.Embeddings != nil {
		if in.Embed, err = e.embedder(ctx, spec.Embeddings); err != nil {
			return nil, err
		}
	}
	p, err := plan.Make(ctx, in)
	if err != nil {
		return nil, err
	}
	limits := e.target.Limits()
	p.Serve(&limits)
	return p, nil
}

// Alias is what an alias of embeddings stands for.
type Alias struct {
	Index string
	Phase front.Phase
	// Newer: for the model of the new store.
	Newer bool
}

// Alias is where the index is whose embeddings a workload makes; ok is false where it is
// no index's. An error is that where the index is could not be read.
func (k *Keeper) Alias(workload string) (a Alias, ok bool, err error) {
	e := k.alias(workload)
	if e == nil {
		return a, false, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	a.Index, a.Phase, err = e.spec.Name, e.was, e.unread
	if e.index != nil {
		a.Phase, err = e.index.Move().Phase, nil
	}
	a.Newer = a.Phase.Newer()
	return a, true, err
}

func (k *Keeper) alias(workload string) *entry {
	all := k.aliases.Load()
	if all == nil {
		return nil
	}
	return (*all)[workload]
}

// Remembers reports whether vectors that a workload makes are to be told to
// [Keeper.Given].
func (k *Keeper) Remembers(workload string) bool { return k.alias(workload) != nil }

// Given is told of vectors that are handed out under an alias of embeddings.
func (k *Keeper) Given(workload, model string, vectors [][]float32) {
	e := k.alias(workload)
	if e == nil {
		return
	}
	e.mu.Lock()
	given, x := e.given, e.spec.Embeddings
	e.mu.Unlock()
	if given != nil && x != nil && (model == x.New || model == x.Old) {
		given.Add(model == x.New, vectors...)
	}
}

// Judged puts on record what a gate has found of an index's new model.
func (k *Keeper) Judged(ctx context.Context, name, outcome, found string, who history.Who, why string) error {
	e, err := k.opened(name)
	if err != nil {
		return err
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.index.Judged(ctx, outcome, found); err != nil {
		return err
	}
	return k.record(ctx, e, KindGate, who, why, nil, "")
}
