// Package wire has the messages of Pinecone's data plane and its gRPC service.
package wire

import (
	"context"

	"google.golang.org/grpc"
)

//go:generate ../../../../scripts/protoc internal/vector/pinecone/wire/pinecone.proto

// Service is the gRPC service's name, which has no package.
const Service = "VectorService"

// The methods of the service.
const (
	Upsert             = "/VectorService/Upsert"
	Delete             = "/VectorService/Delete"
	Fetch              = "/VectorService/Fetch"
	FetchByMetadata    = "/VectorService/FetchByMetadata"
	List               = "/VectorService/List"
	Query              = "/VectorService/Query"
	Update             = "/VectorService/Update"
	DescribeIndexStats = "/VectorService/DescribeIndexStats"
	ListNamespaces     = "/VectorService/ListNamespaces"
	CreateNamespace    = "/VectorService/CreateNamespace"
	DescribeNamespace  = "/VectorService/DescribeNamespace"
	DeleteNamespace    = "/VectorService/DeleteNamespace"
)

// Server is who serves the data plane.
type Server interface {
	Upsert(ctx context.Context, r *UpsertRequest) (*UpsertResponse, error)
	Delete(ctx context.Context, r *DeleteRequest) (*DeleteResponse, error)
	Fetch(ctx context.Context, r *FetchRequest) (*FetchResponse, error)
	FetchByMetadata(ctx context.Context, r *FetchByMetadataRequest) (*FetchByMetadataResponse, error)
	List(ctx context.Context, r *ListRequest) (*ListResponse, error)
	Query(ctx context.Context, r *QueryRequest) (*QueryResponse, error)
	Update(ctx context.Context, r *UpdateRequest) (*UpdateResponse, error)
	DescribeIndexStats(ctx context.Context, r *StatsRequest) (*StatsResponse, error)
	ListNamespaces(ctx context.Context, r *ListNamespacesRequest) (*ListNamespacesResponse, error)
	CreateNamespace(ctx context.Context, r *CreateNamespaceRequest) (*Namespace, error)
	DescribeNamespace(ctx context.Context, r *DescribeNamespaceRequest) (*Namespace, error)
	DeleteNamespace(ctx context.Context, r *DeleteNamespaceRequest) (*DeleteResponse, error)
}

// Register has a gRPC server serve s.
func Register(to grpc.ServiceRegistrar, s Server) {
	to.RegisterService(&grpc.ServiceDesc{
		ServiceName: Service,
		HandlerType: (*Server)(nil),
		Methods: []grpc.MethodDesc{
			method("Upsert", Server.Upsert),
			method("Delete", Server.Delete),
			method("Fetch", Server.Fetch),
			method("FetchByMetadata", Server.FetchByMetadata),
			method("List", Server.List),
			method("Query", Server.Query),
			method("Update", Server.Update),
			method("DescribeIndexStats", Server.DescribeIndexStats),
			method("ListNamespaces", Server.ListNamespaces),
			method("CreateNamespace", Server.CreateNamespace),
			method("DescribeNamespace", Server.DescribeNamespace),
			method("DeleteNamespace", Server.DeleteNamespace),
		},
	}, s)
}

func method[In, Out any](name string, do func(Server, context.Context, *In) (*Out, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(srv any, ctx context.Context, decode func(any) error, between grpc.UnaryServerInterceptor) (any, error) {
			in := new(In)
			if err := decode(in); err != nil {
				return nil, err
			}
			call := func(ctx context.Context, in any) (any, error) {
				return do(srv.(Server), ctx, in.(*In))
			}
			if between == nil {
				return call(ctx, in)
			}
			return between(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + Service + "/" + name}, call)
		},
	}
}
