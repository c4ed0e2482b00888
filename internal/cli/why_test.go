package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"freehold/internal/admin"
)

// TestWhyWords: each deployment of a plan has its reason, a redirect is called one,
// and no line is wider than 80 columns.
func TestWhyWords(t *testing.T) {
	var out bytes.Buffer
	p := &program{out: &out, getenv: func(string) string { return "" }}
	long := strings.TrimSpace(strings.Repeat("many words ", 15))
	p.printWhy(admin.WhyOut{
		Plan:       "one@a > two@b (fallback 1) > three@c (fallback 2, stays: conversation) | not four@d: lacks tools",
		Parameters: []string{long},
		Attempts: []admin.Attempt{
			{N: 1, Deployment: "one@a", Outcome: "failed", Fault: "malformed", Status: 307, Detail: long},
			{N: 2, Deployment: "two@b", Cause: "malformed", Outcome: "failed", Fault: "malformed", Status: 200},
			{N: 3, Deployment: "three@c", Cause: "malformed", Outcome: "ok", Status: 200},
		},
	})
	text := out.String()
	for _, want := range []string{
		"\n  1 one@a (model)\n  2 two@b (fallback 1)\n  3 three@c (fallback 2, stays: conversation)\n  not four@d: lacks tools\n",
		"\n1  one@a       -          failed   redirect    307 ",
		"\n2  two@b       redirect   failed   malformed   200 ",
		"\n3  three@c     malformed  ok       -           200 ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
