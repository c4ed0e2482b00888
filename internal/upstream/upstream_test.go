package upstream_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"freehold/internal/upstream"
	"freehold/internal/upstream/upstreamtest"
)

func TestMain(m *testing.M) {
	if upstream.BenchServe() {
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestPlain(t *testing.T) { upstreamtest.Run(t, upstreamtest.Carrier{Strict: true}) }

func TestTLS(t *testing.T) { upstreamtest.Run(t, upstreamtest.Carrier{Secure: true}) }
