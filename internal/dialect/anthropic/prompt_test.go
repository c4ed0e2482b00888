package anthropic_test

import (
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/llm"
)

func TestPrompt(t *testing.T) {
	for body, want := range map[string]struct {
		dialect.Prompt
		turns int
	}{
		`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}`: {dialect.Prompt{User: "Hi"}, 1},
		`{"model":"m","max_tokens":1,"system":[{"type":"text","text":"Be"},{"type":"text","text":"brief"}],"messages":[{"role":"user","content":"one"},
			{"role":"assistant","content":"two"},{"role":"user","content":[{"type":"text","text":"a\nb"},
			{"type":"document","source":{"type":"text","media_type":"text/plain","data":"doc"}}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r"}]}]}`: {dialect.Prompt{System: "Be\nbrief", User: "a\nb\ndoc"}, 2},
		`{"model":"m","max_tokens":1,"system":"S","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"},{"type":"text","text":"and?"}]}]}`: {dialect.Prompt{System: "S", User: "and?"}, 1},
	} {
		b, err := anthropic.Codec{}.Read(llm.Chat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := (anthropic.Codec{}).Prompt(b); got != want.Prompt || b.Facts.Turns != want.turns {
			t.Errorf("%s:\n%+v in %d turns, want\n%+v", body, got, b.Facts.Turns, want)
		}
	}
}
