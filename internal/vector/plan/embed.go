package plan

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/shopspring/decimal"

	"freehold/internal/vector"
)

// Embed says by which model, and of which texts, records get a new vector.
type Embed struct {
	Alias string `json:"alias"` // workload or model of config.yaml
	Model string `json:"model"` // that the alias stood for; no other is asked
	// Text is the field with the text, of the payload or, where TextFrom names one, of the
	// record with the same id in that archive.
	Text     string `json:"text"`
	TextFrom string `json:"text_from,omitempty"`
	Vector   string `json:"vector,omitempty"` // its name in the target
	Dim      int    `json:"dim"`
	// Dimensions are asked for; 0: as many as the model makes by itself.
	Dimensions int64  `json:"dimensions,omitempty"`
	InputType  string `json:"input_type,omitempty"` // that models get which know it
	// MaxTokens is how long a text may be; 0: nobody minds but the model. Chunk: a longer
	// one becomes several records; else it is refused.
	MaxTokens int64    `json:"max_tokens,omitempty"`
	Chunk     bool     `json:"chunk,omitempty"`
	Keep      bool     `json:"keep_vectors,omitempty"` // the source's are copied beside it
	LeaveOut  []string `json:"leave_out,omitempty"`    // ids
	// Input is the digest of a file that is embedded: a changed one is another copy.
	Input string `json:"input,omitempty"`
}

// Spec is the vector in the target.
func (e *Embed) Spec() vector.Spec {
	return vector.Spec{Name: e.Vector, Form: vector.Dense, Dim: e.Dim, Metric: vector.Cosine, Element: "float32"}
}

// Asks reports whether the same was asked for, whatever model it came to.
func (e *Embed) Asks(of *Embed) bool {
	if e == nil || of == nil {
		return e == of
	}
	a, b := *e, *of
	for _, x := range []*Embed{&a, &b} {
		x.Model, x.Dim, x.LeaveOut = "", 0, nil
	}
	return reflect.DeepEqual(a, b)
}

// Embedder is what [Make] needs for a plan with new vectors.
type Embedder struct {
	Embed
	Texts vector.Embedding        // whose Parts are asked for; nothing is embedded
	Count func(text string) int64 // tokens, about
	Token decimal.NullDecimal     // US dollars; not valid: unknown
	Pace  float64                 // tokens a second; 0: not known
	About string                  // where Pace is from
	// Question is what Measure sends, in tokens (about) and in bytes, which are paid for, too.
	Question struct{ Tokens, Bytes int64 }
	// Measure says how long the model's vectors are, and how fast it is, once it is known
	// what the texts will take: an error is why it is not asked. nil: it is said already.
	Measure func(ctx context.Context, found *EmbedFound) (*Measured, error)
}

// Measured is what asking a model has shown.
type Measured struct {
	Dim   int
	Pace  float64
	About string
}

// EmbedFound is what embedding the texts will take, by the sample.
type EmbedFound struct {
	Texts   int64 `json:"texts"`   // to be embedded
	Missing int64 `json:"missing"` // records without a text that can be embedded
	// Without are ids of some of them.
	Without []string `json:"without,omitempty"`
	Tokens  int64    `json:"tokens"` // about
	// MostTokens is what they can have at most: no token is shorter than a byte.
	MostTokens int64               `json:"most_tokens"`
	USD        decimal.NullDecimal `json:"usd"` // null: unknown
	MostUSD    decimal.NullDecimal `json:"most_usd"`
	Seconds    float64             `json:"seconds,omitempty"`
	Perimeter  string              `json:"perimeter"` // whether the texts may go to the model
}

// LeavesOut reports whether a record is left out on purpose.
func (p *Plan) LeavesOut(id string) bool {
	return p.Embed != nil && slices.Contains(p.Embed.LeaveOut, id)
}

// estimate says what the texts will take, and then has the model measured.
func (p *Plan) estimate(ctx context.Context, e *Embedder, sample []vector.Record) (losses []Loss, err error) {
	f := &EmbedFound{}
	p.Found.Embed = f
	if losses, err = p.quote(ctx, e, sample); err != nil || e.Measure == nil {
		return losses, err
	}
	m, err := e.Measure(ctx, f)
	if err != nil {
		return nil, err
	}
	if e.Dim, e.Pace, e.About = m.Dim, m.Pace, m.About; e.Pace > 0 {
		f.Seconds = float64(f.Tokens) / e.Pace
	}
	return losses, nil
}

// embed has the records get a vector of the model, and leaves out those that they have.
func (p *Plan) embed(source *vector.Description, e *Embedder, limits *vector.Limits) error {
	own := e.Embed
	p.Embed = &own
	if own.Vector != "" && !limits.Named {
		return fmt.Errorf("the target has one vector for each record, without a name: %q cannot be the name of a new one", own.Vector)
	}
	if !own.Keep {
		for _, v := range source.Vectors {
			p.Mapping.DropVectors = append(p.Mapping.DropVectors, v.Name)
		}
		return nil
	}
	if !limits.Named {
		return fmt.Errorf("the target has one vector for each record: the source's cannot be kept beside the new one")
	}
	if source.Vector(own.Vector) != nil {
		return fmt.Errorf("the source has a vector %q already: name the new one with --vector", own.Vector)
	}
	return nil
}

// made is the source as the target's records are made of it: with the new vector, and
// without those that are left out.
func (p *Plan) made(source *vector.Description) *vector.Description {
	if p.Embed == nil {
		return source
	}
	out := *source
	out.Vectors = nil
	if p.Embed.Keep {
		out.Vectors = slices.Clone(source.Vectors)
	}
	out.Vectors = append(out.Vectors, p.Embed.Spec())
	if p.Embed.Chunk && !slices.Contains(out.IDs, vector.TextID) { // pieces have ids of their own
		out.IDs = append(slices.Clone(out.IDs), vector.TextID)
	}
	return &out
}

// holdsEmbedded refuses a target that is there already and has no place for the vector.
func (p *Plan) holdsEmbedded(target *vector.Description) error {
	if p.Embed == nil || target == nil {
		return nil
	}
	spec := p.Embed.Spec()
	have := target.Vector(spec.Name)
	if have == nil || have.Form != spec.Form || have.Dim != spec.Dim {
		return fmt.Errorf("the target's vector %q is %s, and the model %s makes %s", spec.Name, specText(have), p.Embed.Model, specText(&spec))
	}
	return nil
}

// quote says what the texts will take, and which records have none.
func (p *Plan) quote(ctx context.Context, e *Embedder, sample []vector.Record) (losses []Loss, err error) {
	f := p.Found.Embed
	parts, err := parts(ctx, e.Texts, sample)
	if err != nil {
		return nil, fmt.Errorf("the texts of the sample: %w", err)
	}
	var texts, missing, tokens, bytes int64
	reasons := map[string]int{}
	for i := range parts {
		if x := &parts[i]; x.Why != "" {
			missing++
			reasons[x.Why]++
			if len(f.Without) < 20 {
				f.Without = append(f.Without, x.Record.ID.String())
			}
			continue
		}
		texts++
		tokens += e.Count(parts[i].Text)
		bytes += int64(len(parts[i].Text))
	}
	for why, n := range reasons {
		losses = append(losses, Loss{What: "records", Why: why, Share: float64(n) / float64(len(sample)), Refused: true})
	}
	all := func(n int64) int64 {
		return int64(float64(n) * float64(p.Found.Size.Records) / float64(max(1, len(sample))))
	}
	f.Texts, f.Missing, f.Tokens, f.MostTokens = all(texts), all(missing), all(tokens)+e.Question.Tokens, all(bytes)+e.Question.Bytes
	if e.Token.Valid {
		f.USD = decimal.NewNullDecimal(e.Token.Decimal.Mul(decimal.NewFromInt(f.Tokens)).Round(6))
		f.MostUSD = decimal.NewNullDecimal(e.Token.Decimal.Mul(decimal.NewFromInt(f.MostTokens)).Round(6))
	}
	if e.Pace > 0 {
		f.Seconds = float64(f.Tokens) / e.Pace
	}
	return losses, nil
}

// assume says what an estimate rests on.
func (p *Plan) assume(e *Embedder) {
	p.Found.Assumed = append(p.Found.Assumed, "tokens of texts are counted with o200k_base, whatever the model: a guess; at most as many as they have bytes")
	if e.About != "" {
		p.Found.Assumed = append(p.Found.Assumed, e.About)
	}
}

// parts are those of records of several namespaces, which are asked for apart.
func parts(ctx context.Context, e vector.Embedding, records []vector.Record) (out []vector.Part, err error) {
	for from := 0; from < len(records); {
		to := from + 1
		for to < len(records) && to-from < 256 && records[to].Namespace == records[from].Namespace {
			to++
		}
		some, err := e.Parts(ctx, records[from:to])
		if err != nil {
			return nil, err
		}
		out, from = append(out, some...), to
	}
	return out, nil
}
