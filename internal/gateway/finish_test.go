package gateway_test

import (
	"fmt"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// Why an answer ended is on record, whatever the dialects on both sides, whole or
// as a stream: a refusal also where its provider says stop.
func TestFinish(t *testing.T) {
	openai := mocktest.Start(t, mock.Options{Profile: mock.OpenAI, Words: 20})
	claude := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 20})
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers:
  a: {preset: openai, base_url: "%s/v1", api_key: k, probe: {enabled: false}}
  b: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  one: {provider: a, id: gpt-4o}
  two: {provider: b, id: claude-sonnet-4-5}
`, openai.URL(), claude.URL()))
	rows := 0
	for _, c := range []struct{ prompt, more, openai, claude string }{
		{prompt: "hello", openai: "stop", claude: "stop"},
		{prompt: "hello", more: `,"max_tokens":3`, openai: "length", claude: "length"},
		{prompt: "mock: refuse\nhello", openai: "refusal", claude: "refusal"},
		{prompt: "mock: filter\nhello", openai: "content_filter", claude: "refusal"},
	} {
		for model, want := range map[string]string{"one": c.openai, "two": c.claude} {
			for _, inClaude := range []bool{false, true} {
				for _, stream := range []bool{false, true} {
					client{url: s.URL, claude: inClaude}.ask(t, model, c.prompt, stream, c.more)
					rows++
					r := s.WaitRows(t, rows)[0]
					if r.Finish != want || r.Model != model {
						t.Errorf("%s, claude client %v, stream %v, %q: %s ended by %q (%s), want %q", model, inClaude, stream, c.prompt, r.Model, r.Finish, r.Outcome, want)
					}
				}
			}
		}
	}
}
