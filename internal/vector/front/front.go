// Package front serves Pinecone's API in front of two stores: Pinecone, and the one
// that an index moves to. Applications keep Pinecone's client and change the host.
//
// One of the two is the authority. A write is put on record durably, carried out on
// the authority, and acknowledged; then it follows on the other one, in the order in
// which it was acknowledged. Writes of the same id never overtake each other, and a
// write that no ids bound (by a filter, or of everything) is alone in its namespace.
//
// Data flow: a request (REST or gRPC) is a message of [wire]; [Index] decides by whom
// it is answered; [Served] answers it from any [vector.Target], and a
// [pinecone.Relay] passes it on to Pinecone.
package front

import (
	"context"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/plane"
)

// Phase is where an index is on its way.
type Phase string

// The phases.
const (
	// Relay: Pinecone answers everything; nothing is recorded.
	Relay Phase = "relay"
	// Sync: Pinecone is the authority, and the other store follows.
	Sync Phase = "sync"
	// Cut: the other store is the authority, and Pinecone follows, for the way back.
	Cut Phase = "cutover"
	// Own: the other store is alone; there is no way back.
	Own Phase = "own"
)

// About says what a phase is.
func (p Phase) About() string {
	switch p {
	case Relay:
		return "Pinecone answers, and nothing follows"
	case Sync:
		return "Pinecone answers, and the new store follows"
	case Cut:
		return "the new store answers, and Pinecone follows"
	case Own:
		return "the new store answers alone"
	}
	return "no phase that there is"
}

// next says how an index goes on from a phase.
func (p Phase) next(index string) string {
	switch p {
	case Relay:
		return "freehold vectors sync " + index + " begins the move"
	case Sync:
		return "freehold vectors cutover " + index + " goes on, freehold vectors sync " + index + " --end gives the move up"
	case Cut:
		return "freehold vectors rollback " + index + " goes back, freehold vectors cutover " + index + " --final ends the way back"
	}
	return "there is no way back; freehold vectors copy carries its records elsewhere"
}

// Move is what is kept of an index on its way.
type Move struct {
	Index string `json:"index"`
	// From and To are the stores, by their addresses: those of the configuration may
	// have become others.
	From    string         `json:"from,omitempty"`
	To      string         `json:"to,omitempty"`
	Phase   Phase          `json:"phase"`
	Mapping vector.Mapping `json:"mapping"`
	// AllowForbidden: the plan lets records go to the new store that the rules forbid.
	AllowForbidden bool `json:"allow_forbidden,omitempty"`
	// Contract is what the index was at Pinecone, who need not be there any more.
	Contract plane.Contract `json:"contract"`
	Changed  time.Time      `json:"changed"`
	// Turned is when the authority changed last.
	Turned time.Time `json:"turned,omitzero"`
	// Embeddings: the new store has vectors of another model; nil: both have the same.
	Embeddings *Embeddings `json:"embeddings,omitempty"`
	// Pass is the copy that fills the other store; Passed, that it has done so.
	Pass     string    `json:"pass,omitempty"`
	PassFrom time.Time `json:"pass_from,omitzero"`
	Passed   time.Time `json:"passed,omitzero"`
}

// Filling reports whether a copy is under way, or was when it broke off.
func (m *Move) Filling() bool { return m.Pass != "" && m.Passed.Before(m.PassFrom) }

// State is of a [Write].
type State int

// The states of a write.
const (
	// Begun: nobody knows whether the authority has it. It is tried again before
	// anything newer that it could overtake.
	Begun State = iota
	// Acknowledged: the authority has it, and the other store has not.
	Acknowledged
	// Refused: the authority has it, and the other store cannot hold it.
	Refused
	// Missed: the authority has it, and the other store did not have the record that it
	// changes: that is fetched once all that was written before has followed.
	Missed
)

// Op is what a write does.
type Op string

// The writes.
const (
	Upsert Op = "upsert"
	Update Op = "update"
	Delete Op = "delete"
)

// Write is a write on record.
type Write struct {
	Seq       int64
	Index     string
	Namespace string
	Op        Op
	// IDs are what it is about; none: it is about a whole namespace.
	IDs   []string
	Body  []byte // the request, as it is on the wire
	State State
	Why   string // it is refused
	At    time.Time
}

// whole reports whether a write is not about ids that are known.
func (w *Write) whole() bool { return len(w.IDs) == 0 }

// Ledger keeps what must outlast the process. Its methods may be used concurrently.
type Ledger interface {
	Moves(ctx context.Context) ([]Move, error)
	PutMove(ctx context.Context, m Move) error

	// Append puts a write on record durably (it also survives a power cut), numbers
	// it, and notes its ids as touched. Later changes are on record no earlier than
	// earlier ones.
	Append(ctx context.Context, w *Write) error
	// Acknowledge notes that the authority has carried a write out, Refuse that the
	// follower cannot: what it touched is a copy's to mend. Miss notes that the follower
	// lacks the record. Forget takes writes off the record.
	Acknowledge(ctx context.Context, w *Write) error
	// Narrow acknowledges a write of which the authority has carried out a part: the
	// ids and the body that it has by now.
	Narrow(ctx context.Context, w *Write) error
	Miss(ctx context.Context, w *Write) error
	Refuse(ctx context.Context, w *Write, why string) error
	Forget(ctx context.Context, index string, seqs []int64) error
	// Void forgets a write that nobody has carried out, and that it touched anything.
	Void(ctx context.Context, w *Write) error
	// Writes are those of a state with higher numbers, in their order.
	Writes(ctx context.Context, index string, state State, after int64, n int) ([]Write, error)
	// Lag counts writes by their state, and says since when the oldest acknowledged one waits.
	Lag(ctx context.Context, index string) (Lag, error)

	// Touched says which ids were written since a time, or have writes that have not
	// followed yet.
	Touched(ctx context.Context, index, namespace string, ids []string, since time.Time) (map[string]bool, error)
	// Barriers are writes about a whole namespace since a time, and those that have not
	// followed yet, in their order.
	Barriers(ctx context.Context, index, namespace string, since time.Time) ([]Write, error)
	// Drop forgets all writes of an index, and what they touched.
	Drop(ctx context.Context, index string) error
	// Untouch forgets what was touched before a time, and has followed.
	Untouch(ctx context.Context, index string, before time.Time) error

	// AddShadows adds what both stores found on a day, Shadows sums all days up, and
	// DropShadows forgets them.
	AddShadows(ctx context.Context, index string, add *Shadows) error
	Shadows(ctx context.Context, index string) (Shadows, error)
	DropShadows(ctx context.Context, index string) error

	Directory
}

// Directory knows which ids the other store has, sorted, which few stores do.
type Directory interface {
	AddIDs(ctx context.Context, index, namespace string, ids []string) error
	RemoveIDs(ctx context.Context, index, namespace string, ids []string) error
	// IDs are the next n behind after that begin with a prefix.
	IDs(ctx context.Context, index, namespace, prefix, after string, n int) ([]string, error)
	// Counts are of each namespace that there is: it has or had ids, or was added.
	Counts(ctx context.Context, index string) (map[string]int64, error)
	// AddNamespace adds one without ids; RemoveNamespace takes away one that has none.
	AddNamespace(ctx context.Context, index, namespace string) error
	RemoveNamespace(ctx context.Context, index, namespace string) error
	// Clear forgets all ids of an index.
	Clear(ctx context.Context, index string) error
}

// Lag is how far the following store is behind.
type Lag struct {
	Begun        int64     `json:"unknown"` // not known whether the authority has them
	Acknowledged int64     `json:"behind"`  // with those that are missed
	Missed       int64     `json:"missed"`
	Refused      int64     `json:"refused"`
	Oldest       time.Time `json:"oldest,omitzero"`
}
