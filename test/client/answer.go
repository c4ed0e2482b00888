package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// failure is an error as the SDKs read it: type and code are strings in both
// dialects.
type failure struct {
	Type string `json:"type"`
	Code string `json:"code"`
}

func (r *Result) fail(f *failure, body []byte) {
	r.Err, r.Body = f.Code, string(body)
	if f.Code == "" || f.Type == "" {
		r.Err = "an error without type or code"
	}
}

type openAIUsage struct {
	In  int64 `json:"prompt_tokens"`
	Out int64 `json:"completion_tokens"`
}

type openAIMessage struct {
	Content   string
	ToolCalls []struct {
		Index    int
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type openAIAnswer struct {
	Error   *failure
	Choices []struct {
		Message openAIMessage
		Delta   openAIMessage
		Finish  string `json:"finish_reason"`
	}
	Usage *openAIUsage
}

type claudeUsage struct {
	In     int64 `json:"input_tokens"`
	Out    int64 `json:"output_tokens"`
	Read   int64 `json:"cache_read_input_tokens"`
	Create int64 `json:"cache_creation_input_tokens"`
}

type claudeBlock struct {
	Type, Text, Name string
	Input            json.RawMessage
}

type claudeAnswer struct {
	Type    string
	Error   *failure
	Content []claudeBlock
	Block   claudeBlock `json:"content_block"`
	Delta   struct {
		Text       string
		Arguments  string `json:"partial_json"`
		StopReason string `json:"stop_reason"`
	}
	StopReason string `json:"stop_reason"`
	Usage      *claudeUsage
	Message    struct{ Usage *claudeUsage }
}

// Plain takes in the body of an answer that is not streamed.
func (r *Result) Plain(body []byte, claude bool) error {
	unreadable := func(err error) error { return fmt.Errorf("status %d: %w: %.300s", r.Status, err, body) }
	if claude {
		var a claudeAnswer
		if err := json.Unmarshal(body, &a); err != nil {
			return unreadable(err)
		}
		if a.Error != nil {
			r.fail(a.Error, body)
			return nil
		}
		for _, b := range a.Content {
			r.Text += b.Text
			if b.Type == "tool_use" {
				r.Tools += b.Name + "(" + string(b.Input) + ")"
			}
		}
		r.Finish, r.Ended = a.StopReason, true
		r.claudeUsage(a.Usage)
		return nil
	}
	var a openAIAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return unreadable(err)
	}
	if a.Error != nil {
		r.fail(a.Error, body)
		return nil
	}
	if len(a.Choices) != 1 {
		return unreadable(fmt.Errorf("%d choices", len(a.Choices)))
	}
	c := a.Choices[0]
	r.Text, r.Finish, r.Ended = c.Message.Content, c.Finish, true
	for _, call := range c.Message.ToolCalls {
		r.Tools += call.Function.Name + "(" + call.Function.Arguments + ")"
	}
	r.openAIUsage(a.Usage)
	return nil
}

func (r *Result) openAIUsage(u *openAIUsage) {
	if u != nil {
		r.Usage, r.In, r.Out = true, u.In, u.Out
	}
}

// claudeUsage takes over counts, which are cumulative. What was cached stands
// beside the input there.
func (r *Result) claudeUsage(u *claudeUsage) {
	if u == nil {
		return
	}
	if in := u.In + u.Read + u.Create; in > 0 {
		r.In = in
	}
	r.Usage, r.Out = true, u.Out
}

// Stream takes in the body of a streamed answer.
func (r *Result) Stream(body io.Reader, claude bool) error {
	sc := bufio.NewScanner(body)
	sc.Buffer(nil, 32<<20)
	event := r.claudeEvent
	var calls []openAICall
	if !claude {
		event = func(data []byte) error { return r.openAIEvent(data, &calls) }
	}
	for sc.Scan() {
		data, ok := bytes.CutPrefix(sc.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if r.Ended {
			return fmt.Errorf("an event after the end mark: %.300s", data)
		}
		r.Events++
		if err := event(data); err != nil {
			return fmt.Errorf("%w: %.300s", err, data)
		}
	}
	for _, c := range calls {
		r.Tools += c.name + "(" + c.arguments + ")"
	}
	return sc.Err()
}

func (r *Result) claudeEvent(data []byte) error {
	var e claudeAnswer
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	switch e.Type {
	case "error":
		r.fail(e.Error, data)
	case "message_start":
		r.claudeUsage(e.Message.Usage)
	case "content_block_start":
		if r.calling = e.Block.Type == "tool_use"; r.calling {
			r.Tools += e.Block.Name + "("
		}
	case "content_block_delta":
		r.Text += e.Delta.Text
		r.Tools += e.Delta.Arguments
	case "content_block_stop":
		if r.calling {
			r.Tools += ")"
		}
	case "message_delta":
		r.Finish = e.Delta.StopReason
		r.claudeUsage(e.Usage)
	case "message_stop":
		r.Ended = true
	}
	return nil
}

// openAICall is a tool call of a stream, whose pieces come by its index.
type openAICall struct{ name, arguments string }

func (r *Result) openAIEvent(data []byte, calls *[]openAICall) error {
	if string(data) == "[DONE]" {
		r.Ended = true
		return nil
	}
	var e openAIAnswer
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	if e.Error != nil {
		r.fail(e.Error, data)
		return nil
	}
	r.openAIUsage(e.Usage)
	for _, c := range e.Choices {
		r.Text += c.Delta.Content
		if c.Finish != "" {
			r.Finish = c.Finish
		}
		for _, d := range c.Delta.ToolCalls {
			switch n := len(*calls); {
			case d.Index == n:
				*calls = append(*calls, openAICall{})
			case d.Index < 0 || d.Index > n:
				return fmt.Errorf("a piece of tool call %d after %d calls", d.Index, n)
			}
			call := &(*calls)[d.Index]
			call.name += d.Function.Name
			call.arguments += d.Function.Arguments
		}
	}
	return nil
}
