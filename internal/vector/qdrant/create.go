package qdrant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protojson"

	"freehold/internal/vector"
)

// Create makes the collection with its vectors, settings and payload indexes. Of
// one that is there, the vectors are compared, and indexes that it lacks are made.
func (s *Store) Create(ctx context.Context, d *vector.Description) error {
	if err := s.whole("create"); err != nil {
		return err
	}
	name, err := s.collection(ctx)
	if err != nil {
		return err
	}
	if err := s.writable(ctx); err != nil {
		return err
	}
	request, err := creation(name, d)
	if err != nil {
		return s.invalid("create", "%v", err)
	}
	info, err := s.collections.Get(ctx, &pb.GetCollectionInfoRequest{CollectionName: name})
	var is *vector.Error
	if errors.As(err, &is) && is.Trouble == vector.Missing {
		if _, err := s.collections.Create(ctx, request); err != nil {
			return err
		}
		info, err = s.collections.Get(ctx, &pb.GetCollectionInfoRequest{CollectionName: name})
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.spec = nil
	s.mu.Unlock()
	if err := fits(d, info.GetResult()); err != nil {
		return s.invalid("create", "the collection is there, and %v", err)
	}
	for i := range d.Fields {
		f := &d.Fields[i]
		if _, there := info.GetResult().GetPayloadSchema()[f.Name]; there || !f.Indexed {
			continue
		}
		if err := s.index(ctx, name, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) index(ctx context.Context, name string, f *vector.FieldSpec) error {
	request := &pb.CreateFieldIndexCollection{CollectionName: name, Wait: new(true), FieldName: f.Name}
	word, params, _ := strings.Cut(f.Type, " ")
	kind, ok := indexes[word]
	if !ok {
		return s.invalid("create", "field %s: Qdrant has no index of type %q", f.Name, word)
	}
	request.FieldType = &kind
	if params != "" {
		request.FieldIndexParams = &pb.PayloadIndexParams{}
		if err := protojson.Unmarshal([]byte(params), request.FieldIndexParams); err != nil {
			return s.invalid("create", "field %s: the settings of its index: %v", f.Name, err)
		}
	}
	answer, err := s.points.CreateFieldIndex(ctx, request)
	if err != nil {
		return err
	}
	return s.applied("createfieldindex", answer)
}

var indexes = map[string]pb.FieldType{
	"keyword":  pb.FieldType_FieldTypeKeyword,
	"integer":  pb.FieldType_FieldTypeInteger,
	"float":    pb.FieldType_FieldTypeFloat,
	"geo":      pb.FieldType_FieldTypeGeo,
	"text":     pb.FieldType_FieldTypeText,
	"bool":     pb.FieldType_FieldTypeBool,
	"datetime": pb.FieldType_FieldTypeDatetime,
	"uuid":     pb.FieldType_FieldTypeUuid,
}

// creation is the request that makes what is described.
func creation(name string, d *vector.Description) (*pb.CreateCollection, error) {
	out := &pb.CreateCollection{CollectionName: name}
	vectors := map[string]*pb.VectorParams{}
	sparse := map[string]*pb.SparseVectorParams{}
	for i := range d.Vectors {
		v := &d.Vectors[i]
		switch v.Form {
		case vector.Dense, vector.Multi:
			p, err := params(v, d.Facts[FactVector+v.Name])
			if err != nil {
				return nil, fmt.Errorf("vector %q: %w", v.Name, err)
			}
			vectors[v.Name] = p
		case vector.Sparse:
			if v.Metric != vector.Dot && v.Metric != "" {
				return nil, fmt.Errorf("vector %q: Qdrant compares sparse vectors by dot only, not by %s", v.Name, v.Metric)
			}
			p, err := sparseOf(d, v.Name)
			if err != nil {
				return nil, err
			}
			sparse[v.Name] = p
		default:
			return nil, fmt.Errorf("vector %q: Qdrant has no %s vectors", v.Name, v.Form)
		}
	}
	if one, ok := vectors[""]; ok && len(vectors) == 1 {
		out.VectorsConfig = pb.NewVectorsConfig(one)
	} else if len(vectors) > 0 {
		out.VectorsConfig = pb.NewVectorsConfigMap(vectors)
	}
	if len(sparse) > 0 {
		out.SparseVectorsConfig = pb.NewSparseVectorsConfig(sparse)
	}
	return out, apply(out, d.Facts)
}

// apply sets what the facts say of the whole collection.
func apply(out *pb.CreateCollection, facts map[string]string) error {
	number := func(name string, into **uint32) error {
		text, ok := facts[name]
		if !ok {
			return nil
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 0 {
			return fmt.Errorf("%s: %q is no number above 0", name, text)
		}
		*into = new(uint32(n))
		return nil
	}
	if err := errors.Join(number(FactShards, &out.ShardNumber), number(FactReplicas, &out.ReplicationFactor)); err != nil {
		return err
	}
	if text, ok := facts[FactOnDisk]; ok {
		on, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%s: %q is neither true nor false", FactOnDisk, text)
		}
		out.OnDiskPayload = &on
	}
	if text := facts[FactQuantization]; text != "" {
		out.QuantizationConfig = &pb.QuantizationConfig{}
		if err := protojson.Unmarshal([]byte(text), out.QuantizationConfig); err != nil {
			return fmt.Errorf("%s: %q is none that is known; leave it out, or write one: %w", FactQuantization, text, err)
		}
	}
	if text := facts[FactHNSW]; text != "" {
		out.HnswConfig = &pb.HnswConfigDiff{}
		if err := protojson.Unmarshal([]byte(text), out.HnswConfig); err != nil {
			return fmt.Errorf("%s: %w", FactHNSW, err)
		}
	}
	return nil
}

func params(v *vector.Spec, own string) (*pb.VectorParams, error) {
	p := &pb.VectorParams{}
	if own != "" {
		if err := protojson.Unmarshal([]byte(own), p); err != nil {
			return nil, fmt.Errorf("its settings: %w", err)
		}
	}
	p.Size, p.Distance = uint64(v.Dim), pb.Distance_UnknownDistance
	for distance, m := range metrics {
		if m == v.Metric {
			p.Distance = distance
		}
	}
	if p.Distance == pb.Distance_UnknownDistance {
		return nil, fmt.Errorf("%s is no distance of Qdrant's: cosine, dot, euclid and manhattan are", v.Metric)
	}
	switch v.Element {
	case "", "float32":
	case "float16":
		p.Datatype = pb.Datatype_Float16.Enum()
	case "uint8":
		p.Datatype = pb.Datatype_Uint8.Enum()
	default:
		return nil, fmt.Errorf("%s is no datatype of Qdrant's: float32, float16 and uint8 are", v.Element)
	}
	if v.Form == vector.Multi {
		p.MultivectorConfig = &pb.MultiVectorConfig{Comparator: pb.MultiVectorComparator_MaxSim}
	}
	return p, nil
}

func sparseOf(d *vector.Description, name string) (*pb.SparseVectorParams, error) {
	p := &pb.SparseVectorParams{}
	if text := d.Facts[FactSparse+name]; text != "" {
		if err := protojson.Unmarshal([]byte(text), p); err != nil {
			return nil, fmt.Errorf("vector %q: its settings: %w", name, err)
		}
	}
	return p, nil
}

// fits says why a collection cannot hold what is described as it is.
func fits(d *vector.Description, info *pb.CollectionInfo) error {
	has := info.GetConfig().GetParams()
	if has.GetShardingMethod() == pb.ShardingMethod_Custom {
		return errors.New("has shards by key, of which a copy would have to know into which each record goes")
	}
	there := vector.Description{Vectors: specsOf(has)}
	for i := range d.Vectors {
		want := &d.Vectors[i]
		got := there.Vector(want.Name)
		if got == nil {
			return fmt.Errorf("has no vector %q", want.Name)
		}
		element := want.Element
		if element == "" || want.Form == vector.Sparse {
			element = "float32"
		}
		metric := want.Metric
		if want.Form == vector.Sparse {
			metric = vector.Dot
		}
		if got.Form != want.Form || got.Dim != want.Dim || got.Metric != metric || got.Element != element {
			return fmt.Errorf("its vector %q is %s of %d by %s in %s, not %s of %d by %s in %s", want.Name,
				got.Form, got.Dim, got.Metric, got.Element, want.Form, want.Dim, metric, element)
		}
		if want.Form != vector.Sparse {
			continue
		}
		p, err := sparseOf(d, want.Name)
		if err != nil {
			return err
		}
		if is := has.GetSparseVectorsConfig().GetMap()[want.Name].GetModifier(); is != p.GetModifier() {
			return fmt.Errorf("its vector %q has the modifier %s, not %s", want.Name, is, p.GetModifier())
		}
	}
	return nil
}
