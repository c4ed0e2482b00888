// Package chromatest gives tests a real Chroma server on loopback
// (test/chroma/server.py starts it).
package chromatest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"freehold/internal/parttest"
)

// Server is a Chroma server.
type Server struct {
	*parttest.Server
	Host string // with its port
}

var part = parttest.Part{Name: "chroma", What: "Chroma"}

const script = "test/chroma/server.py"

var shared parttest.Shared[*Server]

// names counts the collections of a test binary.
var names atomic.Int64

// Shared is the server that all tests of a binary use, each with collections of
// its own: see [Server.Name]. [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	home := part.Find(t)
	return shared.Get(t, func() (*Server, func() error, error) {
		s, err := home.Start(script)
		if err != nil {
			return nil, nil, err
		}
		return &Server{s, s.Addr()}, s.Close, nil
	})
}

// Stop ends the shared server, if there is one: for a TestMain. No test may run any
// more.
func Stop() error { return shared.Stop() }

// Start starts a server for one test, which may crash it and start it again.
func Start(t testing.TB) *Server {
	t.Helper()
	s := part.Find(t).For(t, script)
	return &Server{s, s.Addr()}
}

// Name is a name for a collection of the test.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("test-%d", names.Add(1))
}
