package ledger

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrNotFound is returned for a request id that the ledger does not have.
var ErrNotFound = errors.New("no such request in the ledger")

// Store is where the ledger's rows and rollups live. Implementations are
// listed in internal/store; storetest holds the suite that each passes.
//
// Apply, Flush and Prune are called from one goroutine at a time, the reading
// methods from many.
type Store interface {
	// Position returns how far the journal with this id has been applied, the
	// zero Position if nothing of it has.
	Position(ctx context.Context, journal string) (Position, error)

	// Apply stores the batch in one transaction: the rows whose ids it does
	// not have yet (a second row of an id, in the batch or in the store, is
	// ignored), what these add to the rollups (see [RollUp]) and to what was spent
	// (see [SpendOf]), and the position.
	Apply(ctx context.Context, b Batch) error

	// Flush returns when everything applied so far would survive a loss of
	// power. The journal deletes what it has no more need of after it.
	Flush(ctx context.Context) error

	// Rollups yields the rollups of the hours [Since, Until) that q's filters
	// select. Since and Until are whole hours or zero: from the first, to the
	// last. The order is not defined; one key may come several times.
	Rollups(ctx context.Context, q Query) iter.Seq2[*Rollup, error]

	// Spends yields what was spent in the hours from since on, a whole hour or
	// zero for all. The order is not defined; one key may come several times.
	Spends(ctx context.Context, since time.Time) iter.Seq2[*Spend, error]

	// Rows yields the rows that q selects, newest first, with their attempts.
	Rows(ctx context.Context, q Query) iter.Seq2[*Row, error]

	// Row returns the row of one request, or ErrNotFound.
	Row(ctx context.Context, id string) (*Row, error)

	// Prune removes up to limit rows that are older than before, which is a
	// whole hour, and returns how many it removed. Rollups and spends stay. It remembers
	// the latest before that it was called with.
	Prune(ctx context.Context, before time.Time, limit int) (int, error)

	// Pruned returns the latest time that Prune was called with, the zero time
	// if it never was: rows from then on are complete.
	Pruned(ctx context.Context) (time.Time, error)
}

// Batch is a run of the journal.
type Batch struct {
	Entries []Entry
	// Journal is the journal's id; when it is empty the position is not kept.
	Journal  string
	Position Position // where the run ends
}

// Position is a place in a journal: a segment's number and an offset in it.
type Position struct {
	Segment uint64
	Offset  int64
}

// Before reports whether p is earlier in the journal than q.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// Query selects rows and rollups. Empty fields select everything.
type Query struct {
	Since time.Time // inclusive
	Until time.Time // exclusive

	Workload, Model, Provider, KeyID string
	Tenant                           string
	Outcome                          Outcome

	// GroupBy is for [Ledger.Usage]: any of the [Dimension]s, in the order in
	// which groups are sorted.
	GroupBy []Dimension

	// Limit is the most rows that [Ledger.Requests] returns; 0 is all.
	Limit int
	// After is the id of the last row of the page before.
	After string
}
