package mock_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"freehold/internal/mock"
)

type object = map[string]any

func message(role string, content any) object { return object{"role": role, "content": content} }

// post sends a body to the server without a network.
func post(s http.Handler, path string, body object, headers ...string) *httptest.ResponseRecorder {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("POST", path, bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// say is the text of the answer to messages on either dialect.
func say(t interface{ Fatalf(string, ...any) }, s http.Handler, path string, messages []object, extra object) string {
	body := object{"model": "some-model", "messages": messages}
	if path == "/v1/messages" {
		body["max_tokens"] = 4000
	}
	for k, v := range extra {
		body[k] = v
	}
	w := post(s, path, body)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	var r struct {
		Choices []struct{ Message struct{ Content string } }
		Content []struct{ Text string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if len(r.Choices) > 0 {
		return r.Choices[0].Message.Content
	}
	if len(r.Content) > 0 {
		return r.Content[0].Text
	}
	return ""
}

// cut takes the beginning of text at a random place, as a gateway has it
// after a cut; what it sends on never ends with white space.
func cut(t *rapid.T, text, label string) (prefix, space, rest string) {
	n := rapid.IntRange(0, len(text)).Draw(t, label)
	for n < len(text) && !utf8.RuneStart(text[n]) {
		n++
	}
	prefix = strings.TrimRight(text[:n], " \n")
	return prefix, text[len(prefix):n], text[n:]
}

var questions = rapid.SampledFrom([]string{"What is it?", "mock: json\nFill.", "mock: say One two  three\\nfour {\"a\": [1, true]} five.", "mock: length 70\nTell me more.", "Ω?"})

// TestContinuation demands that a cut and what follows are the uncut text:
// for each way of continuing, for several cuts in a row, and when the client
// itself has begun the answer.
func TestContinuation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		conversation := []object{message("user", questions.Draw(t, "question"))}
		server := func(o mock.Options) *mock.Server { o.Seed = seed; return mock.New(o) }
		type way struct {
			name, path string
			s          *mock.Server
			extra      object
			shape      func(prefix string) []object
			echo       bool
		}
		last := func(p string) []object { return []object{message("assistant", p)} }
		ask := func(p string) []object {
			return []object{message("assistant", p), message("user", "You were cut off. Continue exactly where you stopped.")}
		}
		ways := []way{
			{"anthropic prefill", "/v1/messages", server(mock.Options{Profile: mock.Anthropic}), nil, last, false},
			{"anthropic instruct", "/v1/messages", server(mock.Options{}), nil, ask, false},
			{"openai instruct", "/v1/chat/completions", server(mock.Options{Profile: mock.OpenAI}), nil, ask, false},
			{"llama.cpp echo", "/v1/chat/completions", server(mock.Options{Profile: mock.LlamaCpp}), nil, last, true},
			{"ollama prefill", "/v1/chat/completions", server(mock.Options{Profile: mock.Ollama}), nil, last, false},
			{"mistral prefix", "/v1/chat/completions", server(mock.Options{Profile: mock.Mistral}), nil,
				func(p string) []object { m := message("assistant", p); m["prefix"] = true; return []object{m} }, true},
			{"vllm", "/v1/chat/completions", server(mock.Options{Profile: mock.VLLM}), object{"continue_final_message": true, "add_generation_prompt": false}, last, false},
		}
		begun := rapid.SampledFrom([]string{"", "", "The quick brown", "Begun in the mid"}).Draw(t, "begun")
		whole := say(t, ways[0].s, ways[0].path, conversation, nil)
		if begun != "" {
			whole = begun + say(t, ways[0].s, ways[0].path, append(conversation, last(begun)...), nil)
		}
		for round := range 2 { // a continuation is cut again
			prefix, space, rest := cut(t, whole[len(begun):], "cut")
			prefix = begun + prefix
			if prefix == "" {
				continue
			}
			w := rapid.SampledFrom(ways).Draw(t, "way")
			got := say(t, w.s, w.path, append(conversation, w.shape(prefix)...), w.extra)
			if w.echo {
				var ok bool
				if got, ok = strings.CutPrefix(got, prefix); !ok {
					t.Fatalf("%s: the prefix %q is not repeated: %q", w.name, prefix, got)
				}
			}
			if got != space+rest {
				t.Fatalf("%s, round %d:\nprefix %q\nwant   %q\ngot    %q", w.name, round, prefix, space+rest, got)
			}
		}
	})
}

func TestLegacyContinuation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := mock.New(mock.Options{Seed: rapid.Uint64().Draw(t, "seed")})
		complete := func(prompt string) string {
			w := post(s, "/v1/completions", object{"model": "m", "prompt": prompt, "max_tokens": 2000})
			var r struct{ Choices []struct{ Text string } }
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || len(r.Choices) != 1 {
				t.Fatalf("%s", w.Body)
			}
			return r.Choices[0].Text
		}
		prompt := rapid.SampledFrom([]string{"Once upon a time", "def f(x):\n    ", "one", "日本 の"}).Draw(t, "prompt")
		whole := complete(prompt)
		n := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		for n < len(whole) && !utf8.RuneStart(whole[n]) {
			n++
		}
		if got := complete(prompt + whole[:n]); got != whole[n:] {
			t.Fatalf("prompt %q + %q\nwant %q\ngot  %q", prompt, whole[:n], whole[n:], got)
		}
	})
}

// TestNoContinuation: who does not continue answers anew.
func TestNoContinuation(t *testing.T) {
	q := message("user", "What is it?")
	plain := mock.New(mock.Options{Profile: mock.OpenAI, Forgetful: true})
	whole := say(t, plain, "/v1/chat/completions", []object{q}, nil)
	for _, tail := range [][]object{{message("assistant", whole[:20])}, {message("assistant", whole[:20]), message("user", "Continue exactly.")}} {
		if got := say(t, plain, "/v1/chat/completions", append([]object{q}, tail...), nil); strings.HasPrefix(whole[20:], got) || got == "" {
			t.Errorf("continued: %q", got)
		}
	}
	vllm := mock.New(mock.Options{Profile: mock.VLLM})
	if got := say(t, vllm, "/v1/chat/completions", []object{q, message("assistant", whole[:20])}, nil); got == whole[20:] {
		t.Error("vllm continues unasked")
	}
}

// TestContinuedJSON: JSON of which the schema is not given is closed.
func TestContinuedJSON(t *testing.T) {
	s := mock.New(mock.Options{})
	whole := `{"name":"a \"b\" \u00e9\n","list":[1,-2.5,true,null,{"x":[]}],"e":false}`
	for n := 1; n <= len(whole); n++ {
		prefix := whole[:n]
		got := say(t, s, "/v1/chat/completions", []object{message("user", "Fill."), message("assistant", prefix)}, nil)
		if !json.Valid([]byte(prefix + got)) {
			t.Errorf("%q + %q is no JSON", prefix, got)
		}
	}
}
