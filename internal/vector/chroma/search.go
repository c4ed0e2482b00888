package chroma

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"

	"freehold/internal/vector"
)

// Search asks for nearest neighbours by the collection's index. A filter that Chroma
// has no words for is applied to all records here, and the search is among their ids.
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	if err := s.one("query", q.Namespace); err != nil {
		return nil, err
	}
	c, path, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	spec, err := c.spec()
	if err != nil {
		return nil, s.invalid("query", "%v", err)
	}
	if q.Query.Name != "" || q.Query.Dense == nil {
		return nil, s.invalid("query", "a collection has one dense vector without a name")
	}
	body := map[string]any{"query_embeddings": [][]float32{q.Query.Dense}, "n_results": max(q.K, 1), "include": []string{"distances"}}
	if q.Filter != nil {
		where, err := s.where(q.Filter)
		switch {
		case errors.Is(err, errNoWords):
			ids, err := s.matching(ctx, q.Filter)
			if err != nil || len(ids) == 0 {
				return []vector.Hit{}, err
			}
			body["ids"] = ids
		case err != nil:
			return nil, s.invalid("query", "%v", err)
		default:
			body["where"] = where
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, s.invalid("query", "%v", err)
	}
	var out struct {
		IDs       [][]string   `json:"ids"`
		Distances [][]*float64 `json:"distances"`
	}
	if err := s.call(ctx, "query", http.MethodPost, path+"/query", text, &out); err != nil {
		return nil, err
	}
	if len(out.IDs) != 1 || len(out.Distances) != 1 || len(out.IDs[0]) != len(out.Distances[0]) {
		return nil, s.invalid("query", "the answer is not for one query")
	}
	hits := make([]vector.Hit, 0, len(out.IDs[0]))
	for i, id := range out.IDs[0] {
		if d := out.Distances[0][i]; d != nil {
			hits = append(hits, vector.Hit{ID: vector.IDOf(id), Score: score(spec.Metric, *d)})
		}
	}
	return hits, nil
}

// score is a distance of Chroma's as a score: the square of the euclidean one, and
// what is missing to 1 of the others.
func score(m vector.Metric, distance float64) float64 {
	if m == vector.Euclid {
		return math.Sqrt(max(0, distance))
	}
	return 1 - distance
}

// matching are the ids of all records that a filter matches.
func (s *Store) matching(ctx context.Context, f *vector.Filter) ([]string, error) {
	var out []string
	for u, err := range s.Units(ctx, "", "", maxPage) {
		if err != nil {
			return nil, err
		}
		got, err := s.get(ctx, "query", asked{IDs: u.IDs, Include: []string{"metadatas", "documents", "uris"}})
		if err != nil {
			return nil, err
		}
		for i := range got.IDs {
			p, err := s.payload(got, i)
			if err != nil {
				return nil, s.invalid("query", "record %q: %v", got.IDs[i], err)
			}
			if f.Match(p) {
				out = append(out, got.IDs[i])
			}
		}
	}
	return out, nil
}
