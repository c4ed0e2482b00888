package upstream

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// unacknowledged is how long a peer's kernel may leave sent bytes without an
// answer. It is longer than a lost path takes to come back as a rule.
const unacknowledged = 20 * time.Second

// Dialer returns a function that connects to addresses within networks only.
// The check sees the address that connect(2) is about to use, after the name
// was resolved, so that DNS cannot be changed between check and use.
func Dialer(networks []netip.Prefix) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{KeepAlive: 15 * time.Second}
	d.ControlContext = func(_ context.Context, _, addr string, c syscall.RawConn) error {
		if len(networks) > 0 {
			ap, err := netip.ParseAddrPort(addr)
			if err != nil {
				return &blockedError{"of an unknown form"}
			}
			if !within(networks, ap.Addr()) {
				return &blockedError{ap.Addr().String()}
			}
		}
		return limitUnacknowledged(c, unacknowledged)
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return c, nil
	}
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
