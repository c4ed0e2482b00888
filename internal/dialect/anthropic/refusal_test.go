package anthropic_test

import (
	"bytes"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/llm"
)

// A refusal is shown as text, and told by the stop reason, also where the
// provider's dialect ends it like any answer.
func TestRefusal(t *testing.T) {
	for finish, wire := range map[llm.FinishReason]string{
		llm.FinishRefusal: "refusal", llm.FinishContentFilter: "refusal", llm.FinishStop: "refusal",
		llm.FinishLength: "max_tokens", llm.FinishToolCalls: "tool_use",
	} {
		m := sdkMessage(t, encodeAll(t, dialect.View{}, nil,
			llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartRefusal}, llm.Event{Kind: llm.EventDelta, Text: "I cannot."},
			llm.Event{Kind: llm.EventFinish, Finish: finish}))
		if len(m.Content) != 1 || m.Content[0].Type != "text" || m.Content[0].Text != "I cannot." || string(m.StopReason) != wire {
			t.Errorf("a streamed refusal that ends with %s: %+v", finish, m)
		}
		body, err := anthropic.Codec{}.EncodeReply(&llm.Response{ID: "msg_1", Choices: []llm.Choice{{Finish: finish,
			Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "I cannot."}}}}}, llm.Chat, dialect.View{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(body, []byte(`"content":[{"type":"text","text":"I cannot."}],"stop_reason":"`+wire+`"`)) {
			t.Errorf("a whole refusal that ends with %s: %s", finish, body)
		}
	}
	t.Run("from OpenAI", func(t *testing.T) {
		const whole = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"I cannot."},"finish_reason":"stop"}]}`
		body := crossReply(t, openaichat.Codec{}, anthropic.Codec{}, whole)
		if !bytes.Contains(body, []byte(`"content":[{"type":"text","text":"I cannot."}],"stop_reason":"refusal"`)) {
			t.Errorf("whole: %s", body)
		}
		chunk := func(delta, finish string) string {
			return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + "}]}\n\n"
		}
		m := sdkMessage(t, crossStream(t, openaichat.Codec{}, anthropic.Codec{}, chunk(`{"role":"assistant","content":"","refusal":null}`, "null")+
			chunk(`{"refusal":"I can"}`, "null")+chunk(`{"refusal":"not."}`, "null")+chunk(`{}`, `"stop"`)+"data: [DONE]\n\n"))
		if len(m.Content) != 1 || m.Content[0].Text != "I cannot." || m.StopReason != "refusal" {
			t.Errorf("streamed: %+v", m)
		}
	})
}
