// Package qdranttest gives tests the real Qdrant engine behind a test server on
// loopback (test/qdrant/server.py says what that is), or, where
// FREEHOLD_TEST_QDRANT=host:port is set, a real Qdrant server.
package qdranttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"freehold/internal/parttest"
)

// Server is a Qdrant server on loopback.
type Server struct {
	*parttest.Server // nil: it is not ours
	Host             string
	Port             int
	Key              string // that it asks for; empty: none
}

var part = parttest.Part{Name: "qdrant", What: "the Qdrant engine"}

const script = "test/qdrant/server.py"

var shared parttest.Shared[*Server]

// Shared is the server that all tests of a binary use, each with collections of
// its own: see [Server.Name]. [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	if at := os.Getenv("FREEHOLD_TEST_QDRANT"); at != "" {
		host, port, err := net.SplitHostPort(at)
		n, bad := strconv.Atoi(port)
		if err = errors.Join(err, bad); err != nil {
			t.Fatalf("FREEHOLD_TEST_QDRANT=%s is not host:port: %v", at, err)
		}
		return &Server{Host: host, Port: n}
	}
	home := part.Find(t)
	return shared.Get(t, func() (*Server, func() error, error) {
		s, err := home.Start(script)
		if err != nil {
			return nil, nil, err
		}
		return ours(s, ""), s.Close, nil
	})
}

func ours(s *parttest.Server, key string) *Server {
	return &Server{Server: s, Host: "127.0.0.1", Port: s.Port, Key: key}
}

// Stop ends the shared server, if there is one: for a TestMain. No test may run
// any more.
func Stop() error { return shared.Stop() }

// Start starts a server for one test, which may stop it and start it again. It
// is never the one of FREEHOLD_TEST_QDRANT.
func Start(t testing.TB, key string) *Server {
	t.Helper()
	return ours(part.Find(t).For(t, script, "--api-key", key), key)
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Name is a name for a collection of the test, which is dropped with it.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("%s-%d", strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()), time.Now().UnixNano())
	conn := s.Conn(t)
	t.Cleanup(func() {
		if s.Server != nil && !s.Runs() {
			return // stopped: its directory goes, too
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := pb.NewCollectionsClient(conn).Delete(s.WithKey(ctx), &pb.DeleteCollection{CollectionName: name}, grpc.WaitForReady(true)); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return name
}

// WithKey is a context of calls by which the server knows who calls.
func (s *Server) WithKey(ctx context.Context) context.Context {
	if s.Key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "api-key", s.Key)
}

// Conn is a connection to the server, for what a test does beside freehold.
func (s *Server) Conn(t testing.TB) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
