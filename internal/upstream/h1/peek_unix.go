//go:build unix

package h1

import (
	"errors"
	"net"
	"syscall"
)

// peeker reads without waiting. The sockets are in non-blocking mode, so one
// read(2) tells an idle connection (EAGAIN) from a closed or a talking one.
type peeker struct {
	raw  syscall.RawConn // nil: the connection cannot tell
	call func(fd uintptr)
	buf  []byte
	n    int
	err  error
	one  [1]byte
}

func newPeeker(nc net.Conn) peeker {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return peeker{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return peeker{}
	}
	return peeker{raw: raw}
}

// quiet reports whether the connection is open and has nothing to read.
func (p *peeker) quiet() bool {
	if p.raw == nil {
		return true
	}
	_, err := p.now(p.one[:])
	return errors.Is(err, syscall.EAGAIN)
}

// now reads what is there already. An error says that there is nothing, or
// that the connection cannot be asked.
func (p *peeker) now(b []byte) (int, error) {
	if p.raw == nil {
		return 0, errors.ErrUnsupported
	}
	if p.call == nil { // kept, so that looking allocates nothing
		p.call = func(fd uintptr) { p.n, p.err = ignoringEINTR(int(fd), p.buf) }
	}
	p.buf = b
	err := p.raw.Control(p.call)
	p.buf = nil
	if err != nil {
		return 0, err
	}
	if p.n == 0 && p.err == nil {
		return 0, net.ErrClosed
	}
	return max(p.n, 0), p.err
}

func ignoringEINTR(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
