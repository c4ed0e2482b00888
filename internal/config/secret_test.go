package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const hush = "hunter22-the-secret"

// TestSecretNeverPrints tries every way a value usually reaches a log.
func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret(hush)
	type holder struct {
		S    Secret
		P    *Secret
		M    map[string]Secret
		List []Secret
		own  Secret
		ptr  *Secret
	}
	h := holder{s, &s, map[string]Secret{"k": s}, []Secret{s}, s, &s}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%e", "%T", "%10.3s", "%08b"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", h)
	}
	fmt.Fprintln(&out, s, &s, h, fmt.Errorf("wrapped: %v", s))
	for _, v := range []any{s, &s, h, map[Secret]int{s: 1}} {
		js, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(js)
	}
	y, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(y)
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("m", "s", s, "p", &s, "h", h)
	}
	if strings.Contains(out.String(), "hunter") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter")) {
		t.Errorf("a secret was printed:\n%s", out.String())
	}
	if !s.Equal(NewSecret(hush)) || s.Equal(NewSecret("x")) || s.Reveal() != hush || !s.IsSet() || (Secret{}).IsSet() {
		t.Error("Reveal or IsSet is wrong")
	}
}

func TestSecretKeepsItsReference(t *testing.T) {
	cfg, ds := Parse("c.yaml", []byte("server: {admin_key: ${env:ADMIN_KEY}}\nproviders:\n  a: {preset: anthropic, api_key: \"${file:/run/secrets/anthropic}\"}\n  o: {preset: openai, headers: {authorization: \"Bearer ${file:testdata/beside}\"}}\n"), testEnv())
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	k := cfg.Server.AdminKey
	if k.Reveal() != "admin-value" || k.Reference() != "${env:ADMIN_KEY}" || k.String() != "${env:ADMIN_KEY}" {
		t.Errorf("got %s", k)
	}
	if got := cfg.Providers["o"].Headers["authorization"].Reveal(); got != "Bearer beside-value" {
		t.Errorf("got %q", got)
	}
	if got := fmt.Sprint(cfg.Files()); got != "[/run/secrets/anthropic testdata/beside]" {
		t.Errorf("files %s", got)
	}
}

// TestRedact: no literal secret survives, wherever it stands and however the
// file is broken; references and everything else do.
func TestRedact(t *testing.T) {
	tests := map[string]struct{ src, want string }{
		"plain":            {"providers:\n  a: {api_key: hunter22-the-secret, preset: x} # c\n", "providers:\n  a: {api_key: \"[secret]\", preset: x} # c\n"},
		"quoted":           {"server: {admin_key: 'hunter22-the-secret'}\n", "server: {admin_key: \"[secret]\"}\n"},
		"list":             {"providers: {a: {api_keys: [hunter22-the-secret, ${env:X}]}}\n", "providers: {a: {api_keys: [\"[secret]\", ${env:X}]}}\n"},
		"header":           {"providers: {a: {headers: {x-odd: hunter22-the-secret, x-title: Shop}}}\n", "providers: {a: {headers: {x-odd: \"[secret]\", x-title: Shop}}}\n"},
		"anchor":           {"providers:\n  a: {api_key: &k hunter22-the-secret}\n  b: {api_key: *k}\n", "providers:\n  a: {api_key: &k \"[secret]\"}\n  b: {api_key: *k}\n"},
		"repeated":         {"# was hunter22-the-secret\nserver: {admin_key: hunter22-the-secret}\n", "# was \"[secret]\"\nserver: {admin_key: \"[secret]\"}\n"},
		"comment":          {"# api_key: hunter22-the-secret\nstate: sqlite:x\n", "# api_key: \"[secret]\"\nstate: sqlite:x\n"},
		"shape in comment": {"state: sqlite:x # sk-abcdefghijklmnopqrstu\n", "state: sqlite:x # \"[secret]\"\n"},
		"address":          {"providers: {a: {proxy: \"http://me:hunter22-the-secret@p:1\"}}\n", "providers: {a: {proxy: \"[secret]\"}}\n"},
		"in state":         {"state: postgres://me:hunter22-the-secret@h/d\n", "state: postgres://me:[secret]@h/d\n"},
		"plain proxy":      {"providers: {a: {proxy: \"http://p:1\"}}\n", "providers: {a: {proxy: \"http://p:1\"}}\n"},
		"unknown key":      {"providers: {a: {apikey: hunter22-the-secret}}\n", "providers: {a: {apikey: \"[secret]\"}}\n"},
		"wrong type":       {"providers: {a: {api_key: {k: hunter22-the-secret}}}\n", "providers: {a: {api_key: {k: \"[secret]\"}}}\n"},
		"block":            {"server:\n  admin_key: |\n    hunter22-the-secret\n", "server:\n  admin_key: [secret]\n    \"[secret]\"\n"},
		"broken yaml":      {"providers: {a: {api_key: hunter22-the-secret\n", "providers: {a: {api_key: \"[secret]\"\n"},
		"broken list":      {"providers: {a: {api_keys: [hunter22-the-secret, x\n", "providers: {a: {api_keys: [\"[secret]\"\n"},
		"reference":        {"server: {admin_key: ${env:FREEHOLD_ADMIN_KEY}}\n", "server: {admin_key: ${env:FREEHOLD_ADMIN_KEY}}\n"},
		"no secret":        {"timeouts: {first_token: 30s}\n", "timeouts: {first_token: 30s}\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := string(Redact([]byte(tt.src)))
			if strings.Contains(got, "hunter") {
				t.Errorf("the secret is still there: %q", got)
			}
			if name != "block" && got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			_, ds := Parse("c.yaml", []byte(tt.src), testEnv())
			js, err := json.Marshal(ds)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(ds.String(), "hunter") || bytes.Contains(js, []byte("hunter")) {
				t.Errorf("a diagnostic shows the secret: %v", ds)
			}
			if d := Diff("c.yaml", []byte("state: sqlite:y\n"), []byte(tt.src)); strings.Contains(d, "hunter") {
				t.Errorf("a diff shows the secret: %s", d)
			}
		})
	}
	if got := string(Redact([]byte{0xff, 'h', 'u', 'n', 't', 'e', 'r'})); strings.Contains(got, "hunter") {
		t.Errorf("unreadable text is shown: %q", got)
	}
}
