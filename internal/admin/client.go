package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Client runs operations on a server.
type Client struct {
	// Base is the server's address without /admin/v1: http://127.0.0.1:4000.
	Base string
	// Transport carries the requests; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Key is an administration key. The local socket needs none; with one, a command
	// there is that of its holder.
	Key string
	// User is who runs the command, on the local socket.
	User string
}

// Unix returns the client of the server that listens on a socket of this
// machine. Nothing is connected yet.
func Unix(path, user string) *Client {
	return &Client{Base: "http://freehold", User: user, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}
}

// Run implements [Runner].
func (c *Client) Run(ctx context.Context, op *Operation, in, out any) error {
	path, query, body, err := op.encode(in)
	if err != nil {
		return err
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, op.Method, c.Base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.Key != "" {
		r.Header.Set("Authorization", "Bearer "+c.Key)
	}
	if c.User != "" {
		r.Header.Set(userHeader, c.User)
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("the server's answer did not arrive whole: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return refusal(resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the server's answer to %s is not understood (is it another version?): %w", op.Name, err)
	}
	return nil
}

// refusal reads an error answer: ours, or that of the server before us.
func refusal(status int, body []byte) error {
	var doc struct {
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.Error == nil || doc.Error.Message == "" {
		return &Error{Status: status, Code: CodeInternal, Message: fmt.Sprintf("the server answered %d %s", status, http.StatusText(status))}
	}
	doc.Error.Status = status
	return doc.Error
}
