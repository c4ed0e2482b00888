// Package milvustest gives tests Milvus on loopback: milvus-lite, the small one in
// Python, and [Full], the server itself.
package milvustest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"freehold/internal/parttest"
	"freehold/internal/vector/milvus/wire"
)

// Server is a Milvus server on loopback.
type Server struct {
	*parttest.Server
	Lite bool
}

var (
	python = parttest.Part{Name: "milvus", What: "milvus-lite, with the official Python client of Milvus,"}
	server = parttest.Part{Name: "milvus-server", What: "the Milvus server"}
)

const liteScript = "test/milvus/lite.py"

var lite, full parttest.Shared[*Server]

// Shared is milvus-lite, each test with collections of its own: see [Server.Name].
// [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	return get(t, &lite, python.Find(t), liteScript)
}

// Full is the Milvus server itself, in a network of its own: it needs root, or
// namespaces for all, and is skipped where there are neither.
func Full(t testing.TB) *Server {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("there is a Milvus server for Linux on x86-64 only")
	}
	return get(t, &full, server.Find(t), "test/milvus/full.py")
}

func get(t testing.TB, shared *parttest.Shared[*Server], home *parttest.Home, script string) *Server {
	t.Helper()
	return shared.Get(t, func() (*Server, func() error, error) {
		s, err := home.Start(script)
		if err != nil {
			return nil, nil, err
		}
		return &Server{s, script == liteScript}, s.Close, nil
	})
}

// Stop ends the shared servers: for a TestMain. No test may run any more.
func Stop() error { return errors.Join(lite.Stop(), full.Stop()) }

// Start starts milvus-lite for one test, which may stop it and start it again.
func Start(t testing.TB) *Server {
	t.Helper()
	return &Server{python.Find(t).For(t, liteScript), true}
}

// Client runs test/milvus/client.py: the official Python client.
func Client(t testing.TB, args ...string) {
	t.Helper()
	if out, err := python.Find(t).Command(t.Context(), "test/milvus/client.py", args...).CombinedOutput(); err != nil {
		t.Fatalf("client.py %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Name is a name for a collection of the test, which is dropped with it.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name())
	name := fmt.Sprintf("%s_%d", letters, time.Now().UnixNano())
	t.Cleanup(func() {
		if !s.Runs() {
			return // stopped: its directory goes, too
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var answer wire.Status
		if err := s.Conn(t).Invoke(ctx, wire.DropCollection, &wire.DropCollectionRequest{Collection: name}, &answer, grpc.WaitForReady(true)); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return name
}

// DropAlias takes an alias away, which keeps its collection from being dropped.
func (s *Server) DropAlias(t testing.TB, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var answer wire.Status
	if err := s.Conn(t).Invoke(ctx, wire.DropAlias, &wire.DropAliasRequest{Alias: name}, &answer, grpc.WaitForReady(true)); err != nil || answer.GetCode() != 0 {
		t.Errorf("drop alias %s: %v %s", name, err, answer.GetReason())
	}
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
