package upstream

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// Secrets are texts that nobody may see, whatever a provider answers: its keys
// and what else it is sent to know us by. Printing or logging them shows
// nothing.
type Secrets struct {
	hide *strings.Replacer // nil: none
}

// minHidden is the shortest secret that is looked for: a shorter one would be
// found in ordinary words.
const minHidden = 8

// NewSecrets makes the texts unseen, in each form in which an answer may repeat
// them: whole, without the scheme before it ("Bearer TOKEN"), and as JSON or a
// URL writes them.
func NewSecrets(texts ...string) Secrets {
	var forms []string
	for _, t := range texts {
		words := []string{t}
		if f := strings.Fields(t); len(f) == 2 {
			words = append(words, f[1])
		}
		for _, word := range words {
			quoted, _ := json.Marshal(word) // a string always has JSON
			inner := string(quoted[1 : len(quoted)-1])
			forms = append(forms, word, inner, strings.ReplaceAll(inner, "/", `\/`), url.QueryEscape(word))
		}
	}
	forms = slices.DeleteFunc(forms, func(s string) bool { return len(s) < minHidden })
	// A Replacer prefers what comes first: the longest, so that no rest is left.
	slices.SortFunc(forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var pairs []string
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, "[secret]")
	}
	if len(pairs) == 0 {
		return Secrets{}
	}
	return Secrets{strings.NewReplacer(pairs...)}
}

// Hide returns text with every secret replaced that a provider has repeated.
func (s Secrets) Hide(text string) string {
	if s.hide == nil {
		return text
	}
	return s.hide.Replace(text)
}

// String shows nothing.
func (s Secrets) String() string { return "[secrets]" }

// GoString keeps the texts out of %#v.
func (s Secrets) GoString() string { return s.String() }

// LogValue keeps the texts out of logs.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }
