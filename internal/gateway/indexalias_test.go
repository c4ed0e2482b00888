package gateway_test

import (
	"fmt"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/internal/vector/pinecone/sim"
)

// TestIndexAlias: a workload that an index names for its embeddings stands for the old
// model until the cutover, under each of its names, and says why; other workloads stand
// for what they always do.
func TestIndexAlias(t *testing.T) {
	p := mocktest.Start(t, mock.Options{})
	pinecone, err := sim.New(sim.Options{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pinecone.Close)
	t.Setenv("PINECONE_API_KEY", "k")
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  p: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
models:
  aged: {provider: p, id: aged, mode: embedding}
  young: {provider: p, id: young, mode: embedding}
workloads:
  search: {model: aged, aliases: [text-embedding-3-small]}
  other: {model: aged}
indexes:
  docs: {from: "pinecone://%s/docs", to: "qdrant://127.0.0.1:1/docs", embeddings: {alias: search, model: young, text: body}}
`, p.URL(), pinecone.Address()))
	for _, c := range []struct{ name, route string }{
		{"search", "workload, index docs in phase relay"}, {"text-embedding-3-small", "alias, index docs in phase relay"}, {"other", "workload"}, {"young", "model"},
	} {
		for _, format := range []string{"", `,"encoding_format":"base64"`} {
			v := askVectors(t, s.URL, c.name, "a text", format)
			want := "aged"
			if c.name == "young" {
				want = "young"
			}
			if v.status != 200 || v.header.Get("X-Freehold-Model") != want || v.header.Get("X-Freehold-Route") != c.route {
				t.Errorf("%s: %d, model %q, route %q", c.name, v.status, v.header.Get("X-Freehold-Model"), v.header.Get("X-Freehold-Route"))
			}
		}
	}
}
