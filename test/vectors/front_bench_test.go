package vectors_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// BenchmarkFront measures what freehold adds to a query of Qdrant: the same vectors are
// asked for of Qdrant itself, and through freehold by REST and by gRPC, in turns. Its
// metrics are medians in milliseconds.
func BenchmarkFront(b *testing.B) {
	s := newServed(b)
	r := rand.New(rand.NewPCG(1, 2))
	var docs []any
	for i := range 1000 {
		docs = append(docs, map[string]any{"id": fmt.Sprintf("d%d", i), "values": []float64{r.NormFloat64(), r.NormFloat64(), r.NormFloat64(), r.NormFloat64()}, "metadata": map[string]any{"n": i, "text": "some words of a document"}})
	}
	if code, out, err := s.ask(b.Context(), "/vectors/upsert", map[string]any{"vectors": docs}); code != http.StatusOK || err != nil {
		b.Fatalf("%d %v %v", code, out, err)
	}
	s.run("vectors", "sync", "docs")
	s.run("vectors", "cutover", "docs")
	direct := open(b, fmt.Sprintf("qdrant://%s/%s", s.qdrant.Addr(), s.to))
	defer direct.Close() // it was read only
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close() // it was read only
	filter := &vector.Filter{Op: vector.Eq, Field: "_namespace", Value: vector.TextOf("")}
	ways := []struct {
		name string
		ask  func(ctx context.Context, v []float32) error
	}{
		{"qdrant", func(ctx context.Context, v []float32) error {
			_, err := direct.Search(ctx, vector.Search{Query: vector.Vector{Dense: v}, K: 10, Filter: filter, Records: true})
			return err
		}},
		{"rest", func(ctx context.Context, v []float32) error {
			code, _, err := s.ask(ctx, "/query", map[string]any{"vector": v, "topK": 10, "includeMetadata": true})
			if err == nil && code != http.StatusOK {
				err = fmt.Errorf("status %d", code)
			}
			return err
		}},
		{"grpc", func(ctx context.Context, v []float32) error {
			ctx = metadata.AppendToOutgoingContext(ctx, "api-key", "none")
			return conn.Invoke(ctx, wire.Query, &wire.QueryRequest{Vector: v, TopK: 10, IncludeMetadata: true}, &wire.QueryResponse{})
		}},
	}
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		v := []float32{float32(r.NormFloat64()), 1, float32(r.NormFloat64()), 2}
		for i, w := range ways {
			began := time.Now()
			if err := w.ask(b.Context(), v); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	for i, w := range ways {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds())/1000, w.name+"-ms")
	}
}
