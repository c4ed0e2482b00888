package upstream

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dialer returns a function that connects to addresses within networks only.
// The check sees the address that connect(2) is about to use, after the name
// was resolved, so that DNS cannot be changed between check and use.
func dialer(networks []netip.Prefix) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{KeepAlive: 15 * time.Second}
	if len(networks) > 0 {
		d.ControlContext = func(_ context.Context, _, addr string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(addr)
			if err != nil {
				return &blockedError{"of an unknown form"}
			}
			if !within(networks, ap.Addr()) {
				return &blockedError{ap.Addr().String()}
			}
			return nil
		}
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
