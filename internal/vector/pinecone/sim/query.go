package sim

import (
	"cmp"
	"context"
	"math"
	"slices"

	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// Query looks at every record.
func (service) Query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	ix := indexOf(ctx)
	f, err := plane.Query(r)
	if err != nil {
		return nil, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	out := &wire.QueryResponse{Namespace: r.GetNamespace(), Usage: usage(1)}
	sp := ix.spaces[plain(r.GetNamespace())]
	dense, sparse := r.GetVector(), r.GetSparseVector()
	if r.GetId() != "" {
		if sp == nil || sp.records[r.GetId()] == nil {
			return out, nil
		}
		v := sp.records[r.GetId()]
		dense, sparse = v.GetValues(), v.GetSparseValues()
	}
	if err := ix.contract().Asked(dense, sparse); err != nil {
		return nil, err
	}
	if sp == nil {
		return out, nil
	}
	asked := weights(sparse)
	for _, v := range sp.records {
		if f != nil && !f.Match(pinecone.PayloadOf(v.GetMetadata())) {
			continue
		}
		score, ok := ix.score(dense, asked, v)
		if !ok {
			continue
		}
		m := &wire.Match{Id: v.GetId(), Score: float32(score)}
		if r.GetIncludeValues() {
			m.Values, m.SparseValues = v.GetValues(), v.GetSparseValues()
		}
		if r.GetIncludeMetadata() {
			m.Metadata = v.GetMetadata()
		}
		out.Matches = append(out.Matches, m)
	}
	slices.SortFunc(out.Matches, func(a, b *wire.Match) int {
		c := cmp.Compare(b.GetScore(), a.GetScore())
		if ix.Metric == "euclidean" {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.GetId(), b.GetId()))
	})
	out.Matches = out.Matches[:min(len(out.Matches), int(r.GetTopK()))]
	return out, nil
}

func weights(v *wire.Sparse) map[uint32]float64 {
	out := make(map[uint32]float64, len(v.GetIndices()))
	for i, x := range v.GetIndices() {
		out[x] = float64(v.GetValues()[i])
	}
	return out
}

// score is how near a record is; false: it has nothing in common with the query.
func (ix *index) score(dense []float32, sparse map[uint32]float64, v *wire.Vector) (float64, bool) {
	if ix.VectorType == "sparse" {
		sum, n := sparseDot(sparse, v.GetSparseValues())
		return sum, n > 0
	}
	var dot, length, other, far float64
	for i, x := range v.GetValues() {
		a, b := float64(dense[i]), float64(x)
		dot += a * b
		length += a * a
		other += b * b
		far += (a - b) * (a - b)
	}
	switch ix.Metric {
	case "cosine":
		return dot / math.Sqrt(length*other), true
	case "euclidean":
		return far, true
	}
	sum, _ := sparseDot(sparse, v.GetSparseValues())
	return dot + sum, true
}

func sparseDot(asked map[uint32]float64, v *wire.Sparse) (sum float64, common int) {
	for i, x := range v.GetIndices() {
		if w, ok := asked[x]; ok {
			sum += w * float64(v.GetValues()[i])
			common++
		}
	}
	return sum, common
}
