package front

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
)

// told is an error of a store: clients read what its status says, which has no address of
// a store; logs and people at the command line read why.
type told struct {
	status *status.Status
	why    error
}

func (e *told) Error() string {
	if st, ok := status.FromError(e.why); ok && !errors.As(e.why, new(*told)) {
		return st.Message() // without the words of gRPC's Go
	}
	return e.why.Error()
}

// GRPCStatus is what the client reads.
func (e *told) GRPCStatus() *status.Status { return e.status }

// Unwrap is why.
func (e *told) Unwrap() error { return e.why }

// tell is an error of a store as [told], where it has a status.
func tell(err error) error {
	if err == nil || errors.As(err, new(*partial)) || errors.As(err, new(*told)) {
		return err
	}
	if st, ok := status.FromError(err); ok {
		if st.Code() == codes.Unavailable && strings.Contains(st.Message(), "dial") { // it names where
			st = status.New(codes.Unavailable, "the index cannot be reached at Pinecone now; freehold's log says why")
		}
		return &told{st, err}
	}
	return err
}

// log says why a store has failed a client, who is told no more than that.
func (ix *Index) log(ctx context.Context, side Side, err error) {
	var e *told
	if askedOf(ctx) != nil && errors.As(err, &e) && e.Error() != e.status.Message() {
		ix.Log.Warn("vectors: a store fails a request", "index", ix.Name, "side", side, "error", err)
	}
}

// awayOf is what a client is told of a store's error.
func awayOf(e *vector.Error) string {
	if e.Trouble != vector.Invalid {
		return "the store of the index cannot do this now (" + e.Doing + ": " + string(e.Trouble) + "); freehold's log says why"
	}
	return e.Doing + ": " + string(e.Trouble) + ": " + e.Message
}

// planless says what is refused, without what a plan should say: applications have none.
func planless(no *vector.RefusedError) string {
	out := &vector.RefusedError{Records: make(map[vector.ID]string, len(no.Records))}
	for id, why := range no.Records {
		out.Records[id], _, _ = strings.Cut(why, ": let the plan say")
	}
	return out.Error()
}
