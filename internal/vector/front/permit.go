package front

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
)

// permitted says why a write may not go to the new store now, nil where it may. What
// deletes brings nothing there.
func (ix *Index) permitted(op Op) error {
	m := ix.Move()
	if ix.Permit == nil || op == Delete || m.AllowForbidden {
		return nil
	}
	if err := ix.Permit(); err != nil {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return nil
}

// asking is the new store while it is filled: each time records go there it is asked
// whether they may.
type asking struct{ *guarded }

// Put implements [vector.Target].
func (a *asking) Put(ctx context.Context, namespace string, records []vector.Record) error {
	if err := a.ix.permitted(Upsert); err != nil {
		return err
	}
	return a.guarded.Put(ctx, namespace, records)
}
