package sdk

import (
	"fmt"
	"strings"
	"testing"

	"freehold/internal/engine/enginetest"
)

// TestEngine runs what a small real model can do, through every SDK.
func TestEngine(t *testing.T) {
	url, model := enginetest.Start(t)
	w := &world{provider: "openai"}
	w.serve(t, fmt.Sprintf(`
server: {listen: "127.0.0.1:0", auth: keys}
timeouts: {first_token: 2m, idle: 2m, total: 5m}
providers: {local: {preset: llama.cpp, base_url: %s/v1, max_concurrency: %d, queue: 16}}
models: {smollm2: {provider: local, id: %s, openness: open}}
workloads: {real: {model: smollm2, aliases: [gpt-4o-mini]}}
`, url, enginetest.Slots, model), "")
	for _, language := range []string{"go", "python"} {
		t.Run(language, func(t *testing.T) {
			var oa, an caller = goOpenAI{w}, goAnthropic{w}
			if language == "python" {
				oa, an = startPython(t, "openai", w), startPython(t, "anthropic", w)
			}
			t.Run("openai", func(t *testing.T) { engineOpenAI(t, oa) })
			t.Run("anthropic", func(t *testing.T) { engineAnthropic(t, an) })
		})
	}
}

func engineOpenAI(t *testing.T, by caller) {
	p := object{"model": "gpt-4o-mini", "temperature": 0, "seed": 1, "max_tokens": 16, "messages": list{user("Say hello to the world.")}}
	plain := by.do(t, step{Op: "chat", Params: p})
	if plain.Error != nil || len(plain.Choices) != 1 || strings.TrimSpace(plain.Choices[0].Text) == "" {
		t.Fatalf("plain: %s", shown(plain))
	}
	if u := plain.Usage; u == nil || u.In == 0 || u.Out == 0 || u.Out > 16 || plain.Model != "gpt-4o-mini" {
		t.Errorf("usage %+v, model %q", u, plain.Model)
	}
	p["stream_options"] = object{"include_usage": true}
	stream := by.do(t, step{Op: "chat_stream", Params: p})
	if stream.Error != nil || len(stream.Choices) != 1 || len(stream.Odd) > 0 {
		t.Fatalf("stream: %s", shown(stream))
	}
	if got, want := stream.Choices[0], plain.Choices[0]; got.Text != want.Text || got.Finish != want.Finish {
		t.Errorf("the stream says %+v, the plain answer %+v", got, want)
	}
	if stream.Usage == nil || stream.Usage.Out != plain.Usage.Out {
		t.Errorf("usage of the stream %+v, of the plain answer %+v", stream.Usage, plain.Usage)
	}
	p["n"], p["max_tokens"] = 2, 5
	if o := by.do(t, step{Op: "chat_stream", Params: p}); o.Error != nil || len(o.Choices) != 2 || len(o.Odd) > 0 || o.Usage == nil || o.Usage.Out != 10 {
		t.Errorf("two choices: %s", shown(o))
	}
	delete(p, "n")
	delete(p, "stream_options")
	prompts := object{"model": "gpt-4o-mini", "temperature": 0, "max_tokens": 2, "prompt": list{"a b c", "The capital of France is"}}
	for _, op := range []string{"completion", "completion_stream"} {
		o := by.do(t, step{Op: op, Params: prompts})
		if o.Error != nil || len(o.Choices) != 2 || !strings.HasPrefix(o.Choices[1].Text, " Paris") || len(o.Odd) > 0 {
			t.Errorf("two prompts, %s: %s", op, shown(o))
		}
	}
	if o := by.do(t, step{Op: "completion", Params: object{"model": "gpt-4o-mini", "prompt": "a", "echo": true}}); o.Error == nil || o.Error.Status != 400 || o.Error.Param != "echo" {
		t.Errorf("echo: %s", shown(o))
	}
	p["response_format"] = object{"type": "json_schema", "json_schema": object{"name": "person", "strict": true, "schema": person}}
	p["max_tokens"] = 60
	c := &cell{T: t}
	if o := by.do(t, step{Op: "chat", Params: p}); o.Error != nil {
		t.Errorf("structured: %+v", *o.Error)
	} else if o.Choices[0].Finish == "stop" { // a small model may talk past its limit
		c.obeys(o.Choices[0].Text)
	}
}

func engineAnthropic(t *testing.T, by caller) {
	p := object{"model": "real", "temperature": 0, "max_tokens": 16, "messages": list{user("Say hello to the world.")}}
	plain := by.do(t, step{Op: "messages", Params: p})
	if plain.Error != nil || len(plain.Blocks) != 1 || strings.TrimSpace(plain.Blocks[0].Text) == "" {
		t.Fatalf("plain: %s", shown(plain))
	}
	if plain.Stop != "max_tokens" && plain.Stop != "end_turn" || plain.Usage.In == 0 || plain.Usage.Out == 0 {
		t.Errorf("stop %q, usage %+v", plain.Stop, plain.Usage)
	}
	stream := by.do(t, step{Op: "messages_stream", Params: p})
	if stream.Error != nil || len(stream.Blocks) != 1 || stream.Blocks[0].Text != plain.Blocks[0].Text || stream.Stop != plain.Stop {
		t.Errorf("the stream says %s, the plain answer %s", shown(stream), shown(plain))
	}
	if count := by.do(t, step{Op: "count_tokens", Params: object{"model": "real", "messages": list{user("Say hello to the world.")}}}); count.Error != nil || count.Tokens != plain.Usage.In+plain.Usage.Cached {
		t.Errorf("count_tokens: %s", shown(count))
	}
}
