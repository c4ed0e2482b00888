package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/history"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/moves"
	"freehold/internal/vector/plan"
)

// Index is a vector index that applications reach under /pinecone.
type Index struct {
	Name      string        `json:"index"`
	From      string        `json:"from" doc:"Pinecone"`
	To        string        `json:"to" doc:"the store that it moves to"`
	Phase     string        `json:"phase" doc:"relay, sync, cutover, own"`
	Closed    string        `json:"closed,omitempty" doc:"why it is not served now"`
	Forbidden string        `json:"forbidden,omitempty" doc:"why its records may not be at the new store: none are sent there"`
	Filled    *time.Time    `json:"filled,omitempty" doc:"since when the new store has all that Pinecone had"`
	Records   int64         `json:"records" doc:"that the new store has"`
	Unknown   int64         `json:"unknown" doc:"writes of which it is not known whether the authority has them; they are tried again"`
	Behind    int64         `json:"behind" doc:"writes that the store which follows has not yet"`
	Oldest    *time.Time    `json:"oldest,omitempty" doc:"the first of them"`
	Refused   int64         `json:"refused" doc:"writes that the store which follows cannot hold"`
	Why       []IndexWrite  `json:"refusals,omitempty" doc:"the first of them"`
	LeftOut   int64         `json:"left_out,omitempty" doc:"records that the last copy could not bring to the new store"`
	Left      []IndexLeft   `json:"left,omitempty" doc:"the first of them"`
	Reads     float64       `json:"reads" doc:"share of reads that the store which follows answers"`
	Shadow    float64       `json:"shadow" doc:"share of queries that both are asked"`
	Shadows   *IndexShadows `json:"shadows,omitempty" doc:"what both found for the same queries in this move"`
	Work      *IndexWork    `json:"work,omitempty" doc:"the last copy or cutover, since the server began"`
	Trouble   string        `json:"trouble,omitempty" doc:"why the store that follows does not, at the last try"`
	// Embeddings are of an index that goes over to another model.
	Embeddings *IndexEmbeddings `json:"embeddings,omitempty" doc:"of an index whose new store has vectors of another model"`
}

// IndexEmbeddings are an index's two models.
type IndexEmbeddings struct {
	Alias   string              `json:"alias" doc:"workload that applications name for embeddings of this index"`
	Model   string              `json:"model" doc:"that it stands for now"`
	Before  string              `json:"model_before" doc:"of Pinecone's vectors"`
	After   string              `json:"model_after" doc:"of the new store's"`
	Text    string              `json:"text" doc:"field of the metadata that has the text"`
	Dim     int                 `json:"dimension,omitempty" doc:"of vectors of the new model; absent: it was not asked yet"`
	MaxCost decimal.NullDecimal `json:"max_cost" doc:"that one run of the copy may spend on the model, in US dollars; null: nobody minds"`
	Gate    *IndexGate          `json:"gate,omitempty" doc:"what freehold vectors gate has found; absent: nobody has asked"`
}

// IndexGate is what a gate has found.
type IndexGate struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome" doc:"passed, worse, undecided"`
	Why     string    `json:"why"`
	Current bool      `json:"current" doc:"it is of what the last copy has made"`
}

// IndexWrite is a write that a store refused.
type IndexWrite struct {
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
	Op        string    `json:"op"`
	Namespace string    `json:"namespace"`
	IDs       []string  `json:"ids" doc:"none: the write is about all of the namespace"`
	Why       string    `json:"why"`
}

// IndexLeft is a record that a copy could not bring to the new store.
type IndexLeft struct {
	Namespace string `json:"namespace"`
	ID        string `json:"id"`
	Why       string `json:"why"`
}

// IndexShadows compares what both stores found.
type IndexShadows struct {
	Since      string  `json:"since" doc:"the first day, UTC"`
	Queries    int64   `json:"queries"`
	Failed     int64   `json:"failed" doc:"the second store did not answer"`
	Overlap    float64 `json:"overlap" doc:"mean share of the neighbours that both found, 0 to 1"`
	PineconeMS float64 `json:"pinecone_ms" doc:"median, to 3 %"`
	StoreMS    float64 `json:"store_ms" doc:"median, to 3 %"`
}

// IndexWork is a copy, or a proof and the cutover behind it.
type IndexWork struct {
	Kind        string              `json:"kind" doc:"fill, cutover"`
	Started     time.Time           `json:"started"`
	Ended       *time.Time          `json:"ended,omitempty"`
	Records     int64               `json:"records"`
	Of          int64               `json:"of" doc:"as far as it is known"`
	Error       string              `json:"error,omitempty"`
	Hint        string              `json:"hint,omitempty"`
	Compared    int64               `json:"compared,omitempty"`
	Missing     int64               `json:"missing,omitempty"`
	Altered     int64               `json:"altered,omitempty"`
	Extra       int64               `json:"extra,omitempty"`
	Rounded     int64               `json:"rounded,omitempty" doc:"numbers of fields that the new store keeps as the double beside"`
	Differences []vector.Difference `json:"differences,omitempty" doc:"the first hundred"`
}

func indexOf(s *moves.Status) Index {
	out := Index{
		Name: s.Name, From: s.From, To: s.To, Phase: string(s.Move.Phase), Closed: s.Why, Forbidden: s.Forbidden, Filled: moment(s.Move.Passed), Records: s.Records,
		Unknown: s.Lag.Begun, Behind: s.Lag.Acknowledged, Oldest: moment(s.Lag.Oldest), Refused: s.Lag.Refused, Reads: s.Reads, Shadow: s.Shadow,
	}
	out.Trouble, out.Embeddings, out.LeftOut = s.Trouble, indexEmbeddingsOf(s), s.LeftOut
	for _, r := range s.Left {
		out.Left = append(out.Left, IndexLeft{r.Namespace, r.ID, r.Why})
	}
	for i := range s.Refused {
		w := &s.Refused[i]
		out.Why = append(out.Why, IndexWrite{w.Seq, w.At, string(w.Op), w.Namespace, w.IDs, w.Why})
	}
	if x := &s.Shadows; x.Queries > 0 {
		out.Shadows = &IndexShadows{Since: x.Since, Queries: x.Queries, Failed: x.Failed, Overlap: x.Mean(), PineconeMS: millis(x.Pinecone.Quantile(0.5)), StoreMS: millis(x.Store.Quantile(0.5))}
	}
	if j := s.Job; j != nil {
		w := &IndexWork{Kind: j.Kind, Started: j.Started, Ended: moment(j.Ended), Records: j.Records, Of: j.Of}
		if j.Err != nil {
			w.Error = j.Err.Error()
			var stage *front.StageError
			var drift *moves.DriftError
			if errors.As(j.Err, &stage) {
				w.Hint = stage.Hint
			}
			if errors.As(j.Err, &drift) {
				w.Hint = "what was written past freehold is copied by freehold vectors sync " + s.Name + " --again"
			}
		}
		if r := j.Report; r != nil {
			w.Compared, w.Missing, w.Altered, w.Extra, w.Differences = r.Compared, r.Missing, r.Altered, r.Extra, r.Differences
			w.Rounded = r.Rounded
		}
		out.Work = w
	}
	return out
}

func indexEmbeddingsOf(s *moves.Status) *IndexEmbeddings {
	x, on := s.Embeddings, s.Move.Embeddings
	if x == nil {
		return nil
	}
	out := &IndexEmbeddings{Alias: x.Alias, Model: x.Old, Before: x.Old, After: x.New, Text: x.Text}
	if s.Move.Phase.Newer() {
		out.Model = x.New
	}
	if on == nil {
		return out
	}
	out.Dim, out.MaxCost = on.Dim, on.MaxCost
	if g := on.Gate; g != nil {
		out.Gate = &IndexGate{At: g.At, Outcome: g.Outcome, Why: g.Why, Current: g.Pass == s.Move.Pass && !g.At.Before(s.Move.Passed)}
	}
	return out
}

// Indexes is the answer of [IndexList].
type Indexes struct {
	Indexes []Index `json:"indexes"`
}

// IndexIn names an index.
type IndexIn struct {
	Index string `json:"index"`
}

// IndexSyncIn is the input of [IndexSync].
type IndexSyncIn struct {
	Index  string `json:"index"`
	Again  bool   `json:"again,omitempty" doc:"copy once more what has been copied"`
	Plan   string `json:"plan,omitempty" doc:"the text of a plan's file; absent: one is made"`
	Reason string `json:"reason,omitempty"`
	// MaxCost bounds what one run of the copy spends on the new model.
	MaxCost decimal.NullDecimal `json:"max_cost" doc:"the most that one run of the copy may spend on the new model, in US dollars; null: nobody minds"`
}

// IndexQuoteOut is what embedding the texts of an index will take.
type IndexQuoteOut struct {
	Model string           `json:"model,omitempty" doc:"that would embed them; absent: nothing is embedded"`
	Quote *plan.EmbedFound `json:"quote,omitempty"`
}

// IndexCutoverIn is the input of [IndexCutover].
type IndexCutoverIn struct {
	Index       string `json:"index"`
	Reason      string `json:"reason,omitempty"`
	WithoutGate string `json:"without_gate,omitempty" doc:"why the gate is not asked of an index that goes over to another model; absent: it is"`
}

// IndexJudgedIn is the input of [IndexJudged].
type IndexJudgedIn struct {
	Index   string `json:"index"`
	Outcome string `json:"outcome" doc:"passed, worse or undecided"`
	Why     string `json:"why"`
	Reason  string `json:"reason,omitempty"`
}

// IndexChangeIn is the input of what moves an index.
type IndexChangeIn struct {
	Index  string `json:"index"`
	Reason string `json:"reason,omitempty"`
}

func (s *Service) indexes() (*moves.Keeper, error) {
	if s.app.Indexes == nil {
		return nil, &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs: indexes are served, filled and moved by it", Hint: "freehold serve"}
	}
	return s.app.Indexes, nil
}

func (s *Service) indexList(ctx context.Context, _ Caller, _ None) (Indexes, error) {
	out := Indexes{Indexes: []Index{}}
	k, err := s.indexes()
	if err != nil {
		return out, err
	}
	for _, name := range k.Names() {
		st, err := k.Status(ctx, name)
		if err != nil {
			return out, err
		}
		out.Indexes = append(out.Indexes, indexOf(st))
	}
	return out, nil
}

func (s *Service) indexStatus(ctx context.Context, _ Caller, in IndexIn) (Index, error) {
	k, err := s.indexes()
	if err != nil {
		return Index{}, err
	}
	st, err := k.Status(ctx, in.Index)
	if err != nil {
		return Index{}, err
	}
	return indexOf(st), nil
}

func (s *Service) indexSync(ctx context.Context, c Caller, in IndexSyncIn) (Index, error) {
	k, err := s.indexes()
	if err != nil {
		return Index{}, err
	}
	var p *plan.Plan
	if in.Plan != "" {
		if p, err = plan.Read("plan", []byte(in.Plan)); err != nil {
			return Index{}, invalid("the plan: "+oneLine(err), "")
		}
	}
	if err := k.Sync(ctx, in.Index, moves.SyncOptions{Plan: p, Again: in.Again, MaxCost: in.MaxCost}, c.Who, in.Reason); err != nil {
		return Index{}, err
	}
	return s.indexStatus(ctx, c, IndexIn{in.Index})
}

func (s *Service) moveIndex(ctx context.Context, c Caller, in IndexChangeIn, do func(*moves.Keeper, context.Context, string, history.Who, string) error) (Index, error) {
	k, err := s.indexes()
	if err != nil {
		return Index{}, err
	}
	if err := do(k, ctx, in.Index, c.Who, in.Reason); err != nil {
		return Index{}, err
	}
	return s.indexStatus(ctx, c, IndexIn{in.Index})
}

func (s *Service) indexQuote(ctx context.Context, _ Caller, in IndexIn) (IndexQuoteOut, error) {
	k, err := s.indexes()
	if err != nil {
		return IndexQuoteOut{}, err
	}
	q, err := k.Quote(ctx, in.Index)
	if err != nil || q == nil {
		return IndexQuoteOut{}, err
	}
	st, err := k.Status(ctx, in.Index)
	if err != nil {
		return IndexQuoteOut{}, err
	}
	return IndexQuoteOut{Model: st.Embeddings.New, Quote: q}, nil
}

func (s *Service) indexJudged(ctx context.Context, c Caller, in IndexJudgedIn) (Index, error) {
	if in.Outcome == "" {
		return Index{}, invalid("outcome is missing", "what freehold vectors gate found: passed, worse or undecided")
	}
	return s.moveIndex(ctx, c, IndexChangeIn{Index: in.Index, Reason: in.Reason}, func(k *moves.Keeper, ctx context.Context, index string, who history.Who, why string) error {
		return k.Judged(ctx, index, in.Outcome, in.Why, who, why)
	})
}

func (s *Service) indexCutover(ctx context.Context, c Caller, in IndexCutoverIn) (Index, error) {
	return s.moveIndex(ctx, c, IndexChangeIn{Index: in.Index, Reason: in.Reason}, func(k *moves.Keeper, ctx context.Context, index string, who history.Who, why string) error {
		return k.Cutover(ctx, index, in.WithoutGate, who, why)
	})
}

func (s *Service) indexRollback(ctx context.Context, c Caller, in IndexChangeIn) (Index, error) {
	return s.moveIndex(ctx, c, in, (*moves.Keeper).Rollback)
}

func (s *Service) indexLeave(ctx context.Context, c Caller, in IndexChangeIn) (Index, error) {
	return s.moveIndex(ctx, c, in, (*moves.Keeper).Leave)
}

func (s *Service) indexFinish(ctx context.Context, c Caller, in IndexChangeIn) (Index, error) {
	return s.moveIndex(ctx, c, in, (*moves.Keeper).Finish)
}
