package suggest

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	names := []string{"chat", "check", "support-chat", "llama-3.1-70b", "größe"}
	for word, want := range map[string]string{
		"chta": "chat", "hcat": "chat", "cha": "chat", "chatt": "chat", "cxat": "chat", "CHAT": "chat",
		"suport-chta": "support-chat", "llama3.1-70B": "llama-3.1-70b", "größé": "größe", "grösße": "größe",
		"": "", "cx": "", "tach": "", "something else": "", strings.Repeat("chat", 80): "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := Nearest("c", []string{"a", "b"}); got != "a" {
		t.Errorf("of two that are as near: %q", got)
	}
}

func TestHint(t *testing.T) {
	few, many := []string{"fallbacks", "model"}, strings.Split(strings.Repeat("name,", 20), ",")
	for word, want := range map[string]string{
		"modle": `did you mean "model"?`, "fallback": `did you mean "fallbacks"?`, "MODEL": `did you mean "model"?`, "xyz": "one of fallbacks, model",
	} {
		if got := Hint(word, few); got != want {
			t.Errorf("%s: %s", word, got)
		}
	}
	if got := Hint("xyz", many); got != "" {
		t.Errorf("many names: %s", got)
	}
	if got := Hint("xyz", nil); got != "" {
		t.Errorf("no names: %s", got)
	}
}

// TestDistance holds what a distance is, and that a random edit, a swap of
// neighbours included, counts as one.
func TestDistance(t *testing.T) {
	word := rapid.SliceOfN(rapid.RuneFrom([]rune("abcé")), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) {
			t.Errorf("%q to %q is %d, and back %d", string(a), string(b), d, distance(b, a))
		}
		if (d == 0) != slices.Equal(a, b) {
			t.Errorf("%q and %q are %d apart", string(a), string(b), d)
		}
		if least := max(len(a)-len(b), len(b)-len(a)); d < least || d > max(len(a), len(b)) {
			t.Errorf("%q and %q are %d apart", string(a), string(b), d)
		}
		if len(a) < 2 {
			return
		}
		i := rapid.IntRange(0, len(a)-2).Draw(t, "i")
		edited := slices.Clone(a)
		switch rapid.IntRange(0, 2).Draw(t, "edit") {
		case 0:
			edited[i], edited[i+1] = edited[i+1], edited[i]
		case 1:
			edited = slices.Delete(edited, i, i+1)
		case 2:
			edited[i] = 'x'
		}
		if d := distance(a, edited); d > 1 {
			t.Errorf("%q is %d edits from %q", string(edited), d, string(a))
		}
	})
}
