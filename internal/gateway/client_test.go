package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"freehold/internal/mock/mocktest"
)

// result is what a client made of an answer, whatever its dialect.
type result struct {
	status int
	header http.Header
	text   string
	tools  string // NAME(ARGUMENTS) of each call, joined
	finish string
	ended  bool   // the stream had its end mark, once
	err    string // code or type of an error answer or event
	in     int64
	out    int64
	body   string // of an error
}

func (r result) String() string {
	return fmt.Sprintf("status %d, text %q, tools %q, finish %q, ended %v, error %q %s", r.status, r.text, r.tools, r.finish, r.ended, r.err, r.body)
}

// client asks in one dialect.
type client struct {
	url    string
	claude bool
	header http.Header
}

// ask sends a conversation of one user message. extra are further members.
func (c client) ask(t testing.TB, model, prompt string, stream bool, extra string) result {
	t.Helper()
	r, err := c.do(context.Background(), model, prompt, stream, extra)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (c client) do(ctx context.Context, model, prompt string, stream bool, extra string) (result, error) {
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":%q}]%s`, model, stream, prompt, extra)
	path := "/v1/chat/completions"
	if c.claude {
		path = "/v1/messages"
		if !strings.Contains(extra, "max_tokens") {
			body += `,"max_tokens":4096`
		}
	} else if stream {
		body += `,"stream_options":{"include_usage":true}`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, strings.NewReader(body+"}"))
	if err != nil {
		return result{}, err
	}
	for k, v := range c.header {
		req.Header[k] = v
	}
	resp, err := mocktest.Client().Do(req)
	if err != nil {
		return result{}, err
	}
	defer resp.Body.Close()
	r := result{status: resp.StatusCode, header: resp.Header}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		whole, err := io.ReadAll(resp.Body)
		if err != nil {
			return r, err
		}
		return r, r.plain(whole, c.claude)
	}
	return r, r.stream(resp.Body, c.claude)
}

// failure is an error as the SDKs read it: its code is a string.
type failure struct {
	Type string `json:"type"`
	Code string `json:"code"`
}

func (r *result) fail(f *failure, body []byte) {
	r.err, r.body = f.Code, string(body)
	if f.Code == "" || f.Type == "" {
		r.err = "an error without type or code"
	}
}

type openAIMessage struct {
	Content   string `json:"content"`
	ToolCalls []struct {
		Index    int `json:"index"`
		Function struct {
			Name, Arguments string
		} `json:"function"`
	} `json:"tool_calls"`
}

type openAIAnswer struct {
	Error   *failure
	Choices []struct {
		Index        int
		Message      openAIMessage
		Delta        openAIMessage
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct {
		In  int64 `json:"prompt_tokens"`
		Out int64 `json:"completion_tokens"`
	}
}

type claudeBlock struct {
	Type, Text, Name string
	Input            json.RawMessage
	PartialJSON      string `json:"partial_json"`
}

type claudeAnswer struct {
	Type         string
	Error        *failure
	Content      []claudeBlock
	ContentBlock claudeBlock `json:"content_block"`
	Delta        struct {
		claudeBlock
		StopReason string `json:"stop_reason"`
	}
	StopReason string `json:"stop_reason"`
	Usage      *struct {
		In  int64 `json:"input_tokens"`
		Out int64 `json:"output_tokens"`
	}
}

func (r *result) plain(body []byte, claude bool) error {
	if claude {
		var a claudeAnswer
		if err := json.Unmarshal(body, &a); err != nil {
			return fmt.Errorf("%w: %.300s", err, body)
		}
		if a.Error != nil {
			r.fail(a.Error, body)
			return nil
		}
		for _, b := range a.Content {
			r.text += b.Text
			if b.Type == "tool_use" {
				r.tools += b.Name + "(" + string(b.Input) + ")"
			}
		}
		r.finish, r.ended, r.in, r.out = a.StopReason, true, a.Usage.In, a.Usage.Out
		return nil
	}
	var a openAIAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("%w: %.300s", err, body)
	}
	if a.Error != nil {
		r.fail(a.Error, body)
		return nil
	}
	c := a.Choices[0]
	r.text, r.finish, r.ended = c.Message.Content, c.FinishReason, true
	for _, call := range c.Message.ToolCalls {
		r.tools += call.Function.Name + "(" + call.Function.Arguments + ")"
	}
	if a.Usage != nil {
		r.in, r.out = a.Usage.In, a.Usage.Out
	}
	return nil
}

func (r *result) stream(body io.Reader, claude bool) error {
	ends := 0
	defer func() { r.ended = ends == 1 }()
	args := map[int]string{}
	names := map[int]string{}
	sc := bufio.NewScanner(body)
	sc.Buffer(nil, 32<<20)
	for sc.Scan() {
		data, ok := bytes.CutPrefix(sc.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			ends++
			continue
		}
		if claude {
			var e claudeAnswer
			if err := json.Unmarshal(data, &e); err != nil {
				return fmt.Errorf("%w: %.300s", err, data)
			}
			switch e.Type {
			case "error":
				r.fail(e.Error, data)
			case "content_block_start":
				if e.ContentBlock.Type == "tool_use" {
					r.tools += e.ContentBlock.Name + "("
				}
			case "content_block_delta":
				r.text += e.Delta.Text
				r.tools += e.Delta.PartialJSON
			case "content_block_stop":
				if strings.Count(r.tools, "(") > strings.Count(r.tools, ")") {
					r.tools += ")"
				}
			case "message_delta":
				r.finish = e.Delta.StopReason
				r.in, r.out = e.Usage.In, e.Usage.Out
			case "message_stop":
				ends++
			}
			continue
		}
		var e openAIAnswer
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("%w: %.300s", err, data)
		}
		if e.Error != nil {
			r.fail(e.Error, data)
			continue
		}
		if e.Usage != nil {
			r.in, r.out = e.Usage.In, e.Usage.Out
		}
		for _, c := range e.Choices {
			r.text += c.Delta.Content
			if c.FinishReason != "" {
				r.finish = c.FinishReason
			}
			for _, call := range c.Delta.ToolCalls {
				names[call.Index] += call.Function.Name
				args[call.Index] += call.Function.Arguments
			}
		}
	}
	for i := range len(names) {
		r.tools += names[i] + "(" + args[i] + ")"
	}
	return sc.Err()
}
