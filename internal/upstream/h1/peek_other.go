//go:build !unix

package h1

import (
	"errors"
	"net"
)

// peeker cannot look at a connection here; a stale one is found when its
// request fails, and that is sent again.
type peeker struct{}

func newPeeker(net.Conn) peeker { return peeker{} }

func (*peeker) quiet() bool { return true }

func (*peeker) now([]byte) (int, error) { return 0, errors.ErrUnsupported }
