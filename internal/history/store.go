package history

import (
	"context"
	"errors"
	"iter"
)

// Entry is what one record adds to the store.
type Entry struct {
	Seq int64 // from 1
	// Record is the record's exact bytes, over which the leaf hash is.
	Record []byte
	// Hashes are the tree hashes that this record completes, 32 bytes each:
	// the leaf's, then one for each full subtree that it ends, smallest first.
	// They are those of tlog.StoredHashes(Seq-1, ...).
	Hashes []byte
	// Checkpoint is the signed note over the tree of records 1 to Seq.
	Checkpoint []byte
}

// Store keeps entries. They are never changed or removed.
type Store interface {
	// AppendHistory stores an entry, durably, if Seq is one more than the
	// greatest stored (1 in an empty store), else returns ErrConflict.
	AppendHistory(ctx context.Context, e Entry) error
	// LastHistory returns the entry with the greatest Seq, or one with Seq 0.
	LastHistory(ctx context.Context) (Entry, error)
	// HistoryEntries returns the entries whose Seq is listed, in the list's
	// order. One that is missing is an error.
	HistoryEntries(ctx context.Context, seqs []int64) ([]Entry, error)
	// ScanHistory yields the entries from Seq from on, ascending, as they are:
	// gaps are the caller's to find. It ends after the first error.
	ScanHistory(ctx context.Context, from int64) iter.Seq2[Entry, error]
	// ScanHistoryBack yields the entries from the last down.
	ScanHistoryBack(ctx context.Context) iter.Seq2[Entry, error]
}

// ErrConflict is returned, possibly wrapped, by [Store.AppendHistory].
var ErrConflict = errors.New("another process appended to the history at the same time")

// ErrNotFound is returned, wrapped, where no record has the number.
var ErrNotFound = errors.New("no such record")
