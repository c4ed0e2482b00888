package front

import (
	"context"
	"strings"

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
		text := err.Error()
		if ix.To != "" { // a client need not know where it is
			text = strings.ReplaceAll(text, ix.To, "the new store")
		}
		return status.Error(codes.PermissionDenied, text)
	}
	return nil
}

// boundKey is of what [Bind] says in a context.
type boundKey struct{}

// Bind lets the request of a context reach only those of an index's stores of which may
// has no error: by its own data classes, as those of the index are for [Options].
func Bind(ctx context.Context, may func(Side) error) context.Context {
	return context.WithValue(ctx, boundKey{}, may)
}

// admits says why a store may not be asked, nil where it may. op is empty for what does
// not write.
func (ix *Index) admits(ctx context.Context, side Side, op Op) error {
	if may, ok := ctx.Value(boundKey{}).(func(Side) error); ok {
		if err := may(side); err != nil {
			return status.Error(codes.PermissionDenied, err.Error())
		}
	}
	if side == AtPinecone && op != Delete && ix.PermitSource != nil {
		if err := ix.PermitSource(); err != nil {
			return status.Error(codes.PermissionDenied, err.Error())
		}
	}
	return nil
}

// admitsWrite says why a write may not go to each of the stores that get it in a phase:
// it is for all of them or for none.
func (ix *Index) admitsWrite(ctx context.Context, p Phase, op Op) error {
	if p != Own {
		if err := ix.admits(ctx, AtPinecone, op); err != nil {
			return err
		}
	}
	if p != Relay {
		return ix.admits(ctx, AtStore, op)
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
