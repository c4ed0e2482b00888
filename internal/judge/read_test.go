package judge_test

import (
	"reflect"
	"testing"

	"freehold/internal/judge"
	"freehold/internal/llm"
)

func TestAnswerOf(t *testing.T) {
	of := func(finish llm.FinishReason, parts ...llm.Part) judge.Answer {
		return judge.AnswerOf(&llm.Response{Choices: []llm.Choice{{Finish: finish, Parts: parts}}})
	}
	for name, c := range map[string]struct{ got, want judge.Answer }{
		"nothing":   {judge.AnswerOf(nil), judge.Answer{Failure: "no choice in the answer"}},
		"no choice": {judge.AnswerOf(&llm.Response{}), judge.Answer{Failure: "no choice in the answer"}},
		"text": {of(llm.FinishStop, llm.Part{Kind: llm.PartThinking, Text: "hm"}, llm.Part{Kind: llm.PartText, Text: "a"}, llm.Part{Kind: llm.PartText, Text: "b"}),
			judge.Answer{Text: "ab"}},
		"calls":    {of(llm.FinishToolCalls, llm.Part{Kind: llm.PartToolCall, Name: "f", Arguments: "{}"}), judge.Answer{Tools: []judge.Call{{Name: "f", Arguments: "{}"}}}},
		"cut":      {of(llm.FinishLength, llm.Part{Kind: llm.PartText, Text: "a"}), judge.Answer{Text: "a", Truncated: true}},
		"refusal":  {of(llm.FinishStop, llm.Part{Kind: llm.PartRefusal, Text: "No."}), judge.Answer{Text: "No.", Refused: true}},
		"filtered": {of(llm.FinishContentFilter), judge.Answer{Refused: true}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
}

func TestConversation(t *testing.T) {
	got := judge.Conversation([]llm.Message{
		{Role: llm.System, Parts: []llm.Part{{Kind: llm.PartText, Text: "Be brief."}}},
		{Role: llm.User, Parts: []llm.Part{{Kind: llm.PartText, Text: "What is this?"}, {Kind: llm.PartImage}, {Kind: llm.PartAudio}, {Kind: llm.PartDocument, Name: "a.txt", Text: "x"}}},
		{Role: llm.Assistant, Parts: []llm.Part{{Kind: llm.PartThinking, Text: "hm"}, {Kind: llm.PartToolCall, Name: "f", Arguments: `{"a":1}`}}},
		{Role: llm.Tool, Parts: []llm.Part{{Kind: llm.PartToolResult, Result: []llm.Part{{Kind: llm.PartText, Text: "42"}}}}},
	})
	want := "system:\nBe brief.\n\nuser:\nWhat is this?\n[an image]\n[a sound]\n[a document a.txt]\nx\n\nassistant:\n[calls the tool f with {\"a\":1}]\n\ntool:\n[a tool's result]\n42"
	if got != want {
		t.Errorf("%s", got)
	}
}
