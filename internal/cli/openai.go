package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"freehold/internal/admin"
	"freehold/internal/sse"
)

// question is a chat request.
type question struct {
	Model         string          `json:"model"`
	Messages      []message       `json:"messages"`
	MaxTokens     int             `json:"max_tokens,omitempty"`
	Stream        bool            `json:"stream"`
	StreamOptions map[string]bool `json:"stream_options,omitempty"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// reply is what came back, and when.
type reply struct {
	Header     http.Header
	Text       string
	Finish     string
	Usage      usageCounts
	FirstToken time.Duration   // from the request to the first content
	Total      time.Duration   // from the request to the end
	Gaps       []time.Duration // between pieces of content
}

type usageCounts struct {
	In  int64 `json:"prompt_tokens"`
	Out int64 `json:"completion_tokens"`
}

// chunk is an answer of the OpenAI API: a piece of a stream, or the whole.
type chunk struct {
	Choices []struct {
		Delta   struct{ Content string } `json:"delta"`
		Message struct{ Content string } `json:"message"`
		Finish  string                   `json:"finish_reason"`
	} `json:"choices"`
	Usage *usageCounts `json:"usage"`
	Error *admin.Error `json:"error"`
}

// maxAnswer bounds what is read of an answer that is not streamed.
const maxAnswer = 64 << 20

// ask sends a question and reads the answer; each piece of text is shown when
// it comes. now is the clock.
func (g *gateway) ask(ctx context.Context, q question, h http.Header, now func() time.Time, show func(string) error) (*reply, error) {
	if q.Stream {
		q.StreamOptions = map[string]bool{"include_usage": true}
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, v := range h {
		r.Header[name] = v
	}
	r.Header.Set("Content-Type", "application/json")
	if g.key != "" {
		r.Header.Set("Authorization", "Bearer "+g.key)
	}
	start := now()
	resp, err := g.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	defer resp.Body.Close()
	out := &reply{Header: resp.Header}
	if resp.StatusCode != http.StatusOK || !q.Stream {
		err = out.whole(resp, show)
		out.FirstToken = now().Sub(start)
	} else {
		err = out.stream(resp.Body, start, now, show)
	}
	out.Total = now().Sub(start)
	return out, err
}

// whole reads an answer that is not streamed, or an error.
func (r *reply) whole(resp *http.Response, show func(string) error) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer did not arrive whole: %w", err)
	}
	var c chunk
	if err := json.Unmarshal(body, &c); err != nil {
		return fmt.Errorf("the gateway answered %d with something that is no answer: %w", resp.StatusCode, err)
	}
	if c.Error != nil || resp.StatusCode != http.StatusOK {
		return refused(resp.StatusCode, c.Error)
	}
	r.take(&c)
	if len(c.Choices) > 0 {
		r.Text = c.Choices[0].Message.Content
	}
	return show(r.Text)
}

func refused(status int, e *admin.Error) error {
	if e == nil {
		e = &admin.Error{Message: http.StatusText(status)}
	}
	e.Status = status
	return e
}

func (r *reply) take(c *chunk) {
	if c.Usage != nil {
		r.Usage = *c.Usage
	}
	if len(c.Choices) > 0 && c.Choices[0].Finish != "" {
		r.Finish = c.Choices[0].Finish
	}
}

var errCut = errors.New("the answer was cut: it has no end")

// stream reads a streamed answer up to its [DONE].
func (r *reply) stream(body io.Reader, start time.Time, now func() time.Time, show func(string) error) error {
	events := sse.NewReader(body, 0)
	var last time.Time
	for {
		e, err := events.Next()
		switch {
		case errors.Is(err, io.EOF):
			return errCut
		case err != nil:
			return fmt.Errorf("%w: %w", errCut, err)
		case e.Comment:
			continue
		case string(e.Data) == "[DONE]":
			return nil
		}
		var c chunk
		if err := json.Unmarshal(e.Data, &c); err != nil {
			return fmt.Errorf("the stream holds something that is no answer: %w", err)
		}
		if c.Error != nil {
			return refused(http.StatusOK, c.Error)
		}
		r.take(&c)
		if len(c.Choices) == 0 || c.Choices[0].Delta.Content == "" {
			continue
		}
		at := now()
		if last.IsZero() {
			r.FirstToken = at.Sub(start)
		} else {
			r.Gaps = append(r.Gaps, at.Sub(last))
		}
		last = at
		r.Text += c.Choices[0].Delta.Content
		if err := show(c.Choices[0].Delta.Content); err != nil {
			return err
		}
	}
}

// errorName is a short and stable name of what went wrong, for counts.
func errorName(err error) string {
	var e *admin.Error
	switch {
	case errors.As(err, &e) && e.Code != "":
		return e.Code
	case errors.As(err, &e):
		return "status_" + strconv.Itoa(e.Status)
	case errors.Is(err, errCut):
		return "cut"
	}
	return "connect"
}

// widen lets the client keep a connection for each of n requests.
func (g *gateway) widen(n int) {
	t, ok := g.client.Transport.(*http.Transport)
	if !ok {
		t = &http.Transport{}
		g.client.Transport = t
	}
	t.MaxIdleConnsPerHost, t.MaxIdleConns = n, n
}
