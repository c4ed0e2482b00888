package plane

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector/pinecone/wire"
)

// Route is a path of the data plane by REST.
type Route struct {
	Pattern string // of [http.ServeMux], without a prefix
	Op      string // as the contract calls the operation
	Method  string // of gRPC, that does the same
	Handler http.Handler
}

// Routes are those of a service.
func Routes(do wire.Server) []Route {
	var out []Route
	data := func(pattern, op, method string, h http.HandlerFunc) { out = append(out, Route{pattern, op, method, h}) }
	data("POST /vectors/upsert", "upsert", wire.Upsert, rest(do.Upsert, body))
	data("POST /vectors/delete", "delete", wire.Delete, rest(do.Delete, body))
	data("POST /vectors/update", "update", wire.Update, rest(do.Update, body))
	data("POST /vectors/fetch_by_metadata", "fetch_by_metadata", wire.FetchByMetadata, rest(do.FetchByMetadata, body))
	data("POST /query", "query", wire.Query, rest(do.Query, body))
	data("POST /describe_index_stats", "describe_index_stats", wire.DescribeIndexStats, rest(do.DescribeIndexStats, body))
	data("GET /vectors/fetch", "fetch", wire.Fetch, rest(do.Fetch, func(r *http.Request, in *wire.FetchRequest) error {
		in.Ids, in.Namespace = r.URL.Query()["ids"], r.URL.Query().Get("namespace")
		return nil
	}))
	data("GET /vectors/list", "list", wire.List, rest(do.List, func(r *http.Request, in *wire.ListRequest) (err error) {
		in.Namespace = r.URL.Query().Get("namespace")
		in.Prefix, in.Limit, in.PaginationToken, err = page(r)
		return err
	}))
	data("GET /namespaces", "list_namespaces", wire.ListNamespaces, rest(do.ListNamespaces, func(r *http.Request, in *wire.ListNamespacesRequest) (err error) {
		in.Prefix, in.Limit, in.PaginationToken, err = page(r)
		return err
	}))
	data("POST /namespaces", "create_namespace", wire.CreateNamespace, rest(do.CreateNamespace, body))
	data("GET /namespaces/{namespace}", "describe_namespace", wire.DescribeNamespace, rest(do.DescribeNamespace, func(r *http.Request, in *wire.DescribeNamespaceRequest) error {
		in.Namespace = r.PathValue("namespace")
		return nil
	}))
	data("DELETE /namespaces/{namespace}", "delete_namespace", wire.DeleteNamespace, rest(do.DeleteNamespace, func(r *http.Request, in *wire.DeleteNamespaceRequest) error {
		in.Namespace = r.PathValue("namespace")
		return nil
	}))
	return out
}

// message is a message of the wire, by its pointer.
type message[T any] interface {
	*T
	proto.Message
}

// rest serves a method by JSON. The names are those of the messages: camelCase, but
// for what is said of namespaces.
func rest[In, Out any, PIn message[In], POut message[Out]](do func(context.Context, PIn) (POut, error), read func(*http.Request, PIn) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in := PIn(new(In))
		if err := read(r, in); err != nil {
			Refuse(w, r, false, status.Convert(err), 0)
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			Refuse(w, r, false, status.Convert(err), 0)
			return
		}
		snake := false
		switch any(out).(type) {
		case *wire.Namespace, *wire.ListNamespacesResponse:
			snake = true
		}
		text, err := protojson.MarshalOptions{UseProtoNames: snake, EmitDefaultValues: true}.Marshal(out)
		if err != nil {
			Refuse(w, r, false, status.New(codes.Internal, err.Error()), 0)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // whoever is gone does not read it
	}
}

// body reads a request's body. More than the limit of an upsert is refused by it.
func body[In any, PIn message[In]](r *http.Request, in PIn) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, upsertBytes+1))
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "the body breaks off: %v", err)
	}
	if len(text) > upsertBytes {
		return status.Errorf(codes.OutOfRange, "message length too large: the limit is %d bytes", upsertBytes)
	}
	if err := protojson.Unmarshal(text, in); err != nil {
		return status.Errorf(codes.InvalidArgument, "%v", err)
	}
	return nil
}

// page reads the parameters of a listing.
func page(r *http.Request) (prefix *string, limit *uint32, token *string, err error) {
	q := r.URL.Query()
	text := func(name string) *string {
		if !q.Has(name) {
			return nil
		}
		v := q.Get(name)
		return &v
	}
	if v := text("limit"); v != nil {
		n, err := strconv.ParseUint(*v, 10, 32)
		if err != nil {
			return nil, nil, nil, status.Errorf(codes.InvalidArgument, "limit %q is no number", *v)
		}
		small := uint32(n)
		limit = &small
	}
	return text("prefix"), limit, text("paginationToken"), nil
}
