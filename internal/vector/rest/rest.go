// Package rest speaks JSON over HTTP with vector stores: requests with a deadline,
// answers of a bounded size, and errors as [vector.Error].
package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// Options of [New].
type Options struct {
	Store string // and where: in errors
	Host  string // with its port
	TLS   *tls.Config
	// Dial makes connections to the host with its port; nil: as usual.
	Dial    func(ctx context.Context, address string) (net.Conn, error)
	Timeout time.Duration // of one request; 0: a minute
	Header  http.Header   // of each request
	// Message finds what the server says in the body of an error; "": nothing.
	Message func(body []byte) string
}

// Client makes requests.
type Client struct {
	o    Options
	base string
	http *http.Client
}

// New makes a client; the first request connects it.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	scheme := "http"
	if o.TLS != nil {
		scheme = "https"
	}
	transport := &http.Transport{TLSClientConfig: o.TLS, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if o.Dial != nil {
		transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return o.Dial(ctx, address) }
	}
	// A redirect would take the key to another host.
	return &Client{o: o, base: scheme + "://" + o.Host, http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Close ends the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// maxAnswer is what one answer may have.
const maxAnswer = 256 << 20

// Call makes a request, and reads its answer into out, where that is not nil.
func (c *Client) Call(ctx context.Context, doing, method, path string, body []byte, out any) error {
	timed, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	fail := func(trouble vector.Trouble, message string) *vector.Error {
		return &vector.Error{Store: c.o.Store, Doing: doing, Trouble: trouble, Message: message, Cause: ctx.Err()}
	}
	r, err := http.NewRequestWithContext(timed, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fail(vector.Invalid, err.Error())
	}
	for name, values := range c.o.Header {
		r.Header[name] = values
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var unknown *tls.CertificateVerificationError
		if errors.As(err, &unknown) {
			return fail(vector.Invalid, err.Error())
		}
		return fail(vector.Unavailable, err.Error())
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fail(vector.Unavailable, err.Error())
	case len(text) > maxAnswer:
		return fail(vector.Invalid, "the answer is too large")
	case answer.StatusCode/100 == 2:
		if out == nil {
			return nil
		}
		// Payloads are the users': of two members of one name the last one counts.
		if err := jsonv2.Unmarshal(text, out, jsontext.AllowDuplicateNames(true)); err != nil {
			return fail(vector.Unavailable, "an answer that is not this store's: "+err.Error())
		}
		return nil
	}
	e := fail(trouble(answer.StatusCode), c.message(answer, text))
	if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}

func trouble(status int) vector.Trouble {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return vector.Denied
	case status == http.StatusNotFound:
		return vector.Missing
	case status == http.StatusTooManyRequests:
		return vector.Throttled
	case status == http.StatusRequestTimeout, status >= 500:
		return vector.Unavailable
	}
	return vector.Invalid
}

// message is what the server says, in short.
func (c *Client) message(answer *http.Response, text []byte) string {
	if said := c.o.Message(text); said != "" {
		return said
	}
	const most = 200
	return answer.Status + " " + strings.ToValidUTF8(string(text[:min(len(text), most)]), "?")
}
