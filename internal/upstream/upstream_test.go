package upstream_test

import (
	"testing"

	"go.uber.org/goleak"

	"freehold/internal/upstream/upstreamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlain(t *testing.T) { upstreamtest.Run(t, upstreamtest.Carrier{Strict: true}) }

func TestTLS(t *testing.T) { upstreamtest.Run(t, upstreamtest.Carrier{Secure: true}) }
