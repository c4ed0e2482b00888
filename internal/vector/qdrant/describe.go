package qdrant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
)

// Facts of a collection. Those that are settings are in the words of Qdrant's
// protocol (as JSON where they have parts), and [Store.Create] makes a collection
// with them.
const (
	FactVersion = "version" // of the server
	FactStatus  = "status"  // green, yellow, ...
	FactAlias   = "alias"   // by which the collection was named
	FactAliases = "aliases" // all of them
	// FactSharding is there where it is not automatic: such a collection is a
	// source only, and which shard a record was in is lost.
	FactSharding = "sharding"
	FactInactive = "replicas_not_active"

	FactShards       = "shards"
	FactReplicas     = "replicas"
	FactOnDisk       = "on_disk_payload"
	FactQuantization = "quantization"
	FactHNSW         = "hnsw"
	FactVector       = "vector." // NAME: a dense vector's own settings
	FactSparse       = "sparse." // NAME: a sparse vector's index, and its modifier
)

// Describe reads the collection's configuration, and counts its records.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	name, err := s.collection(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.collections.Get(ctx, &pb.GetCollectionInfoRequest{CollectionName: name})
	if err != nil {
		return nil, err
	}
	info := got.GetResult()
	specs := specsOf(info.GetConfig().GetParams())
	if only := s.options.Vector; only != "" {
		specs = slices.DeleteFunc(specs, func(v vector.Spec) bool { return v.Name != only })
		if len(specs) == 0 {
			return nil, s.invalid("describe", "the collection has no vector %q", only)
		}
	}
	d := &vector.Description{
		Store:   "qdrant",
		Name:    name,
		Vectors: specs,
		IDs:     []vector.IDKind{vector.IntegerID, vector.UUIDID},
		Facts:   map[string]string{},
	}
	if err := settings(info, d.Facts); err != nil {
		return nil, fmt.Errorf("%s: %w", s.at, err)
	}
	for _, field := range slices.Sorted(maps.Keys(info.GetPayloadSchema())) {
		kind, err := indexType(info.GetPayloadSchema()[field])
		if err != nil {
			return nil, fmt.Errorf("%s: the index of %s: %w", s.at, field, err)
		}
		d.Fields = append(d.Fields, vector.FieldSpec{Name: field, Type: kind, Indexed: true})
	}
	if err := s.facts(ctx, name, d.Facts); err != nil {
		return nil, err
	}
	var ns vector.Namespace
	if s.options.Namespace != nil {
		ns.Name = *s.options.Namespace
	}
	if ns.Count, err = s.Count(ctx, ns.Name); err != nil {
		return nil, err
	}
	d.Namespaces = []vector.Namespace{ns}
	return d, nil
}

// Count has the server count, which is exact: what it says of the collection
// without being asked so is an estimate.
func (s *Store) Count(ctx context.Context, namespace string) (int64, error) {
	name, within, err := s.reading(ctx, "count", namespace)
	if err != nil {
		return 0, err
	}
	count, err := s.points.Count(ctx, &pb.CountPoints{CollectionName: name, Filter: within, Exact: new(true)})
	return int64(count.GetResult().GetCount()), err
}

// facts are what other requests tell. Not every key may ask them, nor has every
// server all of them: then they stay unknown.
func (s *Store) facts(ctx context.Context, name string, facts map[string]string) error {
	health, err := s.health.HealthCheck(ctx, &pb.HealthCheckRequest{})
	if err = unlessRefused(err); err != nil {
		return err
	}
	if v := health.GetVersion(); v != "" {
		facts[FactVersion] = v
	}
	aliases, err := s.collections.ListCollectionAliases(ctx, &pb.ListCollectionAliasesRequest{CollectionName: name})
	if err = unlessRefused(err); err != nil {
		return err
	}
	var all []string
	for _, a := range aliases.GetAliases() {
		all = append(all, a.GetAliasName())
	}
	if slices.Sort(all); len(all) > 0 {
		facts[FactAliases] = strings.Join(all, ", ")
	}
	if name != s.options.Collection {
		facts[FactAlias] = s.options.Collection
	}
	cluster, err := s.collections.CollectionClusterInfo(ctx, &pb.CollectionClusterInfoRequest{CollectionName: name})
	if err = unlessRefused(err); err != nil {
		return err
	}
	inactive := 0
	for _, shard := range cluster.GetLocalShards() {
		if shard.GetState() != pb.ReplicaState_Active {
			inactive++
		}
	}
	for _, shard := range cluster.GetRemoteShards() {
		if shard.GetState() != pb.ReplicaState_Active {
			inactive++
		}
	}
	if inactive > 0 {
		facts[FactInactive] = strconv.Itoa(inactive)
	}
	return nil
}

func unlessRefused(err error) error {
	var is *vector.Error
	if errors.As(err, &is) && (is.Trouble == vector.Denied || is.Trouble == vector.Invalid) {
		return nil
	}
	return err
}

// settings are the facts of a collection's configuration.
func settings(info *pb.CollectionInfo, facts map[string]string) error {
	config, params := info.GetConfig(), info.GetConfig().GetParams()
	facts[FactStatus] = strings.ToLower(info.GetStatus().String())
	for name, n := range map[string]uint32{FactShards: params.GetShardNumber(), FactReplicas: params.GetReplicationFactor()} {
		if n > 0 {
			facts[name] = strconv.FormatUint(uint64(n), 10)
		}
	}
	facts[FactOnDisk] = strconv.FormatBool(params.GetOnDiskPayload())
	if params.GetShardingMethod() == pb.ShardingMethod_Custom {
		facts[FactSharding] = "custom"
	}
	put := func(name string, m proto.Message) error {
		text, err := compact(m)
		if err == nil && text != "{}" {
			facts[name] = text
		}
		return err
	}
	if q := config.GetQuantizationConfig(); q != nil {
		// One of a newer server is not made without being asked: see creation.
		facts[FactQuantization] = "unknown"
		if err := put(FactQuantization, q); err != nil {
			return err
		}
	}
	if h := config.GetHnswConfig(); h != nil {
		if err := put(FactHNSW, h); err != nil {
			return err
		}
	}
	for name, p := range denseParams(params) {
		if err := put(FactVector+name, &pb.VectorParams{HnswConfig: p.GetHnswConfig(), QuantizationConfig: p.GetQuantizationConfig(), OnDisk: p.OnDisk}); err != nil {
			return err
		}
	}
	for name, p := range params.GetSparseVectorsConfig().GetMap() {
		if err := put(FactSparse+name, p); err != nil {
			return err
		}
	}
	return nil
}

// compact is a message as JSON that is the same each time.
func compact(m proto.Message) (string, error) {
	data, err := protojson.Marshal(m)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = json.Compact(&out, data)
	return out.String(), err
}

// denseParams are the dense vectors and multivectors by name.
func denseParams(params *pb.CollectionParams) map[string]*pb.VectorParams {
	if one := params.GetVectorsConfig().GetParams(); one != nil {
		return map[string]*pb.VectorParams{"": one}
	}
	return params.GetVectorsConfig().GetParamsMap().GetMap()
}

var metrics = map[pb.Distance]vector.Metric{
	pb.Distance_Cosine:    vector.Cosine,
	pb.Distance_Dot:       vector.Dot,
	pb.Distance_Euclid:    vector.Euclid,
	pb.Distance_Manhattan: vector.Manhattan,
}

var elements = map[pb.Datatype]string{
	pb.Datatype_Default: "float32",
	pb.Datatype_Float32: "float32",
	pb.Datatype_Float16: "float16",
	pb.Datatype_Uint8:   "uint8",
}

func specsOf(params *pb.CollectionParams) []vector.Spec {
	out := []vector.Spec{}
	for name, p := range denseParams(params) {
		spec := vector.Spec{Name: name, Form: vector.Dense, Dim: int(p.GetSize()), Metric: metrics[p.GetDistance()], Element: elements[p.GetDatatype()]}
		// What newer servers have is named by its number, which nothing equals.
		if spec.Metric == "" {
			spec.Metric = vector.Metric(p.GetDistance().String())
		}
		if spec.Element == "" {
			spec.Element = p.GetDatatype().String()
		}
		if p.GetMultivectorConfig() != nil {
			spec.Form = vector.Multi
		}
		spec.Normalised = directions(&spec)
		out = append(out, spec)
	}
	for name := range params.GetSparseVectorsConfig().GetMap() {
		// The datatype of a sparse vector is that of its index: it is kept as float32.
		out = append(out, vector.Spec{Name: name, Form: vector.Sparse, Metric: vector.Dot, Element: "float32"})
	}
	slices.SortFunc(out, func(a, b vector.Spec) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// directions: Qdrant normalises what it compares by cosine when it is written, but for
// bytes, which have no room for it.
func directions(v *vector.Spec) bool {
	return v.Form != vector.Sparse && v.Metric == vector.Cosine && v.Element != "uint8"
}

// writable refuses servers before 1.14, which do not know the vectors that are
// written here and would read empty ones (protocol of go-client v1.14.0, 2025).
func (s *Store) writable(ctx context.Context) error {
	health, err := s.health.HealthCheck(ctx, &pb.HealthCheckRequest{})
	if err = unlessRefused(err); err != nil {
		return err
	}
	var major, minor int
	if n, _ := fmt.Sscanf(health.GetVersion(), "%d.%d", &major, &minor); n == 2 && (major < 1 || major == 1 && minor < 14) {
		return s.invalid("healthcheck", "Qdrant %s is too old to be written to: upgrade it to 1.14 or newer", health.GetVersion())
	}
	return nil
}

// specs are the collection's vectors, as they were when first asked for.
func (s *Store) specs(ctx context.Context) ([]vector.Spec, error) {
	s.mu.Lock()
	spec, name := s.spec, s.name
	s.mu.Unlock()
	if spec != nil {
		return spec, nil
	}
	if err := s.writable(ctx); err != nil {
		return nil, err
	}
	got, err := s.collections.Get(ctx, &pb.GetCollectionInfoRequest{CollectionName: name})
	if err != nil {
		return nil, err
	}
	spec = specsOf(got.GetResult().GetConfig().GetParams())
	s.mu.Lock()
	s.spec = spec
	s.mu.Unlock()
	return spec, nil
}

// indexType is an index in words: its type, and behind it, as JSON, what else it
// was made with.
func indexType(x *pb.PayloadSchemaInfo) (string, error) {
	kind := strings.ToLower(x.GetDataType().String())
	if x.GetParams() == nil {
		return kind, nil
	}
	text, err := compact(x.GetParams())
	if err != nil || text == "{}" {
		return kind, err
	}
	return kind + " " + text, nil
}
