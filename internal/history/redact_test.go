package history

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRedact(t *testing.T) {
	in := `server:
  auth: keys
  admin_key: hunter22
timeouts: {connect: 3s, first_token: 30s, idle: 30s}
params: {max_tokens: 4096}
providers:
  openai:    {preset: openai, api_key: plainvalue, base_url: https://api.example/v1}
  anthropic: {preset: anthropic, api_key: ${env:ANTHROPIC_API_KEY}}   # api_key: old-value
  two:       {api_keys: [${env:A}, ${file:/run/b}]}
  three:     {api_keys: ["one,two", 'it''s', ${env:C}], region: eu}
  four:
    api_keys:
    - first-secret
    - "second secret"
    - ${env:D}
    region: eu
  five:
    password: 'quoted secret'
    "client_secret": "a \" b"
    private_key: |
      abc
        def:
      ghi
    private_key_file: /etc/key.pem
  six:
    headers:
      X-Team: search
      Authorization: ${env:AUTH}
    token: continued
      over two lines
    region: eu
  seven: {headers: {X-A: one, X-B: two}, weight: 3}
state: postgres://freehold:pa55@db.internal/freehold?sslmode=require
webhook: https://hooks.example/x?api_key=12345&a=b
note: the key sk-proj-abcdefghijklmnop1234 was here
cert: |
  -----BEGIN EC PRIVATE KEY-----
  AAAA
  -----END EC PRIVATE KEY-----
models: {llama-3.1-70b: {sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824}}
`
	want := `server:
  auth: keys
  admin_key: [redacted]
timeouts: {connect: 3s, first_token: 30s, idle: 30s}
params: {max_tokens: 4096}
providers:
  openai:    {preset: openai, api_key: [redacted], base_url: https://api.example/v1}
  anthropic: {preset: anthropic, api_key: ${env:ANTHROPIC_API_KEY}}   # api_key: [redacted]
  two:       {api_keys: [${env:A}, ${file:/run/b}]}
  three:     {api_keys: [redacted], region: eu}
  four:
    api_keys:
    - [redacted]
    - [redacted]
    - ${env:D}
    region: eu
  five:
    password: [redacted]
    "client_secret": [redacted]
    private_key: |
      [redacted]
        [redacted]
      [redacted]
    private_key_file: /etc/key.pem
  six:
    headers:
      X-Team: [redacted]
      Authorization: ${env:AUTH}
    token: [redacted]
      [redacted]
    region: eu
  seven: {headers: [redacted], weight: 3}
state: postgres://freehold:[redacted]@db.internal/freehold?sslmode=require
webhook: https://hooks.example/x?api_key=[redacted]&a=b
note: the key [redacted] was here
cert: |
  [redacted]
  [redacted]
  [redacted]
models: {llama-3.1-70b: {sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824}}
`
	if diff := cmp.Diff(want, Redact(in)); diff != "" {
		t.Error(diff)
	}
}

// TestRedactNeverShows: in whatever form YAML allows, a secret under a telling
// name is gone, and no line is lost.
func TestRedactNeverShows(t *testing.T) {
	names := rapid.SampledFrom([]string{"api_key", "apikey", "API-KEY", "password", "client_secret", "x-api-key", "auth_token", "Authorization", "credentials"})
	forms := rapid.SampledFrom([]string{
		"NAME: SECRET", "NAME:   SECRET # why", "NAME: 'SECRET'", `NAME: "SECRET"`, `"NAME": "SECRET"`, "- NAME: SECRET",
		"p: {a: 1, NAME: SECRET}", "p: {NAME: SECRET, a: 1}", `{"NAME":"SECRET"}`, "NAME: [SECRET, SECRET]", "NAME:\n  - SECRET", "NAME:\n- SECRET\n- SECRET",
		"NAME: |\n  SECRET", "NAME: >-\n  SECRET\n\n  SECRET", "NAME:\n  SECRET", "NAME: 'SECRET\n  SECRET'", "NAME: [\n  SECRET,\n  SECRET]",
		"NAME: {a: SECRET}", "NAME:\n  a:\n    b: SECRET", "# NAME: SECRET", "NAME: ${env:X}SECRET", "p: {NAME: ${env:X}SECRET}", "NAME: !!str SECRET", "NAME: &x SECRET",
	})
	secret := rapid.StringMatching(`[A-Za-z][A-Za-z0-9/+=._-]{5,30}`)
	rapid.Check(t, func(t *rapid.T) {
		s := secret.Draw(t, "secret") + "Zq7"
		text := strings.NewReplacer("NAME", names.Draw(t, "name"), "SECRET", s).Replace(forms.Draw(t, "form"))
		text = "before: 1\n" + text + "\nafter: 1\n"
		got := Redact(text)
		if strings.Contains(got, s) {
			t.Fatalf("the secret shows:\n%s", got)
		}
		if strings.Count(got, "\n") != strings.Count(text, "\n") || !strings.HasPrefix(got, "before: 1\n") || !strings.HasSuffix(got, "\nafter: 1\n") {
			t.Fatalf("more than the secret changed:\n%s", got)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("api_key: x\n")
	f.Add("a: {headers: {b: 'c")
	f.Fuzz(func(t *testing.T, text string) {
		if got := Redact(text); strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Errorf("the number of lines changed: %q became %q", text, got)
		}
	})
}
