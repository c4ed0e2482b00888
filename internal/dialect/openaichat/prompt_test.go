package openaichat_test

import (
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/llm"
)

func TestPrompt(t *testing.T) {
	for body, want := range map[string]dialect.Prompt{
		`{"model":"m","messages":[{"role":"user","content":"Hi"}]}`: {User: "Hi"},
		`{"model":"m","messages":[{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"one"},{"role":"assistant","content":"two"},
			{"role":"user","content":[{"type":"text","text":"a\nb"},{"type":"image_url","image_url":{"url":"data:,"}},{"type":"text","text":"c"}]},
			{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}]}`: {System: `Be "brief".`, User: "a\nb\nc"},
		`{"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"D"}]},{"role":"system","content":"S"},{"role":"assistant","content":"x"}]}`: {System: "D\nS"},
	} {
		b, err := openaichat.Codec{}.Read(llm.Chat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := (openaichat.Codec{}).Prompt(b); got != want {
			t.Errorf("%s:\n%+v, want\n%+v", body, got, want)
		}
	}
	for op, body := range map[llm.Operation]string{
		llm.Completion: `{"model":"m","prompt":["first","second"]}`, llm.Embedding: `{"model":"m","input":"first"}`,
	} {
		b, err := openaichat.Codec{}.Read(op, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := (openaichat.Codec{}).Prompt(b); got.User != "first" {
			t.Errorf("%s: %+v", op, got)
		}
	}
}

func TestTurns(t *testing.T) {
	b, err := openaichat.Codec{}.Read(llm.Chat, []byte(`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"1"},
		{"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"2"}]}]}`))
	if err != nil || b.Facts.Turns != 2 {
		t.Errorf("%d turns, %v", b.Facts.Turns, err)
	}
}
