package sim

import (
	"net/http"

	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// handler has all paths of the contract that are simulated.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	control := func(pattern, op string, do http.HandlerFunc) { mux.Handle(pattern, s.gate(op, true, do)) }
	control("GET /indexes", "list_indexes", s.listIndexes)
	control("POST /indexes", "create_index", s.createIndex)
	control("GET /indexes/{name}", "describe_index", s.describeIndex)
	control("PATCH /indexes/{name}", "configure_index", s.configureIndex)
	control("DELETE /indexes/{name}", "delete_index", s.deleteIndex)

	for method, op := range map[string]string{
		wire.Upsert: "upsert", wire.Delete: "delete", wire.Fetch: "fetch", wire.FetchByMetadata: "fetch_by_metadata",
		wire.List: "list", wire.Query: "query", wire.Update: "update", wire.DescribeIndexStats: "describe_index_stats",
		wire.ListNamespaces: "list_namespaces", wire.CreateNamespace: "create_namespace",
		wire.DescribeNamespace: "describe_namespace", wire.DeleteNamespace: "delete_namespace",
	} {
		mux.Handle("POST "+method, s.gate(op, false, s.grpc))
	}

	for _, r := range plane.Routes(service{s}) {
		mux.Handle(r.Pattern, s.gate(r.Op, false, r.Handler))
	}
	return mux
}
