package mock_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"freehold/internal/leaktest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const testKey = "mock-key-1"

func openaiClient(s *mock.Server) *openai.Client {
	c := openai.NewClient(option.WithBaseURL(s.URL()+"/v1"), option.WithAPIKey(testKey), option.WithMaxRetries(0), option.WithHTTPClient(mocktest.Client()))
	return &c
}

func anthropicClient(s *mock.Server) *anthropic.Client {
	c := anthropic.NewClient(anthropicoption.WithBaseURL(s.URL()), anthropicoption.WithAPIKey(testKey), anthropicoption.WithMaxRetries(0), anthropicoption.WithHTTPClient(mocktest.Client()))
	return &c
}

func chatParams(messages ...openai.ChatCompletionMessageParamUnion) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "gpt-4o", Messages: messages}
}

// streamChat reads a chat stream whole.
func streamChat(t *testing.T, c *openai.Client, p openai.ChatCompletionNewParams) openai.ChatCompletionAccumulator {
	t.Helper()
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	var acc openai.ChatCompletionAccumulator
	st := c.Chat.Completions.NewStreaming(context.Background(), p)
	defer st.Close()
	for st.Next() {
		if !acc.AddChunk(st.Current()) {
			t.Fatalf("chunk refused: %s", st.Current().RawJSON())
		}
	}
	if err := st.Err(); err != nil {
		t.Fatal(err)
	}
	return acc
}

func streamMessage(t *testing.T, c *anthropic.Client, p anthropic.MessageNewParams) anthropic.Message {
	t.Helper()
	var m anthropic.Message
	st := c.Messages.NewStreaming(context.Background(), p)
	defer st.Close()
	for st.Next() {
		if err := m.Accumulate(st.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

func textOf(m *anthropic.Message) string {
	var b strings.Builder
	for _, c := range m.Content {
		if c.Type == "text" {
			b.WriteString(c.Text)
		}
	}
	return b.String()
}

func messageParams(blocks ...anthropic.ContentBlockParamUnion) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{Model: "claude-3-5-sonnet-20241022", MaxTokens: 2000, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(blocks...)}}
}

func TestSameTextEverywhere(t *testing.T) {
	for _, chunks := range []mock.Chunking{mock.ChunkWords, mock.ChunkRandom, mock.ChunkRunes, mock.ChunkWhole} {
		t.Run(string(chunks), func(t *testing.T) {
			a := mocktest.Start(t, mock.Options{Keys: []string{testKey}, Seed: 7, Chunking: chunks, SplitWrites: true})
			b := mocktest.Start(t, mock.Options{Keys: []string{testKey}, Seed: 7, CRLF: true})
			ctx := context.Background()
			p := chatParams(openai.SystemMessage("Be brief."), openai.UserMessage("What is the time?"))
			plain, err := openaiClient(a).Chat.Completions.New(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			streamed := streamChat(t, openaiClient(b), p)
			mp := messageParams(anthropic.NewTextBlock("What is the time?"))
			mp.System = []anthropic.TextBlockParam{{Text: "Be brief."}}
			message, err := anthropicClient(b).Messages.New(ctx, mp)
			if err != nil {
				t.Fatal(err)
			}
			streamedMessage := streamMessage(t, anthropicClient(a), mp)
			want := plain.Choices[0].Message.Content
			if len(strings.Fields(want)) < 24 {
				t.Fatalf("short answer %q", want)
			}
			for name, got := range map[string]string{"chat stream": streamed.Choices[0].Message.Content, "messages": textOf(message), "messages stream": textOf(&streamedMessage)} {
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s: -plain chat +got\n%s", name, d)
				}
			}
			if streamed.Usage.TotalTokens != plain.Usage.TotalTokens || plain.Usage.PromptTokens != message.Usage.InputTokens || message.Usage.OutputTokens != streamedMessage.Usage.OutputTokens {
				t.Errorf("usage differs: %+v %+v %+v %+v", plain.Usage, streamed.Usage, message.Usage, streamedMessage.Usage)
			}
			if message.StopReason != "end_turn" || plain.Choices[0].FinishReason != "stop" || streamed.Choices[0].FinishReason != "stop" {
				t.Error("finish")
			}
		})
	}
}

func TestToolRoundTrip(t *testing.T) {
	s := mocktest.Start(t, mock.Options{Keys: []string{testKey}})
	c := openaiClient(s)
	schema := shared.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}}
	p := chatParams(openai.UserMessage("mock: tools weather {\"city\":\"Zürich\"} weather {\"city\":\"東京\"} now"))
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "weather", Parameters: schema}),
		openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "now"})}
	plain, err := c.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	got := streamChat(t, c, p).Choices[0]
	calls := got.Message.ToolCalls
	if got.FinishReason != "tool_calls" || len(calls) != 3 || calls[1].Function.Arguments != `{"city":"東京"}` || calls[2].Function.Arguments != "{}" {
		t.Fatalf("calls %+v", got)
	}
	for i, call := range plain.Choices[0].Message.ToolCalls {
		if call.ID != calls[i].ID || call.Function.Arguments != calls[i].Function.Arguments {
			t.Errorf("call %d: plain %+v, stream %+v", i, call, calls[i])
		}
	}
	p.Messages = append(p.Messages, plain.Choices[0].Message.ToParam())
	for _, call := range calls {
		p.Messages = append(p.Messages, openai.ToolMessage("rain", call.ID))
	}
	if after := streamChat(t, c, p).Choices[0]; after.FinishReason != "stop" || after.Message.Content == "" {
		t.Errorf("after the results: %+v", after)
	}

	ac := anthropicClient(s)
	mp := messageParams(anthropic.NewTextBlock("mock: say Let me see.\nmock: tools weather {\"city\":\"Zürich\"} now"))
	mp.Tools = []anthropic.ToolUnionParam{
		{OfTool: &anthropic.ToolParam{Name: "weather", InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]any{"type": "string"}}}}},
		{OfTool: &anthropic.ToolParam{Name: "now", InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{}}}}}
	m := streamMessage(t, ac, mp)
	if m.StopReason != "tool_use" || len(m.Content) != 3 || m.Content[0].Text != "Let me see." || string(m.Content[1].Input) != `{"city":"Zürich"}` {
		t.Fatalf("%s", m.RawJSON())
	}
	mp.Messages = append(mp.Messages, m.ToParam(), anthropic.NewUserMessage(
		anthropic.NewToolResultBlock(m.Content[1].ID, "rain", false), anthropic.NewToolResultBlock(m.Content[2].ID, "noon", false)))
	if m := streamMessage(t, ac, mp); m.StopReason != "end_turn" {
		t.Errorf("after the results: %+v", m)
	}
}

func TestThinkingRoundTrip(t *testing.T) {
	s := mocktest.Start(t, mock.Options{})
	c := anthropicClient(s)
	p := messageParams(anthropic.NewTextBlock("mock: think 20\nWhy?"))
	p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	m := streamMessage(t, c, p)
	if len(m.Content) != 2 || len(strings.Fields(m.Content[0].Thinking)) != 20 || m.Content[0].Signature == "" {
		t.Fatalf("%+v", m.Content)
	}
	p.Messages = append(p.Messages, m.ToParam(), anthropic.NewUserMessage(anthropic.NewTextBlock("And?")))
	if _, err := c.Messages.New(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	p.Messages[1].Content[0].OfThinking.Thinking += "!"
	_, err := c.Messages.New(context.Background(), p)
	var e *anthropic.Error
	if !errors.As(err, &e) || !strings.Contains(e.RawJSON(), "Invalid `signature`") {
		t.Errorf("altered thinking: %v", err)
	}

	// The same on the OpenAI path: counted, and shown under reasoning_content.
	op := chatParams(openai.UserMessage("mock: think 20\nWhy?"))
	r, err := openaiClient(s).Chat.Completions.New(context.Background(), op)
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Reasoning string `json:"reasoning_content"`
	}
	if err := json.Unmarshal([]byte(r.Choices[0].Message.RawJSON()), &shown); err != nil {
		t.Fatal(err)
	}
	if r.Usage.CompletionTokensDetails.ReasoningTokens != 20 || shown.Reasoning != m.Content[0].Thinking || r.Choices[0].Message.Content != textOf(&m) {
		t.Errorf("%s", r.RawJSON())
	}
}

func TestLegacyAndEmbeddingsAndModels(t *testing.T) {
	s := mocktest.Start(t, mock.Options{Models: []string{"gpt-3.5-turbo-instruct", "text-embedding-3-small", "claude-3-5-sonnet-20241022"}})
	c, ctx := openaiClient(s), context.Background()
	p := openai.CompletionNewParams{Model: "gpt-3.5-turbo-instruct", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Once upon a")},
		MaxTokens: openai.Int(12), N: openai.Int(2), Logprobs: openai.Int(2), Suffix: openai.String("the end")}
	r, err := c.Completions.New(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Choices) != 2 || r.Choices[0].Text == r.Choices[1].Text || r.Usage.CompletionTokens == 0 || len(r.Choices[0].Logprobs.Tokens) == 0 {
		t.Errorf("%s", r.RawJSON())
	}
	texts := make([]string, 2)
	st := c.Completions.NewStreaming(ctx, p)
	for st.Next() {
		for _, ch := range st.Current().Choices {
			texts[ch.Index] += ch.Text
		}
	}
	if st.Err() != nil || texts[0] != r.Choices[0].Text || texts[1] != r.Choices[1].Text {
		t.Errorf("stream %q %v, plain %q", texts, st.Err(), r.Choices[0].Text)
	}

	embed := func(text string, dims int64) []float64 {
		e, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "text-embedding-3-small", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String(text)}, Dimensions: openai.Int(dims)})
		if err != nil {
			t.Fatal(err)
		}
		return e.Data[0].Embedding
	}
	dot := func(a, b []float64) float64 {
		var d float64
		for i := range a {
			d += a[i] * b[i]
		}
		return d
	}
	a, b, far := embed("red green boats", 64), embed("red green ships", 64), embed("quarterly tax report", 64)
	if len(a) != 64 || math.Abs(dot(a, a)-1) > 1e-5 {
		t.Errorf("not a unit vector of 64: %d, %v", len(a), dot(a, a))
	}
	if dot(a, b) <= dot(a, far) {
		t.Errorf("texts that share words are not nearer: %v, %v", dot(a, b), dot(a, far))
	}
	if d := cmp.Diff(a, embed("red green boats", 64)); d != "" {
		t.Error(d)
	}

	page, err := c.Models.List(ctx)
	if err != nil || len(page.Data) != 3 {
		t.Fatalf("%v %v", page, err)
	}
	if m, err := c.Models.Get(ctx, "text-embedding-3-small"); err != nil || m.OwnedBy == "" {
		t.Errorf("%v %v", m, err)
	}
	var oe *openai.Error
	if _, err := c.Models.Get(ctx, "nope"); !errors.As(err, &oe) || oe.StatusCode != 404 || oe.Code != "model_not_found" {
		t.Errorf("%v", err)
	}
	ac := anthropicClient(s)
	if l, err := ac.Models.List(ctx, anthropic.ModelListParams{}); err != nil || len(l.Data) != 3 || l.Data[0].DisplayName == "" {
		t.Errorf("%v %v", l, err)
	}
	n, err := ac.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: "claude-3-5-sonnet-20241022", Messages: messageParams(anthropic.NewTextBlock("one two three")).Messages})
	if err != nil || n.InputTokens != 6 {
		t.Errorf("%v %v", n, err)
	}
}

func TestStructuredOutputAndChoices(t *testing.T) {
	s := mocktest.Start(t, mock.Options{Profile: mock.OpenAI})
	c := openaiClient(s)
	schema := map[string]any{"type": "object", "additionalProperties": false, "required": []string{"n", "tags"},
		"properties": map[string]any{"n": map[string]any{"type": "integer", "minimum": 3, "maximum": 5}, "tags": map[string]any{"type": "array", "items": map[string]any{"enum": []string{"a", "b"}}}}}
	p := chatParams(openai.UserMessage("Fill this."))
	p.N = openai.Int(3)
	p.Logprobs, p.TopLogprobs = openai.Bool(true), openai.Int(2)
	p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "x", Schema: schema, Strict: openai.Bool(true)}}
	acc := streamChat(t, c, p)
	if len(acc.Choices) != 3 {
		t.Fatalf("%d choices", len(acc.Choices))
	}
	for _, ch := range acc.Choices {
		var v struct {
			N    int
			Tags []string
		}
		if err := json.Unmarshal([]byte(ch.Message.Content), &v); err != nil || v.N < 3 || v.N > 5 || len(v.Tags) == 0 {
			t.Errorf("%q: %v", ch.Message.Content, err)
		}
		if l := ch.Logprobs.Content; len(l) == 0 || len(l[0].TopLogprobs) != 2 {
			t.Errorf("logprobs %+v", ch.Logprobs)
		}
	}
}
