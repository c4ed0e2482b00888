package sdk

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/respjson"
)

// goOpenAI calls through openai-go.
type goOpenAI struct{ world *world }

func (g goOpenAI) do(t *testing.T, s step) (out outcome) {
	t.Helper()
	key := g.world.key
	if s.Key != "" {
		key = s.Key
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := openai.NewClient(option.WithBaseURL(g.world.url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(s.Retries),
		option.WithHTTPClient(&http.Client{Transport: transport}))
	var response *http.Response
	opts := []option.RequestOption{option.WithResponseInto(&response)}
	for k, v := range s.Headers {
		opts = append(opts, option.WithHeader(k, v))
	}
	for k, v := range s.Extra {
		opts = append(opts, option.WithJSONSet(k, v))
	}
	ctx, leave := g.world.leaver(t, s)
	defer leave()
	params := mustJSON(t, s.Params)
	var err error
	switch s.Op {
	case "chat":
		var r *openai.ChatCompletion
		if r, err = c.Chat.Completions.New(ctx, param.Override[openai.ChatCompletionNewParams](params), opts...); err == nil {
			out = chatOutcome(r)
		}
	case "chat_stream":
		out, err = g.chatStream(ctx, c, s, params, opts)
	case "completion":
		var r *openai.Completion
		if r, err = c.Completions.New(ctx, param.Override[openai.CompletionNewParams](params), opts...); err == nil {
			out = outcome{Model: r.Model, Raw: json.RawMessage(r.RawJSON()), Usage: usageOf(r.Usage)}
			for _, ch := range r.Choices {
				out.Choices = append(out.Choices, choice{Index: int(ch.Index), Text: ch.Text, Finish: string(ch.FinishReason)})
			}
		}
	case "completion_stream":
		out, err = g.completionStream(ctx, c, params, opts)
	case "embedding":
		out, err = g.embed(ctx, c, s, params, opts)
	case "models":
		page := c.Models.ListAutoPaging(ctx, opts...)
		for page.Next() {
			out.Models = append(out.Models, page.Current().ID)
		}
		err = page.Err()
	case "model":
		var m *openai.Model
		if m, err = c.Models.Get(ctx, s.Params["id"].(string), opts...); err == nil {
			out.Models = []string{m.ID}
		}
	case "post":
		err = c.Post(ctx, s.Params["path"].(string), mustJSON(t, s.Params["body"]), &out.Raw, opts...)
	default:
		t.Fatalf("no op %q", s.Op)
	}
	finish(ctx, &out, err, response, func(f *failure) bool {
		var e *openai.Error
		if !errors.As(err, &e) {
			return false
		}
		f.Status, f.Type, f.Code, f.Param, f.Message = e.StatusCode, e.Type, e.Code, e.Param, e.Message
		f.Body = json.RawMessage(e.RawJSON())
		return true
	})
	return out
}

func usageOf(u openai.CompletionUsage) *usage {
	return &usage{
		In: int(u.PromptTokens), Out: int(u.CompletionTokens), Total: int(u.TotalTokens),
		Cached: int(u.PromptTokensDetails.CachedTokens), Reasoning: int(u.CompletionTokensDetails.ReasoningTokens),
	}
}

func chatOutcome(r *openai.ChatCompletion) outcome {
	out := outcome{Model: r.Model, Raw: json.RawMessage(r.RawJSON()), Usage: usageOf(r.Usage)}
	for _, c := range r.Choices {
		ch := choice{
			Index: int(c.Index), Text: c.Message.Content, Refusal: c.Message.Refusal, Finish: c.FinishReason,
			Reasoning: reasoning(c.Message.JSON.ExtraFields), Logprobs: len(c.Logprobs.Content),
		}
		for _, k := range c.Message.ToolCalls {
			ch.Calls = append(ch.Calls, call{k.ID, k.Function.Name, k.Function.Arguments})
		}
		out.Choices = append(out.Choices, ch)
	}
	return out
}

// reasoning is under either of two names, as applications know.
func reasoning(extra map[string]respjson.Field) string {
	return unknownText(extra["reasoning_content"].Raw()) + unknownText(extra["reasoning"].Raw())
}

func unknownText(raw string) string {
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return ""
	}
	return s
}

// chatStream puts a stream together, index by index, as applications do.
func (g goOpenAI) chatStream(ctx context.Context, c openai.Client, s step, params json.RawMessage, opts []option.RequestOption) (out outcome, err error) {
	st := c.Chat.Completions.NewStreaming(ctx, param.Override[openai.ChatCompletionNewParams](params), opts...)
	defer func() { err = errors.Join(err, st.Close()) }()
	var raw []json.RawMessage
	defer func() { out.Raw = listOf(raw) }()
	for st.Next() {
		chunk := st.Current()
		raw = append(raw, json.RawMessage(chunk.RawJSON()))
		hasUsage := chunk.JSON.Usage.Valid()
		switch {
		case len(chunk.Choices) == 0 && hasUsage:
			out.Events = append(out.Events, "usage")
		case len(chunk.Choices) == 0:
			out.Odd = append(out.Odd, "no choices, no usage: "+chunk.RawJSON())
		case hasUsage:
			out.Odd = append(out.Odd, "choices and usage: "+chunk.RawJSON())
		default:
			out.Events = append(out.Events, "chunk")
		}
		if hasUsage {
			out.Usage = usageOf(chunk.Usage)
		}
		out.Model = chunk.Model
		for _, d := range chunk.Choices {
			ch := at(&out.Choices, int(d.Index))
			ch.Text += d.Delta.Content
			ch.Refusal += d.Delta.Refusal
			ch.Reasoning += reasoning(d.Delta.JSON.ExtraFields)
			ch.Logprobs += len(d.Logprobs.Content)
			if d.FinishReason != "" {
				ch.Finish = d.FinishReason
			}
			for _, k := range d.Delta.ToolCalls {
				for len(ch.Calls) <= int(k.Index) {
					ch.Calls = append(ch.Calls, call{})
				}
				to := &ch.Calls[k.Index]
				to.ID += k.ID
				to.Name += k.Function.Name
				to.Arguments += k.Function.Arguments
			}
		}
		if s.LeaveAfter > 0 && len(out.Events) >= s.LeaveAfter {
			out.Left = true
			return out, nil
		}
	}
	return out, st.Err()
}

// at returns the choice of an index, making it.
func at(choices *[]choice, index int) *choice {
	for i := range *choices {
		if (*choices)[i].Index == index {
			return &(*choices)[i]
		}
	}
	*choices = append(*choices, choice{Index: index})
	return &(*choices)[len(*choices)-1]
}

func (g goOpenAI) completionStream(ctx context.Context, c openai.Client, params json.RawMessage, opts []option.RequestOption) (out outcome, err error) {
	st := c.Completions.NewStreaming(ctx, param.Override[openai.CompletionNewParams](params), opts...)
	defer func() { err = errors.Join(err, st.Close()) }()
	for st.Next() {
		chunk := st.Current()
		out.Model = chunk.Model
		for _, d := range chunk.Choices {
			ch := at(&out.Choices, int(d.Index))
			ch.Text += d.Text
			if d.FinishReason != "" {
				ch.Finish = string(d.FinishReason)
			}
		}
	}
	return out, st.Err()
}

// embed reads both forms of vectors; the SDK itself knows only float.
func (g goOpenAI) embed(ctx context.Context, c openai.Client, s step, params json.RawMessage, opts []option.RequestOption) (outcome, error) {
	r, err := c.Embeddings.New(ctx, param.Override[openai.EmbeddingNewParams](params), opts...)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{Model: r.Model, Usage: &usage{In: int(r.Usage.PromptTokens), Total: int(r.Usage.TotalTokens)}}
	for _, d := range r.Data {
		v := d.Embedding
		if s.Params["encoding_format"] == "base64" {
			data, err := base64.StdEncoding.DecodeString(unknownText(d.JSON.Embedding.Raw()))
			if err != nil {
				return out, err
			}
			v = nil
			for ; len(data) >= 4; data = data[4:] {
				v = append(v, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
			}
		}
		out.Vectors = append(out.Vectors, v)
	}
	return out, nil
}

// finish fills in what all calls have.
func finish(ctx context.Context, out *outcome, err error, r *http.Response, read func(*failure) bool) {
	if r != nil {
		out.Headers = headers{}
		for k := range r.Header {
			out.Headers[strings.ToLower(k)] = r.Header.Get(k)
		}
	}
	if err == nil {
		return
	}
	if ctx.Err() != nil {
		out.Left = true
		return
	}
	out.Error = &failure{Message: err.Error()}
	if read(out.Error) && r != nil {
		out.Error.RetryAfter = r.Header.Get("Retry-After")
	}
}

// listOf is a JSON array.
func listOf(values []json.RawMessage) json.RawMessage {
	list := []byte{'['}
	for i, v := range values {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, v...)
	}
	return append(list, ']')
}

func mustJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
