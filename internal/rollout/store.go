package rollout

import (
	"context"
	"errors"
	"iter"
)

// ErrNotFound is returned for a rollout that there is none of, ErrNoPair for such
// a pair, ErrOpen for a second rollout of a workload.
var (
	ErrNotFound = errors.New("there is no such rollout")
	ErrNoPair   = errors.New("the rollout has no such pair")
	ErrOpen     = errors.New("the workload has a rollout under way")
)

// Label is a person's word on a pair.
type Label struct {
	Rollout string `json:"rollout"`
	Request string `json:"request"`
	Winner  string `json:"winner"` // baseline, candidate, tie
	By      string `json:"by"`
}

// Store keeps rollouts. It may be used concurrently.
type Store interface {
	// PutRollout keeps s in the place of what there was of its ID. Beside another
	// of its workload that goes on it is not kept: [ErrOpen].
	PutRollout(ctx context.Context, s State) error
	// Rollout returns one, or [ErrNotFound].
	Rollout(ctx context.Context, id string) (State, error)
	// Rollouts lists those of a workload, or all with "", the latest first.
	Rollouts(ctx context.Context, workload string) ([]State, error)
	// AddPair keeps a pair. One of the same rollout and request stays as it is.
	AddPair(ctx context.Context, p Pair) error
	// Pairs yields those of a rollout in the order in which they were added.
	// After an error nothing follows.
	Pairs(ctx context.Context, id string) iter.Seq2[Pair, error]
	// PutLabel keeps a person's word in the place of the same person's before, and
	// is [ErrNoPair] where there is no such pair.
	PutLabel(ctx context.Context, l Label) error
	// Labels lists those of a rollout.
	Labels(ctx context.Context, id string) ([]Label, error)
}
