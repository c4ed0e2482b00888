// Package transfer moves the records of one vector store into another, and proves
// that they are there.
//
// What is to be read is recorded before it is read, and is done only when the
// target has it: whoever begins again after a crash reads what is not done once
// more, and writes it in the place of what may be there already.
package transfer

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"freehold/internal/vector"
)

// Work is a unit with its number in the journal.
type Work struct {
	Seq int64
	vector.Unit
}

// Listing is how far a namespace has been listed.
type Listing struct {
	Next string // behind the last unit
	Done bool
}

// Finished is a unit that the target has.
type Finished struct {
	Seq    int64
	Listed int64
	// Copied records are in the target; Gone ones were listed and then not there.
	Copied, Gone int64
	Bytes        int64
	Refused      []Refusal
}

// Refusal is a record that is not in the target, and why.
type Refusal struct {
	Namespace string          `json:"namespace,omitempty"`
	ID        string          `json:"id"`
	Why       string          `json:"why"`
	Record    json.RawMessage `json:"record,omitempty"` // as the source had it
}

// Tally is what a copy has done so far.
type Tally struct {
	Units     int64 `json:"units"`
	UnitsDone int64 `json:"units_done"`
	Listed    int64 `json:"listed"`
	Copied    int64 `json:"copied"`
	Gone      int64 `json:"gone"`
	Refused   int64 `json:"refused"`
	Bytes     int64 `json:"bytes"`
	// Lag is how many records were listed at the source and are in units that the
	// target has not acknowledged.
	Lag int64 `json:"lag"`
}

// Journal keeps what a copy has to do and what it has done. Its methods may be
// used concurrently. When one returns, what it was given is kept.
type Journal interface {
	// PutCopy keeps a copy in the place of what there was of its id.
	PutCopy(ctx context.Context, c Copy) error
	// Copies lists them, the latest first.
	Copies(ctx context.Context) ([]Copy, error)
	// Listing is how far a namespace of a copy has been listed.
	Listing(ctx context.Context, id, namespace string) (Listing, error)
	// Add records units of a namespace, and how far it is listed with them, in one
	// step. It returns them with their numbers, which rise.
	Add(ctx context.Context, id, namespace string, units []vector.Unit, to Listing) ([]Work, error)
	// Open yields the units that are not done, in the order of their numbers. Units
	// that are added meanwhile may or may not be among them.
	Open(ctx context.Context, id string) iter.Seq2[Work, error]
	// Finish records that units are done, in one step. One that is done already
	// stays as it is.
	Finish(ctx context.Context, id string, units []Finished) error
	// Tally sums up.
	Tally(ctx context.Context, id string) (Tally, error)
	// Refused yields what could not be copied.
	Refused(ctx context.Context, id string) iter.Seq2[Refusal, error]
}

// Copy is a copy as it is kept.
type Copy struct {
	ID      string    `json:"id"`
	From    string    `json:"from"` // URL, without its key
	To      string    `json:"to"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // all of it is there
	// Postponed is what a [Bulk] target has to restore; empty: nothing.
	Postponed string `json:"postponed,omitempty"`
	// Plan is by what it is made.
	Plan json.RawMessage `json:"plan"`
}
