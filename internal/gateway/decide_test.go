package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freehold/internal/app"
	"freehold/internal/app/apptest"
	"freehold/internal/gateway"
	"freehold/internal/llm"
	"freehold/internal/mock"
)

// BenchmarkDecide is all that happens to a request before its first attempt:
// its body is read, ten rules that ask for task and complexity are evaluated, and
// the plan is made and rendered for the record.
func BenchmarkDecide(b *testing.B) {
	var rules strings.Builder
	for i := range 10 {
		fmt.Fprintf(&rules, "      - {when: '(task == \"translate\" || \"x\" in tags) && complexity > 0.%d && prompt_tokens > %d', model: two}\n", 90+i, i)
	}
	m := mock.New(mock.Options{})
	if err := m.Start("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s := apptest.Start(b, fmt.Sprintf(`
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {one: {provider: a, id: m}, two: {provider: a, id: n}}
workloads:
  w:
    model: one
    fallbacks: [two]
    route:
%s`, m.URL(), rules.String()))
	codec := app.Codecs()["openai"]
	for name, size := range map[string]int{"300 characters": 300, "40 KB": 40 << 10} {
		text := strings.Repeat("Explain in a few words why the sky is blue at noon and red in the evening. ", size/75+1)[:size]
		body, err := json.Marshal(map[string]any{"model": "w", "messages": []any{map[string]string{"role": "user", "content": text}}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			g, err := s.App.Planner(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Decide(&gateway.Call{ID: "x", Received: s.App.Clock(), Op: llm.Chat, Codec: codec, Raw: body, Fleet: s.App.Fleet()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
