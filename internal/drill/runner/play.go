package runner

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"freehold/internal/drill"
	"freehold/internal/fleet"
	"freehold/internal/upstream"
)

// errPlayed is the cause of every failure in play: it stands in the record of the
// attempt.
var errPlayed = errors.New("played by a drill")

// sender plays a failure in the place of a deployment's own sender.
type sender struct {
	next     fleet.Sender
	kind     drill.Kind
	provider string
	delay    time.Duration
}

// Send implements [fleet.Sender].
func (s *sender) Send(ctx context.Context, p upstream.Permit, call *upstream.Call) (*upstream.Reply, error) {
	switch s.kind {
	case drill.Down:
		return nil, &upstream.Error{Kind: upstream.Connect, Provider: s.provider, Err: errPlayed}
	case drill.Errors:
		return reply(http.StatusServiceUnavailable, "", `{"error":{"message":"played by a drill","type":"server_error"}}`), nil
	case drill.Auth:
		return reply(http.StatusUnauthorized, "", `{"error":{"message":"played by a drill","type":"authentication_error","code":"invalid_api_key"}}`), nil
	case drill.Quota:
		return reply(http.StatusTooManyRequests, "1", `{"error":{"message":"played by a drill","type":"rate_limit_error"}}`), nil
	case drill.Slow:
		return s.slow(ctx, p, call)
	}
	r, err := s.next.Send(ctx, p, call)
	if err == nil && s.kind == drill.Cut && r.Status < 300 {
		r.Cut(cutAfter, errPlayed)
	}
	return r, err
}

// cutAfter is where an answer breaks off, in bytes: some events of a stream are
// there by then, and few plain answers are shorter.
const cutAfter = 600

// slow waits before it asks. The limit to the first byte counts the wait.
func (s *sender) slow(ctx context.Context, p upstream.Permit, call *upstream.Call) (*upstream.Reply, error) {
	wait, limit := s.delay, call.Timeouts.Head
	late := limit > 0 && wait >= limit
	if late {
		wait = limit
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		kind := upstream.Canceled
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			kind = upstream.Deadline
		}
		return nil, &upstream.Error{Kind: kind, Provider: s.provider, Err: context.Cause(ctx)}
	case <-t.C:
	}
	if late {
		return nil, &upstream.Error{Kind: upstream.HeaderTimeout, Provider: s.provider, Err: errPlayed}
	}
	rest := *call
	if limit > 0 {
		rest.Timeouts.Head = limit - wait
	}
	return s.next.Send(ctx, p, &rest)
}

func reply(status int, retry, body string) *upstream.Reply {
	h := http.Header{"Content-Type": {"application/json"}}
	if retry != "" {
		h.Set("Retry-After", retry)
	}
	return &upstream.Reply{Status: status, Proto: "HTTP/1.1", Header: h, Length: int64(len(body)), Delimited: true, Body: io.NopCloser(strings.NewReader(body))}
}
