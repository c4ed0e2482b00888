package front

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// Embeddings say that the new store has vectors of another model than Pinecone.
type Embeddings struct {
	// Alias is the workload that applications name when they want vectors for the index:
	// it stands for Old until the cutover, and for New after it.
	Alias string `json:"alias"`
	Old   string `json:"old"`
	New   string `json:"new"`
	Text  string `json:"text"` // field of the metadata that has the text
	Dim   int    `json:"dim"`  // numbers of a vector of New
	// MaxCost is the most that one run of a copy may spend, in US dollars.
	MaxCost decimal.NullDecimal `json:"max_cost"`
	// Gate is what was found of New, nil: nobody has looked.
	Gate *Gate `json:"gate,omitempty"`
}

// Gate is what a comparison of both stores came to.
type Gate struct {
	At      time.Time `json:"at"`
	Pass    string    `json:"pass"` // the copy that had filled the new store
	Outcome string    `json:"outcome"`
	Why     string    `json:"why"`
}

// GatePassed is the outcome of a gate that lets an index be cut over.
const GatePassed = "passed"

// Models are what an index needs whose stores have vectors of two models.
type Models struct {
	Old, New string
	// Text is the field of the metadata that has the text of a record.
	Text string
	// Embedding makes vectors of texts by one of the models, now.
	Embedding func(model string) vector.Embedding
	Given     *Given
}

// Newer reports whether the new store's model is the one that answers in a phase: it is
// what an alias of embeddings stands for then, and changes with nothing else.
func (p Phase) Newer() bool { return p == Cut || p == Own }

// Stands is the model that the alias of the embeddings stands for in a phase.
func (m *Models) Stands(p Phase) string { return m.of(p.Newer()) }

func (m *Models) of(newer bool) string {
	if newer {
		return m.New
	}
	return m.Old
}

// Served is what the index is at the new store.
func (m *Move) Served() plane.Contract {
	if m.Embeddings == nil {
		return m.Contract
	}
	return plane.Contract{VectorType: "dense", Dimension: m.Embeddings.Dim, Metric: "cosine"}
}

// contract is what the index is in a phase, for those who use it.
func (ix *Index) contract(p Phase) *plane.Contract {
	if p.Newer() {
		return &ix.Served.Contract
	}
	return &ix.old
}

// maker is who made a vector, as seen from the store that answers.
type maker int

const (
	ownModel   maker = iota // the model of that store
	otherModel              // that of the other one
	someModel               // nobody can tell
)

// maker says who made a vector: by its length where the models differ in that, else by
// what was handed out; of all else it is the model that the alias stands for.
func (ix *Index) maker(m *Move, v []float32) maker {
	if ix.Models == nil || len(v) == 0 {
		return ownModel
	}
	newer := m.Phase.Newer()
	if m.Embeddings != nil {
		own, other := ix.contract(m.Phase).Dimension, m.Embeddings.Dim
		if newer {
			other = ix.old.Dimension
		}
		if own != other {
			if len(v) == other {
				return otherModel
			}
			return ownModel
		}
	}
	byNew, known := ix.Models.Given.Of(v)
	switch {
	case known && byNew == newer:
		return ownModel
	case known:
		return otherModel
	}
	// What is not remembered is of the model of now, unless an earlier process can have
	// handed it out, under the other one, a short while ago.
	if now := ix.Clock(); now.Sub(ix.Models.Given.since) < givenFor && now.Sub(m.Turned) < givenFor {
		return someModel
	}
	return ownModel
}

// strange refuses a vector that this index cannot take.
func (ix *Index) strange(m *Move, by maker, what string) error {
	stands := ix.Models.Stands(m.Phase)
	if by == someModel {
		return status.Errorf(codes.InvalidArgument, "whether the vector of the %s is of %s or of %s cannot be told: the index %s changed from one to the other, and freehold began anew, within the last hour. Ask for the embedding once more: it is of %s then", what, ix.Models.Old, ix.Models.New, ix.Name, stands)
	}
	return status.Errorf(codes.InvalidArgument, "the vector of the %s is of the model %s, and the index %s answers with vectors of %s (phase %s). Ask for the embedding once more: it is of %s then", what, ix.Models.of(!m.Phase.Newer()), ix.Name, stands, m.Phase, stands)
}

// fitted is a write as the store takes it that answers in a phase: its vectors are of
// that store's model. Those that are not are made anew of the records' texts. It
// refuses what is not in order.
func (ix *Index) fitted(ctx context.Context, m *Move, in proto.Message) (proto.Message, error) {
	switch r := in.(type) {
	case *wire.UpsertRequest:
		r, err := ix.fitUpsert(ctx, m, r)
		if err != nil {
			return nil, err
		}
		return r, ix.contract(m.Phase).Upsert(r)
	case *wire.UpdateRequest:
		r, err := ix.fitUpdate(ctx, m, r)
		if err != nil {
			return nil, err
		}
		_, err = ix.contract(m.Phase).Update(r)
		return r, err
	}
	return in, nil
}

func (ix *Index) fitUpsert(ctx context.Context, m *Move, r *wire.UpsertRequest) (*wire.UpsertRequest, error) {
	var at []int
	for i, v := range r.GetVectors() {
		if ix.maker(m, v.GetValues()) != ownModel {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return r, nil
	}
	some := &wire.UpsertRequest{Namespace: r.GetNamespace()}
	for _, i := range at {
		some.Vectors = append(some.Vectors, r.GetVectors()[i])
	}
	made, why, err := ix.remade(ctx, m.Phase.Newer(), some)
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "the text of a record is embedded anew, since its vector is of another model: %v", err)
	}
	out := &wire.UpsertRequest{Namespace: r.GetNamespace(), Vectors: slices.Clone(r.GetVectors())}
	for j, i := range at {
		v := r.GetVectors()[i]
		if why[j] != "" {
			return nil, ix.strange(m, ix.maker(m, v.GetValues()), "record "+v.GetId())
		}
		out.Vectors[i] = made[j]
	}
	return out, nil
}

// remade are records with vectors that one of the models makes of their texts; why says
// of which there are none.
func (ix *Index) remade(ctx context.Context, byNew bool, r *wire.UpsertRequest) (out []*wire.Vector, why []string, err error) {
	records := make([]vector.Record, len(r.GetVectors()))
	for i, v := range r.GetVectors() {
		records[i] = vector.Record{ID: vector.IDOf(v.GetId()), Namespace: plain(r.GetNamespace()), Payload: pinecone.PayloadOf(v.GetMetadata())}
	}
	vectors, why, err := ix.embedSoon(ctx, ix.Models.Embedding(ix.Models.of(byNew)), records)
	if err != nil {
		return nil, nil, err
	}
	out = make([]*wire.Vector, len(records))
	for i, v := range r.GetVectors() {
		if byNew && v.GetSparseValues() != nil {
			why[i] = noSparse
		}
		out[i] = &wire.Vector{Id: v.GetId(), Values: vectors[i], SparseValues: v.GetSparseValues(), Metadata: v.GetMetadata()}
	}
	return out, why, nil
}

// noSparse is why the new store does not have a record: its vectors are the model's.
const noSparse = "it has sparse values, for which the new store has no place"

// embedTime is how long a model may take for texts while a writer waits, and embedEach
// how much longer for each text.
const (
	embedTime = 30 * time.Second
	embedEach = time.Second
)

// embedSoon is [Index.embed] while somebody waits for it.
func (ix *Index) embedSoon(ctx context.Context, by vector.Embedding, records []vector.Record) ([][]float32, []string, error) {
	within, cancel := context.WithTimeout(ctx, embedTime+time.Duration(len(records))*embedEach)
	defer cancel()
	vectors, why, err := ix.embed(within, by, records)
	if err != nil && within.Err() != nil && ctx.Err() == nil { // to be tried again
		err = &vector.Error{Trouble: vector.Unavailable, Store: "the model", Doing: "embed", Message: "it takes too long", Cause: err}
	}
	return vectors, why, err
}

// embed makes vectors of the texts of records, in their order.
func (ix *Index) embed(ctx context.Context, by vector.Embedding, records []vector.Record) (vectors [][]float32, why []string, err error) {
	parts, err := by.Parts(ctx, records)
	if err != nil {
		return nil, nil, err
	}
	if len(parts) != len(records) {
		return nil, nil, fmt.Errorf("of %d records %d were made: texts of an index are not cut", len(records), len(parts))
	}
	vectors, why = make([][]float32, len(records)), make([]string, len(records))
	var texts []string
	var at []int
	for i := range parts {
		if why[i] = parts[i].Why; why[i] == "" {
			texts, at = append(texts, parts[i].Text), append(at, i)
		}
	}
	if len(texts) == 0 {
		return vectors, why, nil
	}
	answered := askedOf(ctx).wait()
	made, refused, err := by.Embed(ctx, texts)
	answered()
	if err != nil {
		return nil, nil, err
	}
	for j, i := range at {
		vectors[i], why[i] = made[j], refused[j]
	}
	return vectors, why, nil
}

func (ix *Index) fitUpdate(ctx context.Context, m *Move, r *wire.UpdateRequest) (*wire.UpdateRequest, error) {
	if ix.Models == nil {
		return r, nil
	}
	_, sets := r.GetSetMetadata().GetFields()[ix.Models.Text]
	if sets && r.GetFilter() != nil && (m.Phase == Sync || m.Phase == Cut) {
		return nil, status.Errorf(codes.InvalidArgument, "an update by a filter cannot set the field %s while the index %s moves: each store makes its vectors of it. Update the records by their ids", ix.Models.Text, ix.Name)
	}
	by := ix.maker(m, r.GetValues())
	if by == ownModel {
		return r, nil
	}
	if !sets {
		return nil, ix.strange(m, by, "update of "+r.GetId())
	}
	out, why, err := ix.updateBy(ctx, m.Phase.Newer(), r)
	switch {
	case err != nil:
		return nil, status.Errorf(codes.Unavailable, "the text of an update is embedded anew, since its vector is of another model: %v", err)
	case why != "":
		return nil, ix.strange(m, by, "update of "+r.GetId())
	}
	return out, nil
}

// updateBy is an update for a store of one of the models, whose vectors are made of texts:
// a text that it sets brings its vector along, and values alone change nothing there. nil:
// nothing is left of it.
func (ix *Index) updateBy(ctx context.Context, byNew bool, r *wire.UpdateRequest) (out *wire.UpdateRequest, why string, err error) {
	out = proto.Clone(r).(*wire.UpdateRequest)
	out.Values = nil
	if _, sets := r.GetSetMetadata().GetFields()[ix.Models.Text]; sets && r.GetFilter() == nil {
		made, refused, err := ix.remade(ctx, byNew, &wire.UpsertRequest{Namespace: r.GetNamespace(), Vectors: []*wire.Vector{{Id: r.GetId(), Metadata: r.GetSetMetadata()}}})
		if err != nil || refused[0] != "" {
			return nil, strings.Join(refused, ""), err
		}
		out.Values = made[0].GetValues()
	}
	if b := (&barrier{update: out}); b.idle() {
		return nil, "", nil
	}
	return out, "", nil
}

// refashioned is a write as the store that follows takes it, with vectors of its own
// model, made of the texts: what the authority's vectors are of does not matter. nil:
// nothing is left to do. why names records of it that have no text to be embedded, which
// are left out.
func (ix *Index) refashioned(ctx context.Context, p Phase, w *Write) (out *Write, why string, err error) {
	if ix.Models == nil || w.Op == Delete {
		return w, "", nil
	}
	copied := *w
	switch w.Op {
	case Upsert:
		r := &wire.UpsertRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return nil, "", fmt.Errorf("write %d: %w", w.Seq, err)
		}
		if why, err = ix.refashion(ctx, !p.Newer(), r); err != nil {
			return nil, "", err
		}
		if len(r.GetVectors()) == 0 {
			return nil, why, nil
		}
		copied.Body, err = proto.Marshal(r)
	case Update:
		r := &wire.UpdateRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return nil, "", fmt.Errorf("write %d: %w", w.Seq, err)
		}
		if r, why, err = ix.updateBy(ctx, !p.Newer(), r); err != nil || r == nil {
			return nil, why, err
		}
		copied.Body, err = proto.Marshal(r)
	}
	return &copied, why, err
}

// refashion gives the records of an upsert vectors of one of the models, and takes out
// those that can have none, which why names.
func (ix *Index) refashion(ctx context.Context, byNew bool, r *wire.UpsertRequest) (why string, err error) {
	made, whys, err := ix.remade(ctx, byNew, r)
	if err != nil {
		return "", fmt.Errorf("the texts are embedded by %s: %w", ix.Models.of(byNew), err)
	}
	var reasons []string
	r.Vectors = made[:0]
	for i, v := range made {
		if whys[i] != "" {
			reasons = append(reasons, fmt.Sprintf("%s: %s", v.GetId(), whys[i]))
			continue
		}
		r.Vectors = append(r.Vectors, v)
	}
	const told = 5
	if len(reasons) > told {
		reasons = append(reasons[:told], fmt.Sprintf("and %d more", len(reasons)-told))
	}
	return strings.Join(reasons, "; "), nil
}

// untold is the refusal of records that a store cannot have a vector of.
func untold(model, why string) error {
	return status.Errorf(codes.InvalidArgument, "%s makes no vector of: %s", model, why)
}

// put writes records that were read at Pinecone to the new store, with the vectors that
// its model makes of their texts. known are vectors of texts that are made already.
func (ix *Index) put(ctx context.Context, by vector.Embedding, ns string, records []vector.Record, known map[string][]float32) error {
	if ix.Models == nil {
		return ix.Served.put(ctx, ns, records, false)
	}
	if by == nil {
		by = ix.Models.Embedding(ix.Models.New)
	}
	var fresh []vector.Record
	out, refused := make([]vector.Record, 0, len(records)), map[vector.ID]string{}
	with := func(r vector.Record, v []float32) {
		r.Vectors = []vector.Vector{{Dense: v}}
		out = append(out, r)
	}
	for i := range records {
		if slices.ContainsFunc(records[i].Vectors, func(v vector.Vector) bool { return v.Name != "" }) {
			refused[records[i].ID] = noSparse
		} else if v := known[ix.Models.textOf(&records[i])]; v != nil {
			with(records[i], v)
		} else {
			fresh = append(fresh, records[i])
		}
	}
	vectors, why, err := ix.embedSoon(ctx, by, fresh)
	if err != nil {
		return err
	}
	for i := range fresh {
		if why[i] != "" {
			refused[fresh[i].ID] = why[i]
			continue
		}
		with(fresh[i], vectors[i])
	}
	if len(out) > 0 {
		err = ix.Served.put(ctx, ns, out, false)
	}
	if len(refused) > 0 {
		return both(&vector.RefusedError{Records: refused}, err)
	}
	return err
}

// textOf is the text of a record; empty: it has none.
func (m *Models) textOf(r *vector.Record) string {
	v, ok := r.Payload.Get(m.Text)
	if !ok || v.Kind() != vector.Text {
		return ""
	}
	return v.Text()
}

// ahead makes the vectors of records' texts before anything is locked, for [Index.put].
func (ix *Index) ahead(ctx context.Context, by vector.Embedding, records []vector.Record) (map[string][]float32, error) {
	if ix.Models == nil {
		return nil, nil
	}
	vectors, _, err := ix.embed(ctx, by, records)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]float32, len(records))
	for i := range records {
		if vectors[i] != nil {
			out[ix.Models.textOf(&records[i])] = vectors[i]
		}
	}
	return out, nil
}

// query answers a query by the store whose model made its vector. Where none is given,
// the store compares its own vectors, and either may.
func (ix *Index) query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	m := ix.Move()
	if len(r.GetVector()) == 0 && !r.GetIncludeValues() {
		out, _, _, err := read(ctx, ix, r, func(s wire.Server) func(context.Context, *wire.QueryRequest) (*wire.QueryResponse, error) {
			return s.Query
		})
		return out, err
	}
	newer := m.Phase.Newer()
	switch by := ix.maker(&m, r.GetVector()); by {
	case otherModel:
		newer = !newer
		if m.Phase != Cut && (m.Phase != Sync || m.Passed.IsZero() || ix.permitted(Upsert) != nil) {
			return nil, ix.strange(&m, by, "query")
		}
	case someModel:
		return nil, ix.strange(&m, by, "query")
	}
	out, err := ix.side(newer).Query(ctx, r)
	for _, x := range out.GetMatches() {
		ix.given(newer, x.GetValues())
	}
	return out, err
}

// side is one of the stores.
func (ix *Index) side(newer bool) wire.Server {
	if newer {
		return ix.store
	}
	return ix.Pinecone
}

// given remembers a vector that a client gets from a store: it may come back in a query.
func (ix *Index) given(byNew bool, v []float32) {
	if ix.Models != nil && len(v) > 0 {
		ix.Models.Given.Add(byNew, v)
	}
}

// Spend says what one run of a copy may spend on the new model from now on.
func (ix *Index) Spend(ctx context.Context, most decimal.NullDecimal) error {
	ix.holdTurning()
	defer ix.turning.Unlock()
	m := ix.Move()
	if m.Embeddings == nil {
		return nil
	}
	e := *m.Embeddings
	e.MaxCost, m.Embeddings = most, &e
	if err := ix.Ledger.PutMove(ctx, m); err != nil {
		return err
	}
	ix.move.Store(&m)
	return nil
}

// Judged puts on record what a gate has found of the new model.
func (ix *Index) Judged(ctx context.Context, outcome, why string) error {
	ix.holdTurning()
	defer ix.turning.Unlock()
	m := ix.Move()
	switch {
	case m.Embeddings == nil:
		return &StageError{"the stores of the index " + ix.Name + " do not have vectors of two models", "indexes." + ix.Name + ".embeddings in config.yaml gives it another one, and freehold vectors sync begins that"}
	case m.Phase == Sync && m.Passed.IsZero():
		return &StageError{"the new store does not have all records yet", "freehold vectors sync " + ix.Name + " fills it; ask the gate after it"}
	}
	e := *m.Embeddings
	e.Gate = &Gate{At: ix.Clock(), Pass: m.Pass, Outcome: outcome, Why: why}
	m.Embeddings = &e
	if err := ix.Ledger.PutMove(ctx, m); err != nil {
		return err
	}
	ix.move.Store(&m)
	return nil
}

// Ungated says why the gate does not let the index be cut over; nil: it does, or there
// is none to be asked.
func (ix *Index) Ungated() error {
	m := ix.Move()
	if m.Embeddings == nil {
		return nil
	}
	g := m.Embeddings.Gate
	var why string
	switch {
	case g == nil:
		why = "whether vectors of " + m.Embeddings.New + " find what they should is not on record"
	case g.Pass != m.Pass || g.At.Before(m.Passed):
		why = "the new store was filled once more since the gate was asked"
	case g.Outcome != GatePassed:
		why = "the gate found: " + g.Outcome + ": " + g.Why
	default:
		return nil
	}
	return &StageError{why, fmt.Sprintf("freehold vectors gate --from %s --to %s asks it; --without-gate REASON goes without", ix.From, ix.To)}
}
