package upstream

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnacknowledged bounds how long sent bytes may stay without an
// acknowledgement of the peer's kernel (TCP_USER_TIMEOUT, RFC 5482): a kept
// connection that a firewall has forgotten fails after it instead of holding a
// request until its total time is over. Keep-alive probes do not do that: they
// are sent only where nothing waits for an acknowledgement.
func limitUnacknowledged(c syscall.RawConn, d time.Duration) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return set
}
