package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMisuse holds that a command line that cannot be meant ends with 2 before
// anything is opened or asked, and says what can be.
func TestMisuse(t *testing.T) {
	for line, want := range map[string]string{
		"chta":           `freehold has no command "chta"` + "\n  hint: did you mean freehold chat?",
		"keys lsit":      `freehold keys has no command "lsit"` + "\n  hint: did you mean freehold keys list?",
		"keys":           "freehold keys needs a command",
		"help chta":      "did you mean freehold chat?",
		"completion zhs": "did you mean freehold completion zsh?",
		"version now":    `freehold version takes no arguments, and "now" is one`,
		"why":            "freehold why needs REQUEST_ID",
		"why a b":        "freehold why takes REQUEST_ID, and these are 2 arguments",
		"why ''":         "freehold why is given an empty argument",
		"chat a b c":     "put a prompt with spaces between quotes",

		"usage --limti 5":                      "freehold usage has no flag --limti\n  hint: did you mean --limit?",
		"usage --json=maybe":                   `--json "maybe" is neither true nor false`,
		"usage --outcome flaied":               `--outcome "flaied" is not one of ok, partial, client_error, refused, shed, canceled, failed, unknown; did you mean "failed"?`,
		"usage --by nonsense":                  `--by "nonsense" is not one of workload, model, provider, key, tenant, outcome, day, hour`,
		"usage --by day,model --by day":        `--by "day" has day twice`,
		"usage --requests --by model":          "give one of them",
		"usage --limit 5":                      "--limit is for single requests",
		"usage --after x":                      "--after is for single requests",
		"usage --requests --limit -5":          `--limit "-5" is no whole number from 1 to 10000`,
		"usage --requests --limit 0":           "from 1 to 10000",
		"usage --requests --limit 10001":       "from 1 to 10000",
		"usage --requests --limit 1e3":         "from 1 to 10000",
		"usage --since yesterday":              `--since "yesterday" is no time: give 24h, 7d, 2026-01-31 or 2026-01-31T15:04:05Z`,
		"usage --until -3h":                    `--until "-3h" is no time`,
		"usage --since ''":                     `--since "" is no time`,
		"usage --workload ''":                  "--workload is given an empty value",
		"capture erase --workload w --user ''": "--user is given an empty value",
		"capture list --limit x":               "from 1 to 10000",
		"history list --kind key.crate":        `did you mean "key.create"?`,
		"history list --limit -1":              "from 1 to 10000",
		"history show x":                       `"x" is not the number of a change`,

		"keys create x --rpm -1":         `--rpm "-1" is no whole number of at least 0`,
		"keys create x --tpm many":       `--tpm "many" is no whole number of at least 0`,
		"keys create x --concurrent 1.5": `--concurrent "1.5" is no whole number of at least 0`,
		"keys create x --expires 0h":     `--expires "0h" has passed already`,
		"keys create x --expires -1h":    `--expires "-1h" is no time`,
		"keys create x --workload ''":    "--workload is given an empty value",
		"keys create x --workload a,,b":  "--workload is given an empty value",
		"keys create x --tag ''":         "--tag is given an empty value",
		"keys rotate x --overlap -1h":    `--overlap "-1h" is no length of time: give 500ms, 30s, 24h or 7d`,

		"chat hi --max-tokens -1":                        `--max-tokens "-1" is no whole number of at least 0`,
		"chat hi --url 127.0.0.1:4000":                   `--url "127.0.0.1:4000" is no base URL: give http://HOST:PORT or https://HOST`,
		"chat hi --data-class ''":                        "--data-class is given an empty value",
		"chat w hi --url http://127.0.0.1:1 --key 'a b'": "the key holds a character that no key has",
		"explain w hi --dialect opnai":                   `did you mean "openai"?`,
		"explain w .":                                    `"." cannot be read as a prompt or a request`,
		"bench -c 0":                                     `--concurrency "0" is no whole number from 1 to 10000`,
		"bench -d 5":                                     `--duration "5" is no length of time`,
		"bench -n -1":                                    `--requests "-1" is no whole number of at least 0`,
		"bench --rest 0 -d 0":                            "leave nothing to measure",
		"bench --prompt ''":                              "--prompt is given an empty value",
		"engine run --port 99999":                        `--port "99999" is no whole number from 0 to 65535`,
		"engine run --gpu-layers -2":                     `--gpu-layers "-2" is no whole number from -1 to 10000`,
		"engine install hf:x":                            "the file in the repository is missing",
		"engine install no.gguf":                         `there is no file "no.gguf"`,
		"mock --listen 9001":                             `--listen "9001" is no address: give HOST:PORT`,
		"mock --listen 127.0.0.1:x":                      "is no address",
		"mock --profile opena":                           `did you mean "openai"?`,
		"mock --chunks word":                             `did you mean "words"?`,
		"mock --fault 429@x":                             "cannot read the condition @x: it is one of @3, @3+",
		"mock --fault ''":                                "--fault is given an empty value",
		"mock --seed -1":                                 `--seed "-1" is no whole number of at least 0`,
		"mock --speed NaN --replay x":                    `--speed "NaN" is no number of at least 0`,
		"mock --speed 2":                                 "--speed is for a replay",
		"mock --record x":                                "--upstream URL",
		"mock --upstream ftp://x --record y":             "is no base URL",
		"check --config ''":                              "--config is given an empty value",
	} {
		p, out := tester()
		p.configFlag = filepath.Join(t.TempDir(), "config.yaml")
		var said bytes.Buffer
		p.err = &said
		if code := p.run(t.Context(), shell(line)); code != 2 || !strings.Contains(unfolded(said.String()), unfolded(want)) || out.Len() > 0 {
			t.Errorf("freehold %s: exit %d, said %q and %q, want %q", line, code, out, &said, want)
		}
	}
}

// unfolded is a text in one line, however it was folded.
func unfolded(s string) string { return strings.Join(strings.Fields(s), " ") }

// shell splits a line at spaces, those between single quotes apart.
func shell(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		switch {
		case i%2 == 1:
			out = append(out, part)
		default:
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// TestFlagValues reads what is right.
func TestFlagValues(t *testing.T) {
	var n int
	var d time.Duration
	var url, at string
	var list []string
	for _, c := range []struct {
		set  func(string) error
		text string
		got  func() any
		want any
	}{
		{whole(&n, -1, 5).Set, "-1", func() any { return n }, -1},
		{span(&d).Set, "7d", func() any { return d }, 7 * 24 * time.Hour},
		{span(&d).Set, "0", func() any { return d }, time.Duration(0)},
		{base(&url, "/v1").Set, "http://127.0.0.1:4000/v1/", func() any { return url }, "http://127.0.0.1:4000"},
		{base(&url, "/v1").Set, "https://gateway.example/llm/", func() any { return url }, "https://gateway.example/llm"},
		{address(&at).Set, "[::1]:0", func() any { return at }, "[::1]:0"},
		{newChoices(&list, "a", "b", "c").Set, "a, c", func() any { return strings.Join(list, "+") }, "a+c"},
	} {
		if err := c.set(c.text); err != nil || c.got() != c.want {
			t.Errorf("%q is read as %v, %v, want %v", c.text, c.got(), err, c.want)
		}
	}
}
