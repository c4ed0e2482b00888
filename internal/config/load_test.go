package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testCatalog knows a few presets, enough for every rule.
type testCatalog struct{}

func (testCatalog) PresetNames() []string {
	return []string{"anthropic", "mistral", "ollama", "openai", "tei", "together", "vllm"}
}

func (testCatalog) Preset(name string) (PresetInfo, bool) {
	p, ok := map[string]PresetInfo{
		"anthropic": {BaseURL: "https://api.anthropic.com", Dialect: DialectAnthropic, Hosting: HostingAPI, Jurisdiction: "US", NeedsKey: true, KeyEnv: "ANTHROPIC_API_KEY", Owns: []string{"claude-"}},
		"mistral":   {BaseURL: "https://api.mistral.ai/v1", Dialect: DialectOpenAI, Hosting: HostingAPI, Jurisdiction: "EU", Region: "eu-west-1", NeedsKey: true, KeyEnv: "MISTRAL_API_KEY"},
		"openai":    {BaseURL: "https://api.openai.com/v1", Dialect: DialectOpenAI, Hosting: HostingAPI, Jurisdiction: "US", NeedsKey: true, KeyEnv: "OPENAI_API_KEY", KeyHeader: "Authorization", Owns: []string{"gpt-", "o1"}},
		"together":  {BaseURL: "https://api.together.xyz/v1", Dialect: DialectOpenAI, Hosting: HostingAPI, Jurisdiction: "US", NeedsKey: true, KeyEnv: "TOGETHER_API_KEY", Continuation: ContinuationPrefill},
		"tei":       {BaseURL: "http://127.0.0.1:3000/v1", Dialect: DialectOpenAI, Hosting: HostingSelf},
		"ollama":    {BaseURL: "http://127.0.0.1:11434/v1", Dialect: DialectOpenAI, Hosting: HostingSelf},
		"vllm":      {Dialect: DialectOpenAI, Continuation: ContinuationPrefill},
	}[name]
	return p, ok
}

func (testCatalog) Answers(places []Place) map[Place]Listed {
	out := map[Place]Listed{}
	for _, p := range places {
		if p.ID == "gpt-4o" {
			out[p] = Listed{Output: decimal.NewNullDecimal(decimal.New(1, -5)), MaxTokens: 16384}
		}
	}
	return out
}

// testEnv has a few variables and files and nothing of the real machine.
func testEnv() Env {
	vars := map[string]string{
		"OPENAI_API_KEY": "openai-value", "ANTHROPIC_API_KEY": "anthropic-value", "MISTRAL_API_KEY": "mistral-value",
		"TOGETHER_API_KEY": "together-value", "ADMIN_KEY": "admin-value", "EMPTY": "", "PORT": "8081", "HOST": "vllm.internal", "BAD": "not-a-duration",
	}
	files := map[string]string{
		"/run/secrets/anthropic": "anthropic-from-file\n", "/run/secrets/empty": "\n", "testdata/beside": "beside-value\n",
		"/run/secrets/binary": "a\x00b", "testdata/prompts/chat.llama.txt": "\ufeffYou are V.\n\n", "prompts/v.txt": "You are V.",
	}
	return Env{
		LookupEnv: func(n string) (string, bool) { v, ok := vars[n]; return v, ok },
		ReadFile: func(p string) ([]byte, error) {
			if s, ok := files[filepath.ToSlash(p)]; ok {
				return []byte(s), nil
			}
			return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
		},
		Exists: func(p string) error {
			if strings.Contains(p, "missing") {
				return &fs.PathError{Op: "stat", Path: p, Err: fs.ErrNotExist}
			}
			return nil
		},
		Catalog: testCatalog{},
	}
}

// TestFixtures loads every testdata/*.good.yml, which must have no errors,
// and every *.bad.yml, which must have some. What each prints is held, to the
// letter, by testdata/diagnostics.golden.
func TestFixtures(t *testing.T) {
	var got strings.Builder
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		cfg, ds := Parse(f, src, testEnv())
		bad := strings.HasSuffix(f, ".bad.yml")
		if (ds.Err() != nil) != bad || (cfg == nil) != bad {
			t.Errorf("%s: config %v, errors:\n%v", f, cfg != nil, ds.Err())
		}
		fmt.Fprintf(&got, "=== %s\n", filepath.Base(f))
		if _, err := ds.WriteTo(&got); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "testdata/diagnostics.golden", got.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

func TestLoadReportsUnreadableFile(t *testing.T) {
	for err, want := range map[error]string{
		fs.ErrNotExist:       "c.yaml: cannot read the configuration: no such file",
		fs.ErrPermission:     "c.yaml: cannot read the configuration: permission denied",
		errors.New("sudden"): "c.yaml: cannot read the configuration: sudden",
	} {
		env := testEnv()
		env.ReadFile = func(p string) ([]byte, error) { return nil, &fs.PathError{Op: "open", Path: p, Err: err} }
		cfg, ds := Load("c.yaml", env)
		if cfg != nil || !strings.HasPrefix(ds.String(), want) {
			t.Errorf("got %v %q, want %q", cfg, ds, want)
		}
	}
}
