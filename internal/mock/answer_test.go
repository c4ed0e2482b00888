package mock_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"freehold/internal/mock"
)

// TestSchemas: an answer satisfies its schema, whatever the conversation.
func TestSchemas(t *testing.T) {
	for _, schema := range []string{
		`{"type":"object","properties":{"a":{"type":"string","minLength":30},"b":{"type":["integer","null"],"minimum":-3,"maximum":-1},"c":{"type":"boolean"}},"required":["a","b"],"additionalProperties":false}`,
		`{"type":"array","items":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1},"minItems":3,"maxItems":4}`,
		`{"type":"object","properties":{"n":{"type":"integer","multipleOf":7,"minimum":10},"when":{"type":"string","format":"date-time"}},"required":["n","when"]}`,
		`{"anyOf":[{"type":"object","properties":{"k":{"const":"x"}},"required":["k"]},{"enum":[1,"two",null]}]}`,
		`{"type":"object","properties":{"tree":{"$ref":"#/$defs/node"}},"required":["tree"],"$defs":{"node":{"type":"object","properties":{"v":{"type":"string","maxLength":5},"next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/node"}]}},"required":["v","next"],"additionalProperties":false}}}`,
		`{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"integer"}},"required":["b"]}]}`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("mem:x", doc); err != nil {
			t.Fatal(err)
		}
		want, err := c.Compile("mem:x")
		if err != nil {
			t.Fatal(err)
		}
		s := mock.New(mock.Options{})
		for i := range 40 {
			text := say(t, s, chatPath, []object{message("user", fmt.Sprintf("Number %d", i))},
				object{"response_format": object{"type": "json_schema", "json_schema": object{"name": "x", "schema": json.RawMessage(schema)}}})
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if err := want.Validate(v); err != nil {
				t.Errorf("%s\n%s: %v", schema, text, err)
			}
		}
	}
}

// TestEndings: limits, stop sequences, refusals and the like, in both dialects.
func TestEndings(t *testing.T) {
	tool := []object{{"type": "function", "function": object{"name": "f", "parameters": object{"type": "object", "properties": object{"a": object{"type": "string"}}, "required": []string{"a"}}}}}
	own := []object{{"name": "f", "input_schema": tool[0]["function"].(object)["parameters"]}}
	tests := []struct {
		name, ask               string
		openai, anthropic       object
		finish, stop            string
		text                    string
		completion, promptCache int // tokens; 0 for whatever
	}{
		{name: "limit", ask: "mock: say one two three four", openai: object{"max_tokens": 3}, anthropic: object{"max_tokens": 3}, finish: "length", stop: "max_tokens", text: "one two three", completion: 3},
		{name: "stop", ask: "mock: say one two three four", openai: object{"stop": []string{"four", "three"}}, anthropic: object{"stop_sequences": []string{"four", "three"}}, finish: "stop", stop: "stop_sequence", text: "one two "},
		{name: "empty", ask: "mock: empty", finish: "stop", stop: "end_turn"},
		{name: "filter", ask: "mock: filter\nmock: say one two three four", finish: "content_filter", stop: "refusal", text: "one two"},
		{name: "pause", ask: "mock: pause\nmock: say one", finish: "stop", stop: "pause_turn", text: "one"},
		{name: "echo", ask: "mock: echo\nsay that again", finish: "stop", stop: "end_turn", text: "say that again"},
		{name: "cached", ask: "mock: cached 4\nmock: say x", finish: "stop", stop: "end_turn", text: "x", promptCache: 4},
		{name: "forced tool", ask: "go", openai: object{"tools": tool, "tool_choice": "required"}, anthropic: object{"tools": own, "tool_choice": object{"type": "any"}}, finish: "tool_calls", stop: "tool_use"},
		{name: "one tool at a time", ask: "mock: tools f {\"a\":\"1\"} f {\"a\":\"2\"}", openai: object{"tools": tool, "parallel_tool_calls": false},
			anthropic: object{"tools": own, "tool_choice": object{"type": "auto", "disable_parallel_tool_use": true}}, finish: "tool_calls", stop: "tool_use"},
	}
	s := mock.New(mock.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := object{"model": "m", "messages": []object{message("user", tt.ask)}}
			for k, v := range tt.openai {
				body[k] = v
			}
			w := post(s, chatPath, body)
			var r struct {
				Choices []struct {
					Message struct {
						Content   string
						ToolCalls []any `json:"tool_calls"`
					}
					FinishReason string `json:"finish_reason"`
				}
				Usage struct {
					Completion int `json:"completion_tokens"`
					Prompt     int `json:"prompt_tokens"`
					Details    struct {
						Cached int `json:"cached_tokens"`
					} `json:"prompt_tokens_details"`
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || len(r.Choices) != 1 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			c := r.Choices[0]
			if c.FinishReason != tt.finish || c.Message.Content != tt.text || tt.completion > 0 && r.Usage.Completion != tt.completion || r.Usage.Details.Cached != tt.promptCache {
				t.Errorf("%s", w.Body)
			}
			body = object{"model": "m", "max_tokens": 100, "messages": []object{message("user", tt.ask)}}
			for k, v := range tt.anthropic {
				body[k] = v
			}
			w = post(s, messagesPath, body)
			var m struct {
				Content []struct{ Type, Text string }
				Reason  string `json:"stop_reason"`
				Usage   struct {
					Input  int `json:"input_tokens"`
					Cached int `json:"cache_read_input_tokens"`
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			text, calls := "", 0
			for _, b := range m.Content {
				text += b.Text
				if b.Type == "tool_use" {
					calls++
				}
			}
			if m.Reason != tt.stop || text != tt.text || calls != len(c.Message.ToolCalls) || m.Usage.Cached != tt.promptCache || m.Usage.Input+m.Usage.Cached < 4 {
				t.Errorf("%s", w.Body)
			}
			if tt.finish == "tool_calls" && calls != 1 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

// TestRefusal: OpenAI refuses in a member of its own, Anthropic by its stop reason.
func TestRefusal(t *testing.T) {
	s := mock.New(mock.Options{})
	w := post(s, chatPath, object{"model": "m", "messages": []object{message("user", "mock: refuse")}})
	if b := w.Body.String(); !strings.Contains(b, `"content":null`) || !strings.Contains(b, `"refusal":"I am sorry`) {
		t.Error(b)
	}
	w = post(s, messagesPath, object{"model": "m", "max_tokens": 99, "messages": []object{message("user", "mock: refuse")}})
	if b := w.Body.String(); !strings.Contains(b, `"stop_reason":"refusal"`) {
		t.Error(b)
	}
}

// TestConversationKey: what counts for the text and what does not.
func TestConversationKey(t *testing.T) {
	s := mock.New(mock.Options{})
	same := say(t, s, chatPath, []object{message("system", "Be kind."), message("user", "Hello  you")}, nil)
	image := object{"type": "image_url", "image_url": object{"url": "data:image/png;base64,iVBORw0KGgo="}}
	if got := say(t, s, chatPath, []object{message("developer", "Be kind."), message("user", []object{{"type": "text", "text": "Hello"}, {"type": "text", "text": "you"}})},
		object{"model": "other", "temperature": 0.3, "seed": 5}); got != same {
		t.Errorf("model, parameters or cutting changed the text: %q, %q", same, got)
	}
	seen := say(t, s, chatPath, []object{message("system", "Be kind."), message("user", []object{{"type": "text", "text": "Hello you"}, image})}, nil)
	if seen == same {
		t.Error("an image changes nothing")
	}
	claude := say(t, s, messagesPath, []object{message("user", []object{{"type": "text", "text": "Hello you"}, {"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}})}, object{"system": "Be kind."})
	if claude != seen {
		t.Errorf("the same image in the other dialect: %q, %q", seen, claude)
	}
	if other := say(t, mock.New(mock.Options{Seed: 1}), chatPath, []object{message("system", "Be kind."), message("user", "Hello you")}, nil); other == same {
		t.Error("the seed changes nothing")
	}
}
