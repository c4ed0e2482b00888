package config_test

import (
	"io/fs"
	"testing"

	"freehold/internal/config"
)

// The state is found in files that are wrong elsewhere, or are not even YAML.
func TestStateOf(t *testing.T) {
	const usual = "sqlite:freehold.db"
	for name, tc := range map[string]struct{ text, want string }{
		"no file":         {"", usual},
		"nothing said":    {"models: {m: {provider: gone}}\n", usual},
		"wrong elsewhere": {"models: {m: {provider: gone}}\nstate: sqlite:a.db\n", "sqlite:a.db"},
		"a variable":      {"nonsense: 1\nstate: 'sqlite:${env:DIR}/a.db' # there\n", "sqlite:here/a.db"},
		"not YAML":        {"models: {m: [\nstate: sqlite:a b.db  # there\n", "sqlite:a b.db"},
		"not YAML, \"\"":  {"models: {m: [\r\nstate : \"sqlite:a.db\"\r\n", "sqlite:a.db"},
		"not YAML, ''":    {"models: {m: [\nstate: 'sqlite:${env:DIR}/a#.db'\n", "sqlite:here/a#.db"},
		"not YAML, deep":  {"models: {m: [\n  state: sqlite:a.db\n", usual},
		"a bad reference": {"state: 'sqlite:${env:GONE}'\n", ""},
		"a copy unknown":  {"server: {history: {checkpoint_copy: '${env:GONE}'}}\n", ""},
		"another store":   {"state: postgres:x\n", usual},
		"a map":           {"state: {sqlite: a.db}\n", usual},
	} {
		cfg := config.StateOf("config.yaml", config.Env{
			LookupEnv: func(name string) (string, bool) { return "here", name == "DIR" },
			ReadFile: func(string) ([]byte, error) {
				if tc.text == "" {
					return nil, fs.ErrNotExist
				}
				return []byte(tc.text), nil
			},
		})
		if cfg == nil {
			if tc.want != "" {
				t.Errorf("%s: no place, want %q", name, tc.want)
			}
			continue
		}
		if cfg.State != tc.want || cfg.Resolve("x") != "x" {
			t.Errorf("%s: %q, want %q", name, cfg.State, tc.want)
		}
	}
}
