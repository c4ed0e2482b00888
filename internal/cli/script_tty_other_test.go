//go:build !linux

package cli_test

import "github.com/rogpeppe/go-internal/testscript"

// tty is for Linux: scripts that use it stop elsewhere.
func tty(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("there are no terminals here") }

func withTerminal(*testscript.Env) {}
