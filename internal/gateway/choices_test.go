package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock/mocktest"
)

// What llama.cpp really sends: one usage for each choice, also before the other
// choices have ended, and null between the answers to several prompts.
var (
	twoChoices = []string{
		`{"choices":[{"index":1,"delta":{"role":"assistant","content":null},"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"index":1,"delta":{"content":"Howdy"},"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}],"id":"c","model":"m","created":1}`,
		`{"choices":[],"id":"c","model":"m","created":1,"usage":{"completion_tokens":5,"prompt_tokens":33,"total_tokens":38,"prompt_tokens_details":{"cached_tokens":24}}}`,
		`{"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"id":"c","model":"m","created":1}`,
		`{"choices":[],"id":"c","model":"m","created":1,"usage":{"completion_tokens":8,"prompt_tokens":33,"total_tokens":41,"prompt_tokens_details":{"cached_tokens":24}}}`,
		`[DONE]`,
	}
	twoPrompts = []string{
		`{"choices":[{"text":" d","index":0,"logprobs":null,"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"id":"c","model":"m","created":1,"usage":{"completion_tokens":1,"prompt_tokens":3,"total_tokens":4}}`,
		`null`,
		`{"choices":[{"text":" Paris","index":1,"logprobs":null,"finish_reason":null}],"id":"c","model":"m","created":1}`,
		`{"choices":[{"text":"","index":1,"logprobs":null,"finish_reason":"length"}],"id":"c","model":"m","created":1,"usage":{"completion_tokens":2,"prompt_tokens":5,"total_tokens":7}}`,
		`[DONE]`,
	}
)

const onlyChat = `"messages":[{"role":"user","content":"hi"}],"n":2`

// llama is a llama.cpp that answers with these events, or this body if it is
// not asked for a stream.
func llama(t *testing.T, events []string, plain string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, plain)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			_, _ = io.WriteString(w, "data: "+e+"\n\n")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

type counted struct {
	Choices []struct {
		Index        int
		Text         string
		Message      struct{ Content string }
		Delta        struct{ Content string }
		FinishReason string `json:"finish_reason"`
		Logprobs     any
	}
	Usage *struct {
		In     int64 `json:"prompt_tokens"`
		Out    int64 `json:"completion_tokens"`
		Cached struct {
			Tokens int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

// asked posts a body and gives what came: texts by choice, every usage, and the
// whole of it.
func asked(t *testing.T, url, body string) (texts map[int]string, usages []counted, raw string) {
	t.Helper()
	resp, err := mocktest.Client().Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	whole, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", resp.StatusCode, whole, err)
	}
	texts = map[int]string{}
	parts := []string{string(whole)}
	if strings.Contains(body, `"stream":true`) {
		parts = strings.Split(string(whole), "\n\n")
	}
	for _, part := range parts {
		part = strings.TrimPrefix(part, "data: ")
		if part == "" || part == "[DONE]" {
			continue
		}
		var c counted
		if err := json.Unmarshal([]byte(part), &c); err != nil || part == "null" {
			t.Fatalf("%v in %q", err, part)
		}
		if c.Usage != nil {
			usages = append(usages, c)
		}
		for _, x := range c.Choices {
			texts[x.Index] += x.Text + x.Message.Content + x.Delta.Content
		}
	}
	return texts, usages, string(whole)
}

// Usage of several choices is that of all of them, once, however the provider
// tells it; and prompts sent together are answered together.
func TestUsageOfSeveralChoices(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		events     []string
		texts      map[int]string
		want       ledger.Tokens
	}{
		"two choices": {"/v1/chat/completions", onlyChat, twoChoices, map[int]string{0: "Hello!", 1: "Howdy"}, ledger.Tokens{In: 33, Out: 13, Cached: 24}},
		"two prompts": {"/v1/completions", `"prompt":["a b c","The capital of France is"]`, twoPrompts, map[int]string{0: " d", 1: " Paris"}, ledger.Tokens{In: 8, Out: 3}},
	} {
		for _, stream := range []string{"", `,"stream":true`, `,"stream":true,"stream_options":{"include_usage":true}`} {
			t.Run(name+stream, func(t *testing.T) {
				s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers: {a: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a}}
`, llama(t, c.events, "")))
				texts, usages, raw := asked(t, s.URL+c.path, `{"model":"m",`+c.body+stream+"}")
				if fmt.Sprint(texts) != fmt.Sprint(c.texts) {
					t.Errorf("texts %v, want %v", texts, c.texts)
				}
				if stream != "" && strings.Count(raw, "[DONE]") != 1 {
					t.Errorf("no end, or more than one: %s", raw)
				}
				if told := stream != `,"stream":true`; told && len(usages) != 1 || !told && len(usages) != 0 {
					t.Errorf("%d usages in %s", len(usages), raw)
				} else if told {
					u := usages[0].Usage
					if u.In != c.want.In || u.Out != c.want.Out || u.Cached.Tokens != c.want.Cached || stream != "" && len(usages[0].Choices) > 0 {
						t.Errorf("usage %+v, want %+v", u, c.want)
					}
				}
				row := s.WaitRows(t, 1)[0]
				if row.Tokens != c.want {
					t.Errorf("on record %+v, want %+v", row.Tokens, c.want)
				}
			})
		}
	}
}

// With logprobs the answer is asked for whole, and its usage is one choice's: it
// is not told as that of all, and estimated for the ledger.
func TestUsageOfOneChoiceIsNotToldForAll(t *testing.T) {
	choice := `{"index":%d,"finish_reason":"stop","message":{"role":"assistant","content":"Hello!"},"logprobs":{"content":[{"token":"Hello!","logprob":-1}]}}`
	body := `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[` + fmt.Sprintf(choice, 0) + "," + fmt.Sprintf(choice, 1) +
		`],"usage":{"completion_tokens":8,"prompt_tokens":33,"total_tokens":41},"timings":{"predicted_n":8}}`
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers: {a: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a}}
`, llama(t, nil, body)))
	texts, usages, raw := asked(t, s.URL+"/v1/chat/completions", `{"model":"m",`+onlyChat+`,"logprobs":true}`)
	if len(texts) != 2 || texts[1] != "Hello!" || strings.Count(raw, `"logprob":-1`) != 2 || !strings.Contains(raw, "predicted_n") {
		t.Errorf("the answer is not whole: %s", raw)
	}
	if len(usages) > 0 {
		t.Errorf("usage of one choice is told: %s", raw)
	}
	if k := s.WaitRows(t, 1)[0].Tokens; k.In != 33 || k.Out != 16 || !k.Estimated {
		t.Errorf("on record %+v", k)
	}
}

// A stream that ends after some of the choices is cut, although each that it
// showed is whole: the next deployment answers, or the client is told.
func TestMissingChoicesAreACut(t *testing.T) {
	half := twoPrompts[:2]
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers:
  a: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}
models: {m: {deployments: [{provider: a}, {provider: b}]}, alone: {provider: a}}
`, llama(t, half, ""), llama(t, twoPrompts, "")))
	const prompts = `"prompt":["a b c","The capital of France is"]`
	if texts, _, raw := asked(t, s.URL+"/v1/completions", `{"model":"m",`+prompts+`}`); texts[1] != " Paris" {
		t.Errorf("half an answer: %s", raw)
	}
	resp, err := mocktest.Client().Post(s.URL+"/v1/completions", "application/json", strings.NewReader(`{"model":"alone","stream":true,`+prompts+`}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || strings.Contains(string(raw), "[DONE]") || !strings.Contains(string(raw), `"error"`) {
		t.Errorf("half an answer is shown as whole: %s, %v", raw, err)
	}
}

// Inputs sent together need not fit into one context together.
func TestContextIsOfEachInput(t *testing.T) {
	vectors := `{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[1]}],"usage":{"prompt_tokens":180,"total_tokens":180}}`
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers: {a: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a, mode: embedding, context: 100}}
`, llama(t, nil, vectors)))
	text := strings.Repeat("abc ", 90)
	body := fmt.Sprintf(`{"model":"m","input":[%q,%q]}`, text, text)
	if _, usages, raw := asked(t, s.URL+"/v1/embeddings", body); len(usages) != 1 || usages[0].Usage.In != 180 {
		t.Errorf("got %s", raw)
	}
	resp, err := mocktest.Client().Post(s.URL+"/v1/embeddings", "application/json", strings.NewReader(fmt.Sprintf(`{"model":"m","input":["a",%q]}`, text+text)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if raw, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 400 || !strings.Contains(string(raw), `"param":"input","code":"context_length_exceeded"`) {
		t.Errorf("one that is too long: %d %s, %v", resp.StatusCode, raw, err)
	}
}
