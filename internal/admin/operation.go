package admin

import (
	"context"
	"reflect"

	"freehold/internal/history"
)

// Caller is who asks for an operation.
type Caller struct {
	Who history.Who
	// Local: the caller is the user (or root) of this machine, through the
	// socket or in this process, not somebody with a key.
	Local bool
}

// Operation is one entry of the table, without its types.
type Operation struct {
	Name    string // "keys.create"; unique
	Method  string // GET or POST
	Path    string // /admin/v1/keys/{id}/revoke; {names} are members of In
	Summary string // one line, for the document
	In, Out reflect.Type

	do func(ctx context.Context, s *Service, c Caller, in any) (any, error)
}

// Runner carries out operations, here or elsewhere. in is an In, out points to
// an Out of the operation.
type Runner interface {
	Run(ctx context.Context, op *Operation, in, out any) error
}

// Op is an operation with its types.
type Op[In, Out any] struct{ *Operation }

// Call runs the operation. Errors are [*Error] where the operation itself
// failed or refused.
func (o Op[In, Out]) Call(ctx context.Context, r Runner, in In) (Out, error) {
	var out Out
	err := r.Run(ctx, o.Operation, in, &out)
	return out, err
}

// define makes an operation. do is a method of Service.
func define[In, Out any](name, method, path, summary string, do func(*Service, context.Context, Caller, In) (Out, error)) Op[In, Out] {
	return Op[In, Out]{&Operation{
		Name: name, Method: method, Path: path, Summary: summary,
		In: reflect.TypeFor[In](), Out: reflect.TypeFor[Out](),
		do: func(ctx context.Context, s *Service, c Caller, in any) (any, error) { return do(s, ctx, c, in.(In)) },
	}}
}

// None is the input of an operation that needs none.
type None struct{}

// Local runs operations in this process.
type Local struct {
	Service *Service
	Caller  Caller
}

// Run implements [Runner].
func (l Local) Run(ctx context.Context, op *Operation, in, out any) error {
	v, err := op.do(ctx, l.Service, l.Caller, in)
	if err != nil {
		return errorOf(err)
	}
	reflect.ValueOf(out).Elem().Set(reflect.ValueOf(v))
	return nil
}
