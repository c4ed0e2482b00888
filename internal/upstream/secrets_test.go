package upstream_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"freehold/internal/upstream"
)

// A provider that repeats our secrets in its answer does not spread them.
func TestHide(t *testing.T) {
	s := upstream.NewSecrets("sk-secret-1", "Bearer to/ken+12", `quo"ted\secret`, "sk-secret-1-longer", "short", "")
	for text, want := range map[string]string{
		"bad key sk-secret-1, sk-secret-1": "bad key [secret], [secret]",
		"sk-secret-1-longer":               "[secret]",
		"Authorization: Bearer to/ken+12":  "Authorization: [secret]",
		"token to/ken+12":                  "token [secret]",
		`{"token":"to\/ken+12"}`:           `{"token":"[secret]"}`,
		"?token=to%2Fken%2B12":             "?token=[secret]",
		`{"x":"quo\"ted\\secret"}`:         `{"x":"[secret]"}`,
		"short Bearer":                     "short Bearer",
		"":                                 "",
	} {
		if got := s.Hide(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := (upstream.Secrets{}).Hide("sk-secret-1"); got != "sk-secret-1" {
		t.Errorf("without secrets: %q", got)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s)
	fmt.Fprintf(&log, "%v %+v %#v %+v", s, s, s, struct{ s upstream.Secrets }{s})
	if strings.Contains(log.String(), "sk-secret") {
		t.Errorf("printed: %s", log.String())
	}
}
