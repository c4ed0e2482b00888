// Package e2e proves on the whole program what freehold promises: that nobody
// notices a provider's failure, that nothing is lost when freehold is killed,
// that a reload drops no request, and that bounds, perimeter and secrets hold.
//
// Most tests serve within the test binary, as `freehold serve` does. Those that
// kill, starve or measure a process build the program and run it.
package e2e

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"freehold/internal/engine"
)

func TestMain(m *testing.M) {
	engine.RunSupervisorIfAsked() // the engines' supervisor is this program again
	code := m.Run()
	if program.dir != "" {
		if err := os.RemoveAll(program.dir); err != nil {
			println(err.Error())
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println("goroutines are left after all servers have stopped:\n" + err.Error())
			code = 1
		}
	}
	os.Exit(code)
}
