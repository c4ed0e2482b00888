package leaktest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// A goroutine that ends later than goleak alone would wait is no leak; one that
// stays is, and is named.
func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := goleak.IgnoreCurrent()
		go time.Sleep(patience / 2)
		if err := find(others); err != nil {
			t.Error(err)
		}
		stop := make(chan struct{})
		go stays(stop)
		if err := find(others); err == nil || !strings.Contains(err.Error(), "leaktest.stays") {
			t.Errorf("a leak: %v", err)
		}
		close(stop)
	})
}

func stays(stop chan struct{}) { <-stop }
