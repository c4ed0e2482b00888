package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"freehold/internal/cascade"
)

// weak is a cheap model in OpenAI's dialect whose answers are given: one for
// each way in which it is asked.
type weak struct {
	t       *testing.T
	url     string
	answers []weakAnswer

	mu    sync.Mutex
	asked []map[string]any
	began chan int // a request without an answer came
}

// weakAnswer is an answer. The zero one never comes.
type weakAnswer struct {
	text, finish string
	status       int
	tool         bool
	margin       float64 // of each word, where logprobs are asked for; 0: none are sent
}

func replies(texts ...string) []weakAnswer {
	var out []weakAnswer
	for _, t := range texts {
		out = append(out, weakAnswer{text: t})
	}
	return out
}

func newWeak(t *testing.T, answers ...weakAnswer) *weak {
	t.Helper()
	w := &weak{t: t, answers: answers, began: make(chan int, 100)}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

func (w *weak) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var q map[string]any
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.t.Error(err)
		return
	}
	messages, _ := q["messages"].([]any)
	last, _ := messages[len(messages)-1].(map[string]any)
	prompt := fmt.Sprint(last["content"])
	n := 0
	for i := 1; i < cascade.MaxAttempts; i++ {
		if strings.HasSuffix(prompt, "\n\n"+cascade.Phrasing(i)) {
			n = i
		}
	}
	w.mu.Lock()
	w.asked = append(w.asked, q)
	w.mu.Unlock()
	a := w.answers[n]
	if a == (weakAnswer{}) {
		w.began <- n
		<-r.Context().Done()
		return
	}
	if a.status != 0 {
		if slices.Contains(w.answers, weakAnswer{}) {
			<-w.began // so that it fails while another is under way
		}
		rw.WriteHeader(a.status)
		_, _ = io.WriteString(rw, `{"error":{"message":"no","type":"server_error"}}`)
		return
	}
	a.write(rw, q)
}

func (a *weakAnswer) write(rw http.ResponseWriter, q map[string]any) {
	finish := a.finish
	if finish == "" {
		finish = "stop"
	}
	if q["stream"] == true {
		rw.Header().Set("Content-Type", "text/event-stream")
		chunk := func(delta, finish string) {
			fmt.Fprintf(rw, "data: {\"id\":\"weak-1\",\"model\":\"m\",\"created\":7,\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, finish)
		}
		chunk(fmt.Sprintf(`{"role":"assistant","content":%q}`, a.text), "null")
		chunk("{}", fmt.Sprintf("%q", finish))
		_, _ = io.WriteString(rw, `data: {"id":"weak-1","model":"m","created":7,"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`+"\n\ndata: [DONE]\n\n")
		return
	}
	message := map[string]any{"role": "assistant", "content": a.text}
	if a.tool {
		message["tool_calls"] = []any{map[string]any{"id": "c1", "type": "function", "function": map[string]any{"name": "f", "arguments": "{}"}}}
	}
	choice := map[string]any{"index": 0, "message": message, "finish_reason": finish}
	if q["logprobs"] == true && a.margin > 0 {
		var tokens []any
		for _, word := range strings.Fields(a.text) {
			p, second := (1+a.margin)/2, (1-a.margin)/2
			tokens = append(tokens, map[string]any{"token": word, "logprob": math.Log(p), "top_logprobs": []any{
				map[string]any{"token": word, "logprob": math.Log(p)}, map[string]any{"token": "x", "logprob": math.Log(second)}}})
		}
		choice["logprobs"] = map[string]any{"content": tokens}
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(map[string]any{ // a client that is gone needs no answer
		"id": "weak-1", "object": "chat.completion", "created": 7, "model": "m", "choices": []any{choice},
		"usage": map[string]any{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
	})
}

// requests are the bodies that came.
func (w *weak) requests() []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]map[string]any(nil), w.asked...)
}
