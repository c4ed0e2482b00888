package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: noise of a test that passes\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    a_test.go:9: no engine here\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    a_test.go:12: got 1, want 2\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"--- FAIL: TestC (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Test":"TestD","Output":"    a_test.go:20: not run on this system\n"}
{"Action":"skip","Package":"p","Test":"TestD"}
{"Action":"output","Package":"p","Test":"TestE","Output":"panic: boom\n"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
# q
q/b.go:1: does not build
{"Action":"output","Package":"r","Output":"PASS\n"}
{"Action":"output","Package":"r","Output":"ok  \tr\t0.2s\n"}
{"Action":"pass","Package":"r"}
`

func TestReport(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	if err := each(strings.NewReader(events), r.add); err != nil {
		t.Fatal(err)
	}
	bad := r.close(map[string]string{"p TestD": "needs macOS"}, true)
	want := `    a_test.go:12: got 1, want 2
--- FAIL: TestC (0.00s)
FAIL
FAIL	p	0.1s
# q
q/b.go:1: does not build
ok  	r	0.2s
panic: boom
skipped: p TestB: no engine here [not allowed in CI]
skipped: p TestD: not run on this system [allowed: needs macOS]
tests: 1 passed, 1 failed, 2 skipped
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("output (-want +got):\n%s", d)
	}
	if bad != 1 {
		t.Errorf("%d skips not allowed, want 1", bad)
	}
	if n := r.close(nil, false); n != 0 {
		t.Errorf("outside of CI %d skips are not allowed, want 0", n)
	}
}

func TestReadAllowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skips.txt")
	if err := os.WriteFile(file, []byte("# why\n\np TestA only on macOS # note\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readAllowed(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"p TestA": "only on macOS"}, got); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile(file, []byte("p TestA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readAllowed(file); err == nil || !strings.Contains(err.Error(), "skips.txt:1: want PACKAGE TEST REASON") {
		t.Errorf("without a reason: %v", err)
	}
}
