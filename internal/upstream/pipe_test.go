//go:build unix

package upstream_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"freehold/internal/regular"
	"freehold/internal/upstream"
)

// A pipe where a certificate should be is refused: reading it would block a
// reload for ever.
func TestNoPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.pem")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]upstream.TLSConfig{
		"ca": {CAFile: pipe}, "cert": {CertFile: pipe, KeyFile: pipe},
	} {
		_, err := upstream.New(upstream.Target{Provider: "p", BaseURL: "https://127.0.0.1:1", TLS: c})
		if !errors.Is(err, regular.ErrIrregular) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
