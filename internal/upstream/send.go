package upstream

import (
	"context"
	"errors"
)

// Permit is the right to send a request's bytes to a provider. Only policy
// makes one.
type Permit interface {
	// Allows reports whether the bytes may go to the provider of this name.
	Allows(provider string) bool
}

// Send sends the call if the permit covers the client's provider, and reads
// the head of the answer. A non-nil error is an *Error. The reply's body must
// be closed.
func (c *Client) Send(ctx context.Context, p Permit, call *Call) (*Reply, error) {
	if p == nil || !p.Allows(c.ep.provider) {
		return nil, c.ep.error(Refused, false, errors.New("no permit for this provider"))
	}
	return c.do(ctx, call)
}
