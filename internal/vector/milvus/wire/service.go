// Package wire has the messages of Milvus' gRPC service that freehold uses, and the
// names of its methods.
package wire

//go:generate ../../../../scripts/protoc internal/vector/milvus/wire/milvus.proto

// Answer is a message that says how it went.
type Answer interface{ GetStatus() *Status }

// The methods.
const (
	AllocTimestamp     = service + "AllocTimestamp"
	GetVersion         = service + "GetVersion"
	DescribeCollection = service + "DescribeCollection"
	CreateCollection   = service + "CreateCollection"
	DropCollection     = service + "DropCollection"
	CreateAlias        = service + "CreateAlias"
	AlterAlias         = service + "AlterAlias"
	DropAlias          = service + "DropAlias"
	ReleaseCollection  = service + "ReleaseCollection"
	LoadCollection     = service + "LoadCollection"
	GetLoadState       = service + "GetLoadState"
	CreateIndex        = service + "CreateIndex"
	DescribeIndex      = service + "DescribeIndex"
	CreatePartition    = service + "CreatePartition"
	ShowPartitions     = service + "ShowPartitions"
	Insert             = service + "Insert"
	Upsert             = service + "Upsert"
	Delete             = service + "Delete"
	Query              = service + "Query"
	Search             = service + "Search"
	Flush              = service + "Flush"
)

const service = "/milvus.proto.milvus.MilvusService/"

// GetStatus makes a status an answer, as it is one of methods that only say how it
// went.
func (s *Status) GetStatus() *Status { return s }
