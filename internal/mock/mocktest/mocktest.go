// Package mocktest starts mock providers for tests.
package mocktest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"freehold/internal/mock"
)

// Start starts a server on a loopback port that ends with the test.
func Start(t testing.TB, o mock.Options) *mock.Server {
	t.Helper()
	s := mock.New(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the mock: %v", err)
		}
	})
	return s
}

// Fail sets the server's faults from specifications.
func Fail(t testing.TB, s *mock.Server, specs ...string) {
	t.Helper()
	if err := s.Fail(specs...); err != nil {
		t.Fatal(err)
	}
}

// Wait waits until ok says so of the counters; after a minute, in which
// even a starved machine gets there, the test fails with them.
func Wait(t testing.TB, s *mock.Server, ok func(mock.Stats) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Wait(ctx, ok); err != nil {
		t.Fatalf("%v: %+v", err, s.Stats())
	}
}

// Client is an HTTP client that keeps no connections, so that no goroutine of
// it outlives a test.
func Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}
