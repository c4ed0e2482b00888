package vector

import (
	"cmp"
	"math"
	"slices"
)

// Distance reports whether a smaller score is nearer.
func (m Metric) Distance() bool {
	return m == Euclid || m == Manhattan || m == Hamming || m == Jaccard
}

// Score is how near two vectors are, computed in doubles: for what has no index,
// and to hold indexes against.
func (m Metric) Score(a, b *Vector) float64 {
	var dot, la, lb, euclid, manhattan float64
	for i := range min(len(a.Dense), len(b.Dense)) {
		x, y := float64(a.Dense[i]), float64(b.Dense[i])
		dot, la, lb = dot+x*y, la+x*x, lb+y*y
		euclid, manhattan = euclid+(x-y)*(x-y), manhattan+math.Abs(x-y)
	}
	for i, j := 0, 0; i < len(a.Indices) && j < len(b.Indices); {
		switch {
		case a.Indices[i] < b.Indices[j]:
			i++
		case a.Indices[i] > b.Indices[j]:
			j++
		default:
			dot += float64(a.Values[i]) * float64(b.Values[j])
			i, j = i+1, j+1
		}
	}
	switch m {
	case Cosine:
		if la == 0 || lb == 0 {
			return 0
		}
		return dot / math.Sqrt(la*lb)
	case Euclid:
		return math.Sqrt(euclid)
	case Manhattan:
		return manhattan
	}
	return dot
}

// Nearest keeps the nearest of many hits.
type Nearest struct {
	metric Metric
	k      int
	hits   []Hit
}

// NewNearest keeps k.
func NewNearest(m Metric, k int) *Nearest { return &Nearest{metric: m, k: k} }

func (n *Nearest) compare(a, b Hit) int {
	near := cmp.Compare(b.Score, a.Score)
	if n.metric.Distance() {
		near = -near
	}
	return cmp.Or(near, cmp.Compare(a.ID.String(), b.ID.String()))
}

// Add takes one hit.
func (n *Nearest) Add(id ID, score float64) {
	h := Hit{ID: id, Score: score}
	if len(n.hits) == n.k && (n.k == 0 || n.compare(h, n.hits[n.k-1]) >= 0) {
		return
	}
	i, _ := slices.BinarySearchFunc(n.hits, h, n.compare)
	n.hits = slices.Insert(n.hits, i, h)
	n.hits = n.hits[:min(n.k, len(n.hits))]
}

// Hits are the nearest, the nearest first; of equals the one with the smaller id.
func (n *Nearest) Hits() []Hit { return n.hits }
