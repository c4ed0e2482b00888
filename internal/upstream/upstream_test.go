package upstream_test

import (
	"testing"

	"freehold/internal/upstream/upstreamtest"
)

func TestPlain(t *testing.T) { upstreamtest.Run(t, upstreamtest.Carrier{Strict: true}) }

func TestTLS(t *testing.T) { upstreamtest.Run(t, upstreamtest.Carrier{Secure: true}) }
