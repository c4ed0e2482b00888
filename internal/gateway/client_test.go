package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"freehold/internal/mock/mocktest"
	application "freehold/test/client"
)

// result is what a client made of an answer, whatever its dialect.
type result = application.Result

// client asks in one dialect.
type client struct {
	url    string
	claude bool
	header http.Header
}

// ask sends a conversation of one user message. extra are further members, as
// they stand in JSON behind others: `,"n":2`.
func (c client) ask(t testing.TB, model, prompt string, stream bool, extra string) result {
	t.Helper()
	r, err := c.do(context.Background(), model, prompt, stream, extra)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (c client) do(ctx context.Context, model, prompt string, stream bool, extra string) (result, error) {
	q := application.Request{Model: model, Prompt: prompt, Stream: stream}
	if err := json.Unmarshal([]byte("{"+strings.TrimPrefix(extra, ",")+"}"), &q.Members); err != nil {
		return result{}, err
	}
	a := application.Client{URL: c.url, Claude: c.claude, Header: c.header, HTTP: mocktest.Client()}
	return a.Ask(ctx, q)
}
