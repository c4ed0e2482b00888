// Package leaktest fails tests that leave goroutines behind. It waits for those
// that are about to end: on a starved machine they need longer than goleak
// gives them.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a goroutine may take to end.
const patience = time.Minute

// Runner is a *testing.M, or one that cleans up after its tests.
type Runner interface{ Run() int }

// Main is for a package's TestMain: it runs the tests and exits.
func Main(m Runner) {
	code := m.Run()
	if code == 0 {
		if err := find(); err != nil {
			fmt.Fprintln(os.Stderr, "the tests have passed, but leave goroutines behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// None is for the end of one test; options say which goroutines are not its.
func None(t testing.TB, options ...goleak.Option) {
	t.Helper()
	if err := find(options...); err != nil {
		t.Error(err)
	}
}

func find(options ...goleak.Option) error {
	begun := time.Now()
	for {
		err := goleak.Find(options...) // it waits a little by itself
		if err == nil || time.Since(begun) > patience {
			return err
		}
	}
}
