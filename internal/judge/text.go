package judge

import (
	"errors"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"

	"freehold/internal/cascade"
)

var errNoTexts = errors.New("the expected answer has no texts to compare with")

// exact compares byte by byte.
type exact struct{}

func (exact) fits(w *Expected) error {
	if len(w.Texts) == 0 {
		return errNoTexts
	}
	return nil
}

func (exact) unusable(a *Answer) string { return noText(a) }

func (m exact) against(a *Answer, w *Expected) finding {
	for _, t := range w.Texts {
		if a.Text == t {
			return finding{score: 1}
		}
	}
	return yes(false, "is not what is expected", "%.60q for %.60q", a.Text, w.Texts[0])
}

func (exact) agree(a, b *Answer) finding {
	return yes(a.Text == b.Text, "the texts differ", "%.60q and %.60q", a.Text, b.Text)
}

// noText is for kinds that read the text: calls of tools alone are nothing to
// them.
func noText(a *Answer) string {
	if strings.TrimSpace(a.Text) == "" {
		return "has no text"
	}
	return ""
}

// normalised compares what texts say, not how they write it.
type normalised struct{ choices bool }

func (normalised) fits(w *Expected) error { return exact{}.fits(w) }

func (normalised) unusable(a *Answer) string { return noText(a) }

func (m normalised) against(a *Answer, w *Expected) finding {
	for _, t := range w.Texts {
		if m.same(a.Text, t) {
			return finding{score: 1}
		}
	}
	return yes(false, "does not say what is expected", "%.60q for %.60q", a.Text, w.Texts[0])
}

func (m normalised) agree(a, b *Answer) finding {
	return yes(m.same(a.Text, b.Text), "they do not say the same", "%.60q and %.60q", a.Text, b.Text)
}

func (m normalised) same(a, b string) bool {
	x, y := keyOf(a), keyOf(b)
	if x == y {
		return true
	}
	if !m.choices && !bare(x) && !bare(y) {
		return false
	}
	// Who answers with a letter means the choice of that letter.
	l, r := choiceOf(a), choiceOf(b)
	return l != "" && l == r
}

// keyOf is what a text says: that of [cascade.Key], with one form for each
// character. Not the compatibility forms, which would make x² the same as x2.
// What is too long or says nothing there is compared by its words.
func keyOf(text string) string {
	text = norm.NFC.String(text)
	if k := cascade.Key(text, false); k != "" {
		return k
	}
	return "words " + strings.Join(strings.Fields(strings.ToLower(text)), " ")
}

// bare reports the key of a text that is a letter of a choice and nothing else.
func bare(key string) bool {
	letter, ok := strings.CutPrefix(key, "text ")
	return ok && len(letter) == 1 && letter[0] >= 'a' && letter[0] <= 'j'
}

var (
	// A letter that an answer comes to: "The answer is (B)", "Answer: B. Paris".
	concluded = regexp.MustCompile(`(?:\b(?i:answer|choice|option|antwort|réponse|respuesta|risposta|resposta)(?i:\s+(?:is|ist|lautet|est|es|è|é))?\s*:?\s*[*_("\[]*|\\boxed\{\s*)([A-J])(?:[)\].:,;*_"}\s]|$)`)
	// A letter that an answer begins with: "B) Paris", "(B)", "**B**".
	begun = regexp.MustCompile(`^[\s*_("\[]*([A-Ja-j])[*_"]*(?:[)\].:]|\s*$)`)
)

// choiceOf is the letter of the choice that a text makes, empty for none. Of
// several conclusions the last counts.
func choiceOf(text string) string {
	if all := concluded.FindAllStringSubmatch(text, -1); len(all) > 0 {
		return all[len(all)-1][1]
	}
	if m := begun.FindStringSubmatch(text); m != nil {
		return strings.ToUpper(m[1])
	}
	return ""
}
