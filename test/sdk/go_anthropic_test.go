package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"
)

// goAnthropic calls through anthropic-sdk-go.
type goAnthropic struct{ world *world }

func (g goAnthropic) do(t *testing.T, s step) (out outcome) {
	t.Helper()
	key := g.world.key
	if s.Key != "" {
		key = s.Key
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := anthropic.NewClient(option.WithBaseURL(g.world.url), option.WithAPIKey(key), option.WithMaxRetries(s.Retries),
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
	case "messages":
		var m *anthropic.Message
		if m, err = c.Messages.New(ctx, param.Override[anthropic.MessageNewParams](params), opts...); err == nil {
			out = messageOutcome(m)
		}
	case "messages_stream":
		out, err = g.stream(ctx, c, s, params, opts)
	case "count_tokens":
		var n *anthropic.MessageTokensCount
		if n, err = c.Messages.CountTokens(ctx, param.Override[anthropic.MessageCountTokensParams](params), opts...); err == nil {
			out.Tokens = int(n.InputTokens)
		}
	case "models":
		page := c.Models.ListAutoPaging(ctx, anthropic.ModelListParams{}, opts...)
		for page.Next() {
			out.Models = append(out.Models, page.Current().ID)
		}
		err = page.Err()
	case "model":
		var m *anthropic.ModelInfo
		if m, err = c.Models.Get(ctx, s.Params["id"].(string), anthropic.ModelGetParams{}, opts...); err == nil {
			out.Models = []string{m.ID}
		}
	case "post":
		err = c.Post(ctx, s.Params["path"].(string), mustJSON(t, s.Params["body"]), &out.Raw, opts...)
	default:
		t.Fatalf("no op %q", s.Op)
	}
	finish(ctx, &out, err, response, func(f *failure) bool {
		var e *anthropic.Error
		if !errors.As(err, &e) {
			return false
		}
		f.Status, f.Type, f.Body = e.StatusCode, string(e.Type()), json.RawMessage(e.RawJSON())
		var body struct{ Error struct{ Message string } }
		if json.Unmarshal(f.Body, &body) == nil {
			f.Message = body.Error.Message
		}
		return true
	})
	return out
}

func messageOutcome(m *anthropic.Message) outcome {
	out := outcome{
		Model: m.Model, Stop: string(m.StopReason), StopSequence: m.StopSequence, Raw: json.RawMessage(m.RawJSON()),
		Usage: &usage{In: int(m.Usage.InputTokens), Out: int(m.Usage.OutputTokens), Cached: int(m.Usage.CacheReadInputTokens), CacheWrite: int(m.Usage.CacheCreationInputTokens)},
	}
	for _, b := range m.Content {
		bl := block{Type: b.Type, Text: b.Text, ID: b.ID, Name: b.Name, Signature: b.Signature}
		if b.Type == "thinking" {
			bl.Text = b.Thinking
		}
		if b.Type == "tool_use" {
			bl.Input = b.Input
		}
		out.Blocks = append(out.Blocks, bl)
	}
	return out
}

func (g goAnthropic) stream(ctx context.Context, c anthropic.Client, s step, params json.RawMessage, opts []option.RequestOption) (out outcome, err error) {
	st := c.Messages.NewStreaming(ctx, param.Override[anthropic.MessageNewParams](params), opts...)
	defer func() { err = errors.Join(err, st.Close()) }()
	var m anthropic.Message
	var events []string
	var raw []json.RawMessage
	for st.Next() {
		e := st.Current()
		events, raw = append(events, e.Type), append(raw, json.RawMessage(e.RawJSON()))
		if err := m.Accumulate(e); err != nil {
			return out, err
		}
		if s.LeaveAfter > 0 && len(events) >= s.LeaveAfter {
			return outcome{Left: true, Events: events}, nil
		}
	}
	out = messageOutcome(&m)
	out.Events, out.Raw = events, listOf(raw)
	return out, st.Err()
}
