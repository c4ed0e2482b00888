//go:build unix

package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"freehold/internal/engine"
	"freehold/internal/engine/enginetest"
)

// These tests hold docs/engine.md to what the pinned engine really does.

// client makes a connection for each request: the engine closes one after a
// streamed answer without a word before (docs/engine.md).
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// answer is what our tests read of the engine's answers.
type answer struct {
	Choices []struct {
		Text         string
		FinishReason string `json:"finish_reason"`
		Message      struct{ Content string }
		Delta        struct{ Content string }
		Logprobs     *struct{ Content []struct{ Token string } }
	}
	Usage *struct {
		PromptTokens        int `json:"prompt_tokens"`
		CompletionTokens    int `json:"completion_tokens"`
		PromptTokensDetails struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
	Error *struct {
		Code    int
		Type    string
		Message string
	}
	Data []struct{ Embedding []float64 }
}

func ask(t *testing.T, url, body string) (int, answer) {
	t.Helper()
	res, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("status %d: %s", res.StatusCode, b)
	}
	return res.StatusCode, a
}

// stream returns the chunks of a streamed answer, without [DONE].
func stream(t *testing.T, url, body string) []answer {
	t.Helper()
	res, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var chunks []answer
	done := false
	for sc := bufio.NewScanner(res.Body); sc.Scan(); {
		data, ok := bytes.CutPrefix(sc.Bytes(), []byte("data: "))
		switch {
		case !ok:
		case string(data) == "[DONE]":
			done = true
		default:
			var a answer
			if err := json.Unmarshal(data, &a); err != nil {
				t.Fatalf("%v in %s", err, data)
			}
			chunks = append(chunks, a)
		}
	}
	if !done {
		t.Error("the stream has no [DONE]")
	}
	return chunks
}

const (
	hello  = `"messages":[{"role":"user","content":"Say hello."}],"max_tokens":8,"temperature":0`
	france = `"messages":[{"role":"user","content":"What is the capital of France?"},{"role":"assistant","content":"The capital of France is"}],"max_tokens":8,"temperature":0`
)

func TestRealChat(t *testing.T) {
	base, _ := enginetest.Start(t)
	chat := base + "/v1/chat/completions"
	ask(t, chat, "{"+hello+"}")
	status, a := ask(t, chat, "{"+hello+"}")
	if status != 200 || a.Choices[0].Message.Content == "" || a.Choices[0].FinishReason != "length" {
		t.Errorf("status %d, %+v", status, a)
	}
	if a.Usage.CompletionTokens != 8 || a.Usage.PromptTokensDetails.CachedTokens != a.Usage.PromptTokens-1 {
		t.Errorf("the second time all but one token of the prompt is cached: %+v", a.Usage)
	}
	chunks := stream(t, chat, `{`+hello+`,"stream":true}`)
	var text strings.Builder
	for _, c := range chunks {
		if c.Usage != nil {
			t.Error("usage unasked")
		}
		text.WriteString(c.Choices[0].Delta.Content)
	}
	if text.String() != a.Choices[0].Message.Content {
		t.Errorf("streamed %q, plain %q", text.String(), a.Choices[0].Message.Content)
	}
	chunks = stream(t, chat, `{`+hello+`,"stream":true,"stream_options":{"include_usage":true}}`)
	last := chunks[len(chunks)-1]
	if len(last.Choices) != 0 || last.Usage == nil || last.Usage.CompletionTokens != 8 {
		t.Errorf("the usage chunk is %+v", last)
	}
}

// A plain answer repeats the assistant's beginning, a streamed one does not.
func TestRealPrefill(t *testing.T) {
	base, _ := enginetest.Start(t)
	chat := base + "/v1/chat/completions"
	_, a := ask(t, chat, "{"+france+"}")
	if got := a.Choices[0].Message.Content; got != "The capital of France is Paris." {
		t.Errorf("plain: %q", got)
	}
	var text strings.Builder
	for _, c := range stream(t, chat, `{`+france+`,"stream":true}`) {
		text.WriteString(c.Choices[0].Delta.Content)
	}
	if text.String() != " Paris." {
		t.Errorf("streamed: %q", text.String())
	}
	if a.Usage.CompletionTokens != 3 {
		t.Errorf("only new tokens are counted: %+v", a.Usage)
	}
}

func TestRealCompletions(t *testing.T) {
	base, _ := enginetest.Start(t)
	body := `"prompt":"The capital of France is","max_tokens":3,"temperature":0`
	_, a := ask(t, base+"/v1/completions", "{"+body+"}")
	if !strings.HasPrefix(a.Choices[0].Text, " Paris") {
		t.Errorf("got %+v", a)
	}
	chunks := stream(t, base+"/v1/completions", "{"+body+`,"stream":true}`)
	if last := chunks[len(chunks)-1]; last.Usage == nil || len(last.Choices) != 1 {
		t.Errorf("usage comes unasked, on the last chunk with a choice: %+v", last)
	}
	// Several prompts are answered one choice each; the usage is the first one's,
	// and a stream has null between the answers, and a usage for each.
	prompts := `"prompt":["a b c","The capital of France is"],"max_tokens":2,"temperature":0`
	if _, a = ask(t, base+"/v1/completions", "{"+prompts+"}"); len(a.Choices) != 2 || a.Usage.PromptTokens != 3 || a.Usage.CompletionTokens != 2 {
		t.Errorf("several prompts: %+v", a)
	}
	var usages int
	for _, c := range stream(t, base+"/v1/completions", "{"+prompts+`,"stream":true}`) {
		if c.Usage != nil {
			usages++
		}
	}
	if usages != 2 {
		t.Errorf("a stream of two answers has %d usages", usages)
	}
	_, with := ask(t, base+"/v1/completions", "{"+body+`,"echo":true,"best_of":3}`)
	if !strings.HasPrefix(with.Choices[0].Text, " Paris") || len(with.Choices) != 1 {
		t.Errorf("echo or best_of are no longer ignored: %+v", with)
	}
	_, plain := ask(t, base+"/v1/completions", `{"prompt":"def f(a):","max_tokens":5,"temperature":0}`)
	_, suffix := ask(t, base+"/v1/completions", `{"prompt":"def f(a):","suffix":"return 2*a","max_tokens":5,"temperature":0}`)
	if plain.Choices[0].Text != suffix.Choices[0].Text {
		t.Errorf("suffix is no longer ignored: %q and %q", plain.Choices[0].Text, suffix.Choices[0].Text)
	}
	if status, a := ask(t, base+"/infill", `{"input_prefix":"a","input_suffix":"b","n_predict":2}`); status != 501 || a.Error.Type != "not_supported_error" {
		t.Errorf("infill: %d, %+v", status, a)
	}
}

func TestRealParameters(t *testing.T) {
	base, _ := enginetest.Start(t)
	chat := base + "/v1/chat/completions"
	person := `{"type":"json_schema","json_schema":{"name":"p","strict":true,"schema":{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}}}`
	_, a := ask(t, chat, `{"messages":[{"role":"user","content":"A person as JSON."}],"max_tokens":80,"temperature":0,"response_format":`+person+`}`)
	var p struct {
		Name *string
		Age  *int
	}
	if err := json.Unmarshal([]byte(a.Choices[0].Message.Content), &p); err != nil || p.Name == nil || p.Age == nil {
		t.Errorf("json_schema: %v in %q", err, a.Choices[0].Message.Content)
	}
	_, a = ask(t, chat, `{`+hello+`,"n":2}`)
	if len(a.Choices) != 2 || a.Usage.CompletionTokens != 8 {
		t.Errorf("n=2 gives two choices and counts the tokens of one: %+v", a)
	}
	ended, usages := 0, 0
	for _, c := range stream(t, chat, `{`+hello+`,"n":2,"stream":true,"stream_options":{"include_usage":true}}`) {
		if len(c.Choices) > 0 && c.Choices[0].FinishReason != "" {
			ended++
		}
		if c.Usage != nil {
			if usages++; usages != ended || c.Usage.CompletionTokens != 8 {
				t.Errorf("usage %d after %d choices: %+v", usages, ended, c.Usage)
			}
		}
	}
	if usages != 2 {
		t.Errorf("a stream of two choices has %d usages", usages)
	}
	_, a = ask(t, chat, `{`+hello+`,"logprobs":true,"top_logprobs":2}`)
	if a.Choices[0].Logprobs == nil || len(a.Choices[0].Logprobs.Content) != 8 {
		t.Errorf("logprobs: %+v", a)
	}
	_, a = ask(t, chat, `{"messages":[{"role":"user","content":"Weather in Paris?"}],"max_tokens":12,"temperature":0,"tool_choice":"required","tools":[{"type":"function","function":{"name":"w","parameters":{"type":"object","properties":{}}}}]}`)
	if a.Choices[0].FinishReason == "tool_calls" || a.Choices[0].Message.Content == "" {
		t.Errorf("tool_choice required is no longer ignored: %+v", a)
	}
}

func TestRealRefusals(t *testing.T) {
	base, _ := enginetest.Start(t)
	chat := base + "/v1/chat/completions"
	long := `{"messages":[{"role":"user","content":"` + strings.Repeat("word ", enginetest.Context+100) + `"}]}`
	for _, tt := range []struct {
		name, url, body, kind string
		status                int
	}{
		{"too long", chat, long, "exceed_context_size_error", 400},
		{"no messages", chat, `{}`, "invalid_request_error", 400},
		{"bad JSON", chat, `{bad`, "invalid_request_error", 400},
		{"image", chat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`, "server_error", 500},
		{"audio", chat, `{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}`, "server_error", 500},
		{"document", chat, `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}}]}]}`, "invalid_request_error", 400},
		{"server tool", chat, `{` + hello + `,"tools":[{"type":"web_search"}]}`, "server_error", 500},
		{"message", chat, `{"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "server_error", 500},
		{"choices", chat, `{` + hello + `,"n":9}`, "invalid_request_error", 400},
		{"embeddings", base + "/v1/embeddings", `{"input":"a"}`, "not_supported_error", 501},
		{"no such path", base + "/nope", `{}`, "not_found_error", 404},
	} {
		status, a := ask(t, tt.url, tt.body)
		if status != tt.status || a.Error == nil || a.Error.Type != tt.kind {
			t.Errorf("%s: %d, %+v", tt.name, status, a.Error)
		}
	}
}

// No web page in a browser of this machine may use the engine.
func TestRealEngineRefusesOtherOrigins(t *testing.T) {
	base, _ := enginetest.Start(t)
	for _, method := range []string{http.MethodOptions, http.MethodGet} {
		req, err := http.NewRequestWithContext(t.Context(), method, base+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "http://evil.example")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", method, got)
		}
	}
}

// busy counts the slots at work.
func busy(t *testing.T, base string) int {
	t.Helper()
	res, err := client.Get(base + "/slots")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var slots []struct {
		Busy bool `json:"is_processing"`
	}
	if err := json.NewDecoder(res.Body).Decode(&slots); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range slots {
		if s.Busy {
			n++
		}
	}
	return n
}

// A stream whose reader leaves is given up at once. (A plain request, and a
// prompt, are computed to their end: docs/engine.md.)
func TestRealStreamIsCancelled(t *testing.T) {
	base, _ := enginetest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := `{"messages":[{"role":"user","content":"A long story."}],"max_tokens":1500,"stream":true,"ignore_eos":true}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for range 6 { // the role and some text
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if busy(t, base) != 1 {
		t.Error("no slot is at work")
	}
	cancel()
	began := time.Now()
	eventually(t, "the slot is free", func() bool { return busy(t, base) == 0 })
	t.Logf("free after %v", time.Since(began))
}

func TestRealEmbeddings(t *testing.T) {
	enginetest.Start(t) // skips where the engine cannot be installed
	m := manager(t, func(o *engine.Options) { o.Installer = &engine.Installer{Dir: enginetest.CacheDir(t)} })
	s := enginetest.Spec()
	s.Name, s.Embedding, s.Context, s.Parallel = "embedder", true, 256, 1
	p := ready(t, m, s)
	_, a := ask(t, p.BaseURL()+"/v1/embeddings", `{"input":["a cat","a kitten","bookkeeping rules"]}`)
	if len(a.Data) != 3 || len(a.Data[0].Embedding) != 576 {
		t.Fatalf("got %d vectors", len(a.Data))
	}
	dot := func(i, j int) (sum float64) {
		for k, v := range a.Data[i].Embedding {
			sum += v * a.Data[j].Embedding[k]
		}
		return sum
	}
	if one := dot(0, 0); one < 0.999 || one > 1.001 {
		t.Errorf("the vectors are not of length one: %v", one)
	}
	if dot(0, 1) <= dot(0, 2) {
		t.Errorf("cat and kitten %v, cat and bookkeeping %v", dot(0, 1), dot(0, 2))
	}
	if _, a := ask(t, p.BaseURL()+"/v1/embeddings", `{"input":"a cat","dimensions":8}`); len(a.Data[0].Embedding) != 576 {
		t.Errorf("dimensions is no longer ignored: %d numbers", len(a.Data[0].Embedding))
	}
	status, a := ask(t, p.BaseURL()+"/v1/embeddings", `{"input":"`+strings.Repeat("word ", 300)+`"}`)
	if status != 500 || !strings.Contains(a.Error.Message, "too large") {
		t.Errorf("too long: %d, %+v", status, a.Error)
	}
}

// kill -9 of freehold while the real engine loads, and while it answers.
func TestRealEngineDiesWithItsOwner(t *testing.T) {
	enginetest.Start(t)
	for _, until := range []engine.State{engine.Loading, engine.Ready} {
		cmd, w := startOwner(t, enginetest.CacheDir(t), enginetest.Spec(), until)
		if len(living(t, w.PID)) == 0 {
			t.Fatalf("%s: no engine: %+v", until, w)
		}
		if until == engine.Ready {
			go func() {
				res, err := client.Post(w.BaseURL+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"A story."}],"max_tokens":1500,"ignore_eos":true}`))
				if err == nil {
					res.Body.Close()
				}
			}()
			eventually(t, "it is at work", func() bool { return busy(t, w.BaseURL) == 1 })
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the engine is gone", func() bool { return len(living(t, w.PID)) == 0 })
	}
}

func TestRealEngineCrashRestarts(t *testing.T) {
	enginetest.Start(t)
	m := manager(t, func(o *engine.Options) { o.Installer = &engine.Installer{Dir: enginetest.CacheDir(t)} })
	p := ready(t, m, enginetest.Spec())
	st := p.Status()
	if err := syscall.Kill(-st.PID, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it serves again", func() bool { return p.Status().Restarts == 1 && p.Ready() })
	if p.BaseURL() != st.BaseURL {
		t.Errorf("the address changed from %s to %s", st.BaseURL, p.BaseURL())
	}
	if left := living(t, st.PID); len(left) > 0 {
		t.Errorf("still alive: %q", left)
	}
}

// Weights that look whole from their head and are not: one clear error with the
// engine's own words.
func TestRealEngineRefusesWeights(t *testing.T) {
	enginetest.Start(t)
	in := &engine.Installer{Dir: enginetest.CacheDir(t)}
	w, err := in.Weights(t.Context(), engine.DefaultSource, func(engine.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.Open(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	cut := filepath.Join(t.TempDir(), "cut.gguf")
	f, err := os.Create(cut)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, whole, 8<<20); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	m := manager(t, func(o *engine.Options) { o.Installer = in })
	p, err := m.Acquire(engine.Spec{Name: "cut", Source: cut})
	if err != nil {
		t.Fatal(err)
	}
	err = p.WaitReady(t.Context())
	e, ok := errors.AsType[*engine.Error](err)
	if !ok || e.Kind != engine.Exited || !strings.Contains(e.Error(), "model is corrupted or incomplete") {
		t.Errorf("got %v", err)
	}
}

func TestRealExtraArguments(t *testing.T) {
	enginetest.Start(t)
	m := manager(t, func(o *engine.Options) { o.Installer = &engine.Installer{Dir: enginetest.CacheDir(t)} })
	s := enginetest.Spec()
	s.ExtraArgs = []string{"--endpoint-slots=false", "--sampling.temp=0.1"}
	p := ready(t, m, s)
	if status, _ := ask(t, p.BaseURL()+"/nope", ""); status != 404 {
		t.Errorf("status %d", status)
	}
	res, err := client.Get(p.BaseURL() + "/slots")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 501 {
		t.Errorf("slots: status %d", res.StatusCode)
	}
	s.ExtraArgs = []string{"--no-such-thing=1"}
	p, err = m.Acquire(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context()); !errors.Is(err, engine.Exited) || !strings.Contains(err.Error(), "no parameter no_such_thing") {
		t.Errorf("got %v", err)
	}
	s.ExtraArgs = []string{"-x"}
	p, err = m.Acquire(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context()); !errors.Is(err, engine.BadSpec) {
		t.Errorf("got %v", err)
	}
}

// The engine takes whatever comes and answers all of it, slots or not.
func TestRealQueue(t *testing.T) {
	base, _ := enginetest.Start(t)
	var wg sync.WaitGroup
	for range 4 * enginetest.Slots {
		wg.Go(func() {
			res, err := client.Post(base+"/v1/chat/completions", "application/json", strings.NewReader("{"+hello+"}"))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
	wg.Wait()
}
