package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"freehold/internal/upstream/h1"
)

// plain carries calls over package h1.
type plain struct {
	ep     *endpoint
	fields []h1.Field // the target's own headers
	client *h1.Client
}

func newPlain(ep *endpoint, t *Target) *plain {
	p := &plain{ep: ep}
	for name, values := range ep.header {
		for _, v := range values {
			p.fields = append(p.fields, h1.Field{Name: name, Value: v})
		}
	}
	dial := Dialer(ep.networks)
	p.client = h1.New(h1.Config{
		Dial:    func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", ep.addr) },
		MaxIdle: t.MaxIdle, IdleTimeout: t.IdleTimeout, MaxHead: t.MaxHead,
	})
	return p
}

func (p *plain) close() { p.client.Close() }

// plainReply is a reply and its body in one piece of memory.
type plainReply struct {
	Reply
	body plainBody
}

func (p *plain) exchange(ctx context.Context, call *Call, limits Timeouts) (*Reply, error) {
	path, query := p.ep.target(call)
	if query != "" {
		path += "?" + query
	}
	req := h1.Request{
		Method: call.Method, Target: path, Host: p.ep.host,
		Fields: p.fields, Header: call.Header, Skip: skipped, Body: call.Body,
		Connect: limits.Connect, Write: limits.Head, Head: limits.Head, Idle: limits.Idle,
	}
	for _, f := range p.fields {
		if hides(call.Header, f.Name) {
			req.Fields = p.without(call)
			break
		}
	}
	req.Auth.Name, req.Auth.Value = p.ep.authHeader(call.Key)
	resp, err := p.client.Do(ctx, &req)
	if err != nil {
		kind, sent := fromH1(ctx, err)
		return nil, p.ep.error(kind, sent, cause(err))
	}
	r := &plainReply{
		Reply: Reply{
			Status: resp.Status, Proto: resp.Proto, Header: resp.Header, Length: resp.ContentLength,
			Delimited: resp.Delimited, Reused: resp.Reused,
		},
		body: plainBody{resp.Body, ctx, p.ep},
	}
	r.Body = &r.body
	return &r.Reply, nil
}

func skipped(name string) bool { return !sendable(name) }

// without is the target's headers but for those that the call sets itself.
func (p *plain) without(call *Call) []h1.Field {
	var out []h1.Field
	for _, f := range p.fields {
		if !hides(call.Header, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// cause is what an h1 error stands for, without that package's prefix.
func cause(err error) error {
	if e := (*h1.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

type plainBody struct {
	b   *h1.Body
	ctx context.Context
	ep  *endpoint
}

func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.b.Read(p)
	return n, b.error(err)
}

// ReadNow is Read without waiting, see h1.Body.
func (b *plainBody) ReadNow(p []byte) (int, error) {
	n, err := b.b.ReadNow(p)
	return n, b.error(err)
}

func (b *plainBody) error(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // a body ends with io.EOF itself
		return err
	}
	kind, sent := fromH1(b.ctx, err)
	return b.ep.error(kind, sent, cause(err))
}

func (b *plainBody) Close() error { return b.b.Close() }

func (b *plainBody) setIdle(d time.Duration) { b.b.SetIdle(d) }

func (b *plainBody) endpoint() *endpoint { return b.ep }
