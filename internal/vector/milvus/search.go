package milvus

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// boolExpr is the dialect of what a search filters by.
const boolExpr = 1

// Search asks for nearest neighbours as any application does, by the index that
// there is.
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	p, err := s.space(ctx, "search", q.Namespace)
	if err != nil || !p.there {
		return nil, err
	}
	f := p.vector(q.Query.Name)
	if f == nil {
		return nil, s.invalid("search", "the collection has no vector %q", q.Query.Name)
	}
	if q.K > maxPage {
		return nil, s.invalid("search", "%d neighbours are asked for, and %d are the most", q.K, maxPage)
	}
	r := &wire.SearchRequest{Database: s.options.Database, Collection: p.name, Partitions: p.names(), Expr: p.only, Dialect: boolExpr, Queries: 1}
	if q.Filter != nil {
		x, err := p.expr(q.Filter)
		if err != nil {
			return nil, s.invalid("search", "%v", err)
		}
		if r.Expr != "" {
			x = r.Expr + " and " + x
		}
		r.Expr = x
	}
	if r.Placeholders, err = proto.Marshal(&wire.Placeholders{Placeholders: []*wire.Placeholder{{Tag: "$0", Type: f.kind, Values: [][]byte{f.bytes(&q.Query)}}}}); err != nil {
		return nil, s.invalid("search", "%v", err)
	}
	if r.Params, err = f.params(max(q.K, 1)); err != nil {
		return nil, s.invalid("search", "%v", err)
	}
	if r.Guarantee, err = s.since(ctx); err != nil {
		return nil, err
	}
	r.Consistency = consistency(r.Guarantee)
	var answer wire.SearchResponse
	if err := s.ask(ctx, p, wire.Search, r, &answer); err != nil {
		return nil, err
	}
	return f.hits(answer.GetResults(), p.lite), nil
}

func (f *vectorField) params(k int) ([]*wire.Pair, error) {
	params := map[string]any{}
	if strings.HasPrefix(f.index, "HNSW") { // it looks at no more than it is asked for, else
		params["ef"] = max(64, 2*k)
	}
	text, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	out := []*wire.Pair{{Key: "anns_field", Value: f.field}, {Key: "topk", Value: strconv.Itoa(k)}, {Key: "params", Value: string(text)}, {Key: "round_decimal", Value: "-1"}}
	for name, m := range metrics {
		if m == f.Metric {
			out = append(out, &wire.Pair{Key: "metric_type", Value: name})
		}
	}
	return out, nil
}

// bytes is a query as the server reads it.
func (f *vectorField) bytes(v *vector.Vector) []byte {
	var b []byte
	switch f.kind {
	case kindSparse:
		return sparseBytes(v)
	case kindBinary:
		return v.Bits
	}
	for _, x := range v.Dense {
		switch f.kind {
		case kindFloat16:
			b = binary.LittleEndian.AppendUint16(b, floatToHalf(x))
		case kindBFloat16:
			b = binary.LittleEndian.AppendUint16(b, floatToBFloat(x))
		case kindInt8Vector:
			b = append(b, byte(int8(max(-128, min(127, math.Round(float64(x)))))))
		default:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

// hits are what was found. Milvus' distances are squared; milvus-lite's are not.
func (f *vectorField) hits(d *wire.SearchData, lite bool) []vector.Hit {
	var ids []vector.ID
	for _, n := range d.GetIds().GetNumbers().GetData() {
		ids = append(ids, vector.IntegerIDOf(uint64(n)))
	}
	for _, t := range d.GetIds().GetTexts().GetData() {
		ids = append(ids, vector.IDOf(t))
	}
	n := min(len(ids), len(d.GetScores()))
	out := make([]vector.Hit, n)
	for i := range out {
		out[i] = vector.Hit{ID: ids[i], Score: float64(d.GetScores()[i])}
		if f.Metric == vector.Euclid && !lite {
			out[i].Score = math.Sqrt(max(0, out[i].Score))
		}
	}
	return out
}
