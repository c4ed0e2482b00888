package mock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Start listens on addr (127.0.0.1:0 for any free port) and serves until
// [Server.Close].
func (s *Server) Start(addr string) error {
	l, err := listen(addr, s.opts.Clock)
	if err != nil {
		return fmt.Errorf("mock: listen on %s: %w", addr, err)
	}
	s.listener, s.served = l, make(chan struct{})
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // ends with Close
		l.end()
	}()
	s.SetFaults(s.armed.list()...)
	return nil
}

// Addr is host:port of a started server.
func (s *Server) Addr() string { return s.listener.address }

// URL is http://host:port of a started server. The OpenAI base URL is URL/v1.
func (s *Server) URL() string { return "http://" + s.listener.address }

// Refuse closes the listener: connections are refused until [Server.Admit].
// Connections that exist live on.
func (s *Server) Refuse() { s.listener.refuse(0) }

// Admit opens the listener again.
func (s *Server) Admit() { s.listener.admit() }

// listener can be closed and opened again on the same address.
type listener struct {
	address string
	clock   Clock
	mu      sync.Mutex
	inner   net.Listener  // nil while refusing
	opened  chan struct{} // closed when inner is set again
	closed  chan struct{}
	timers  context.Context
	cancel  context.CancelFunc
	waiting sync.WaitGroup
	turn    int // counts refusals, so that an old timer opens no new one
}

func listen(addr string, clock Clock) (*listener, error) {
	inner, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &listener{address: inner.Addr().String(), clock: clock, inner: inner, opened: make(chan struct{}), closed: make(chan struct{})}
	l.timers, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// Accept waits through refusals.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		inner, opened := l.inner, l.opened
		l.mu.Unlock()
		if inner == nil {
			select {
			case <-opened:
				continue
			case <-l.closed:
				return nil, net.ErrClosed
			}
		}
		c, err := inner.Accept()
		if err == nil {
			return c, nil
		}
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		default:
		}
		if !errors.Is(err, net.ErrClosed) {
			return nil, err
		}
	}
}

// refuse closes the listener, for d if that is more than 0.
func (l *listener) refuse(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn++
	if l.inner != nil {
		_ = l.inner.Close() // it is replaced
		l.inner, l.opened = nil, make(chan struct{})
	}
	if d > 0 {
		l.reopen(d)
	}
}

// reopen opens the listener after d, and again and again after pauses until the
// port is free: unless it is refused or admitted anew meanwhile.
func (l *listener) reopen(d time.Duration) {
	turn := l.turn
	l.waiting.Go(func() {
		for l.clock.Sleep(l.timers, d) == nil {
			l.mu.Lock()
			done := turn != l.turn || l.open()
			l.mu.Unlock()
			if done {
				return
			}
			d = 20 * time.Millisecond
		}
	})
}

func (l *listener) admit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn++; !l.open() {
		l.reopen(20 * time.Millisecond)
	}
}

// open listens again, if it does not; false: the port is busy, with another
// program or with a connection that the kernel still holds.
func (l *listener) open() bool {
	select {
	case <-l.closed:
		return true
	default:
	}
	if l.inner != nil {
		return true
	}
	inner, err := net.Listen("tcp", l.address)
	if err != nil {
		return false
	}
	l.inner = inner
	close(l.opened)
	return true
}

// Close ends it; Accept returns net.ErrClosed.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	close(l.closed)
	l.cancel()
	if l.inner != nil {
		return l.inner.Close()
	}
	return nil
}

// end waits for the timers.
func (l *listener) end() {
	l.cancel()
	l.waiting.Wait()
}

// Addr is the address.
func (l *listener) Addr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", l.address)
	if err != nil {
		return &net.TCPAddr{}
	}
	return a
}
