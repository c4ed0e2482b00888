package auth

import (
	"context"
	"errors"
)

// Store keeps keys. Rows are never deleted: a revoked key stays, so that its
// use is refused as revoked and the past can be read.
//
// Each write gives the rows it touches a revision greater than every revision
// before, and rows become visible in the order of their revisions. So a reader
// that asks for what is newer than the greatest revision it has seen misses
// nothing, and pays next to nothing when nothing changed.
type Store interface {
	// KeysSince returns the keys with a revision above rev, in its order.
	KeysSince(ctx context.Context, rev int64) ([]Key, error)
	// PutKeys stores all keys or none and returns them with their new
	// revisions. A key with Rev 0 is inserted and must not exist; any other
	// replaces the row and must carry the row's present revision. Else
	// ErrConflict: someone was faster.
	PutKeys(ctx context.Context, keys ...Key) ([]Key, error)
}

// ErrConflict is returned, possibly wrapped, by [Store.PutKeys].
var ErrConflict = errors.New("the key was changed by someone else at the same time")

// RequestError is what was asked for and cannot be had; asking again changes
// nothing.
type RequestError struct{ Message string }

// Error implements error.
func (e *RequestError) Error() string { return e.Message }

// ErrNotFound is returned, wrapped, where an id names no key.
var ErrNotFound = errors.New("no such key")
