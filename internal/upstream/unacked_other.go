//go:build !linux

package upstream

import (
	"syscall"
	"time"
)

// limitUnacknowledged does nothing: the system's own retransmission limit holds.
func limitUnacknowledged(syscall.RawConn, time.Duration) error { return nil }
