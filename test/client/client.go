// Package client asks freehold as an application does, in either dialect, and
// keeps what the application would have made of the answer. It believes
// nothing: a stream counts as whole only with its end mark, and whatever cannot
// be read is an error.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client asks in one dialect. It may be used concurrently.
type Client struct {
	URL    string // http://host:port, without /v1
	Claude bool   // speaks Anthropic's dialect, else OpenAI's
	Header http.Header
	HTTP   *http.Client
}

// Request is a conversation of one user message.
type Request struct {
	Model, Prompt string
	Stream        bool
	MaxTokens     int // 0: none, or 4096 where the dialect needs one
	Members       map[string]any
}

// Result is what came back.
type Result struct {
	Status int
	Header http.Header
	Text   string
	Tools  string // NAME(ARGUMENTS) of each call, joined
	Finish string
	Ended  bool   // the stream had its end mark, or the plain body was whole
	Err    string // code of an error answer or error event
	Body   string // of an error
	Usage  bool   // token counts came
	In     int64
	Out    int64
	Events int // of a stream, up to its end

	calling bool // the open block of a stream is a tool call
}

// ID is the id that freehold gave the request.
func (r *Result) ID() string { return r.Header.Get("X-Request-Id") }

// Whole reports whether the application has a whole answer.
func (r *Result) Whole() bool {
	return r.Status == http.StatusOK && r.Ended && r.Finish != "" && r.Err == ""
}

// String is for failures.
func (r Result) String() string {
	return fmt.Sprintf("status %d, text %.120q, tools %.120q, finish %q, ended %v, error %q %.400s", r.Status, r.Text, r.Tools, r.Finish, r.Ended, r.Err, r.Body)
}

// Path is where the client sends its conversations.
func (c *Client) Path() string {
	if c.Claude {
		return "/v1/messages"
	}
	return "/v1/chat/completions"
}

// Body is the request as it is sent.
func (c *Client) Body(q Request) []byte {
	m := map[string]any{
		"model": q.Model, "stream": q.Stream,
		"messages": []any{map[string]any{"role": "user", "content": q.Prompt}},
	}
	if q.MaxTokens > 0 {
		m["max_tokens"] = q.MaxTokens
	}
	if c.Claude && q.MaxTokens == 0 {
		m["max_tokens"] = 4096
	}
	if !c.Claude && q.Stream {
		m["stream_options"] = map[string]any{"include_usage": true}
	}
	for k, v := range q.Members {
		m[k] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // of a test's own making
	}
	return b
}

// Open sends a request and returns once the answer's head is here.
func (c *Client) Open(ctx context.Context, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range c.Header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	return c.HTTP.Do(req)
}

// Ask sends a request and reads all of the answer. An error is one of the
// connection or of an answer that cannot be read; what came before it is in the
// result.
func (c *Client) Ask(ctx context.Context, q Request) (Result, error) {
	resp, err := c.Open(ctx, c.Path(), c.Body(q))
	if err != nil {
		return Result{}, err
	}
	defer resp.Body.Close()
	r := Result{Status: resp.StatusCode, Header: resp.Header}
	return r, c.Read(&r, resp)
}

// Read takes an answer in.
func (c *Client) Read(r *Result, resp *http.Response) error {
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return r.Stream(resp.Body, c.Claude)
	}
	whole, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return r.Plain(whole, c.Claude)
}
