package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// failure is the error object of both dialects.
type failure struct {
	Type string `json:"type"`
	Code any    `json:"code"`
}

func (r *Result) fail(f *failure, body []byte) {
	r.Err, r.Body = f.Type, string(body)
	if s, ok := f.Code.(string); ok && s != "" {
		r.Err = s
	}
	if r.Err == "" {
		r.Err = "unnamed"
	}
}

type openAIUsage struct {
	In  int64 `json:"prompt_tokens"`
	Out int64 `json:"completion_tokens"`
}

type openAIAnswer struct {
	Error   *failure
	Choices []struct {
		Message struct{ Content string }
		Delta   struct{ Content string }
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

type claudeAnswer struct {
	Type    string
	Error   *failure
	Content []struct{ Text string }
	Delta   struct {
		Text       string
		StopReason string `json:"stop_reason"`
	}
	StopReason string `json:"stop_reason"`
	Usage      *claudeUsage
	Message    struct{ Usage *claudeUsage }
}

func (r *Result) plain(body []byte, claude bool) error {
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
	r.Text, r.Finish, r.Ended = a.Choices[0].Message.Content, a.Choices[0].Finish, true
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

func (r *Result) stream(body io.Reader, claude bool) error {
	sc := bufio.NewScanner(body)
	sc.Buffer(nil, 32<<20)
	for sc.Scan() {
		data, ok := bytes.CutPrefix(sc.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if r.Ended {
			return fmt.Errorf("an event after the end mark: %.300s", data)
		}
		r.Events++
		var err error
		if claude {
			err = r.claudeEvent(data)
		} else {
			err = r.openAIEvent(data)
		}
		if err != nil {
			return fmt.Errorf("%w: %.300s", err, data)
		}
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
	case "content_block_delta":
		r.Text += e.Delta.Text
	case "message_delta":
		r.Finish = e.Delta.StopReason
		r.claudeUsage(e.Usage)
	case "message_stop":
		r.Ended = true
	}
	return nil
}

func (r *Result) openAIEvent(data []byte) error {
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
	}
	return nil
}
