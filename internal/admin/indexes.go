package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

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
	Reads     float64       `json:"reads" doc:"share of reads that the store which follows answers"`
	Shadow    float64       `json:"shadow" doc:"share of queries that both are asked"`
	Shadows   *IndexShadows `json:"shadows,omitempty" doc:"what both found, since the server began"`
	Work      *IndexWork    `json:"work,omitempty" doc:"the last copy or cutover, since the server began"`
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

// IndexShadows compares what both stores found.
type IndexShadows struct {
	Queries    int64   `json:"queries"`
	Failed     int64   `json:"failed" doc:"the second store did not answer"`
	Overlap    float64 `json:"overlap" doc:"mean share of the neighbours that both found, 0 to 1"`
	PineconeMS float64 `json:"pinecone_ms" doc:"median of the last ones"`
	StoreMS    float64 `json:"store_ms" doc:"median of the last ones"`
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
	for i := range s.Refused {
		w := &s.Refused[i]
		out.Why = append(out.Why, IndexWrite{w.Seq, w.At, string(w.Op), w.Namespace, w.IDs, w.Why})
	}
	if x := s.Shadows; x.Queries > 0 {
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		out.Shadows = &IndexShadows{x.Queries, x.Failed, x.Overlap, ms(x.Pinecone), ms(x.Store)}
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
	if err := k.Sync(ctx, in.Index, p, in.Again, c.Who, in.Reason); err != nil {
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

func (s *Service) indexCutover(ctx context.Context, c Caller, in IndexChangeIn) (Index, error) {
	return s.moveIndex(ctx, c, in, (*moves.Keeper).Cutover)
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
