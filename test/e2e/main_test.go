// Package e2e proves on the whole program what freehold promises: that nobody
// notices a provider's failure, that nothing is lost when freehold is killed,
// that a reload drops no request, and that bounds, perimeter and secrets hold.
//
// Most tests serve within the test binary, as `freehold serve` does. Those that
// kill, starve or measure a process build the program and run it.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"freehold/internal/engine"
	"freehold/internal/leaktest"
)

func TestMain(m *testing.M) {
	engine.RunSupervisorIfAsked() // the engines' supervisor is this program again
	leaktest.Main(tidy{m})
}

// tidy runs the tests and then removes the program that they have built.
type tidy struct{ m *testing.M }

func (r tidy) Run() int {
	code := r.m.Run()
	if program.dir != "" {
		if err := os.RemoveAll(program.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(code, 1)
		}
	}
	return code
}
