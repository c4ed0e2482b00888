package cascade

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Agree reports whether all answers say the same. wantJSON: the request asked
// for JSON. An answer that says nothing agrees with none.
func Agree(answers []string, wantJSON bool) bool {
	first := ""
	for i, a := range answers {
		k := Key(a, wantJSON)
		if k == "" || i > 0 && k != first {
			return false
		}
		first = k
	}
	return len(answers) > 1
}

// Key is what an answer says, without how it says it: two answers agree where
// their keys are the same. It is "" for an answer that says nothing, or that is
// not the JSON that was asked for.
//
// Of JSON it is the value. Of text, case, white space, punctuation around words,
// markdown, articles and phrases such as "the answer is" do not count. What could
// change the meaning does: signs, units, order, any other word. Answers that mean
// the same may therefore have different keys; that costs a request of the strong
// model, where the other mistake would cost a wrong answer.
func Key(answer string, wantJSON bool) string {
	if len(answer) > longest {
		return ""
	}
	text := unfence(strings.TrimSpace(answer))
	if key, ok := jsonKey(text); ok && (wantJSON || key[0] == '{' || key[0] == '[') {
		return "json " + key
	}
	if wantJSON {
		return ""
	}
	if boxed := lastBoxed(text); boxed != "" {
		text = boxed
	}
	said := number(withoutArticles(conclusion(wordsOf(text))))
	if len(said) == 0 {
		return ""
	}
	return "text " + strings.ReplaceAll(strings.Join(said, " "), " = ", "=")
}

// longest is the longest answer that is compared, in bytes: what is longer is
// never written twice in the same words.
const longest = 64 << 10

// unfence takes the text out of a markdown fence that is all of it.
func unfence(s string) string {
	if !strings.HasPrefix(s, "```") || !strings.HasSuffix(s, "```") || len(s) < 6 {
		return s
	}
	inner := s[3 : len(s)-3]
	if strings.Contains(inner, "```") {
		return s
	}
	if at := strings.IndexByte(inner, '\n'); at >= 0 && !strings.ContainsAny(inner[:at], " \t{[") {
		inner = inner[at+1:] // the language's name
	}
	return strings.TrimSpace(inner)
}

// lastBoxed is the content of the last \boxed{} of an answer in LaTeX, "" for
// none.
func lastBoxed(s string) string {
	const mark = `\boxed{`
	at := strings.LastIndex(s, mark)
	if at < 0 {
		return ""
	}
	rest, depth := s[at+len(mark):], 1
	for i := range len(rest) {
		switch rest[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return rest[:i]
			}
		}
	}
	return ""
}

// word is a word of an answer.
type word struct {
	text  string // as it is compared
	mark  rune   // of punctuation behind it, 0 for none
	lower bool   // it was written without capitals
}

// ends reports whether a sentence, or a line that leads to the next, ends here.
func (w *word) ends() bool { return w.mark != 0 && w.mark != ',' }

// Marks around words. Signs, currencies and what programs write are none.
const (
	quotes  = `"'“”„‚‘’«»‹›「」『』` + "`"
	stress  = "*_"
	marks   = ".,;:?…。，、；：？"
	bullets = "-*+•>#–—=_"
)

// wordsOf cuts a text into words.
func wordsOf(text string) []word {
	var out []word
	for line := range strings.Lines(text) {
		first := true
		line = strings.ReplaceAll(line, "：", "： ") // where no space is written behind it
		for _, f := range strings.FieldsFunc(line, blank) {
			bullet := first && strings.Trim(f, bullets) == "" && f != "="
			first = false
			if bullet {
				continue // of markdown
			}
			w := wordOf(strings.Map(narrow, f))
			if w.text == "" {
				if n := len(out); n > 0 {
					out[n-1].mark = w.mark
				}
				continue
			}
			out = append(out, w)
		}
		if n := len(out); n > 0 && out[n-1].mark == 0 {
			out[n-1].mark = '\n'
		}
	}
	if n := len(out); n > 0 {
		out[n-1].mark = 0 // the end says nothing
	}
	return out
}

func blank(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' }

// narrow maps full-width forms to the usual ones.
func narrow(r rune) rune {
	if r >= '！' && r <= '～' && !strings.ContainsRune(marks, r) {
		return r - '！' + '!'
	}
	return r
}

// wordOf takes quotes, stress and punctuation off a word. Brackets go where
// both are there: in [1, 5) they mean something.
func wordOf(f string) word {
	var w word
	core := f
	for {
		t := strings.TrimLeft(core, quotes+stress+"¿¡")
		t = unprimed(t, t != core)
		if c := strings.TrimRight(t, marks); c != t {
			w.mark, _ = utf8.DecodeRuneInString(t[len(c):])
			t = c
		}
		if t = unbracketed(exclaimed(t)); t == core {
			break
		}
		core = t
	}
	if core == "" && strings.Trim(f, stress) == "" {
		core = f // 2 * 3
	}
	lower := strings.ToLower(core)
	w.text, w.lower = fold(lower), lower == core
	return w
}

// unprimed takes closing quotes and stress away. Behind a digit a quote that was
// not opened in the same word may mean feet or minutes.
func unprimed(s string, opened bool) string {
	t := strings.TrimRight(s, quotes+stress)
	if last, _ := utf8.DecodeLastRuneInString(t); t != s && unicode.IsDigit(last) && !opened {
		return strings.TrimRight(s, stress)
	}
	return t
}

// unbracketed takes a pair of brackets around a whole word away.
func unbracketed(s string) string {
	for _, pair := range [...]string{"()", "[]", "{}"} {
		if n := len(s); n > 2 && s[0] == pair[0] && s[n-1] == pair[1] && !strings.ContainsAny(s[1:n-1], "()[]{}") {
			return s[1 : n-1]
		}
	}
	return s
}

// exclaimed takes the exclamation mark after a word away; after a number or a
// single letter it may be a factorial.
func exclaimed(s string) string {
	t := strings.TrimRight(s, "!")
	if t == s || utf8.RuneCountInString(t) < 2 {
		return s
	}
	if last, _ := utf8.DecodeLastRuneInString(t); !unicode.IsLetter(last) {
		return s
	}
	return t
}

// fold makes lower-case spellings of one word the same.
func fold(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "ß", "ss"), "’", "'")
}

// leads are what answers begin with before they say it, as words are compared.
// Those that do not end in a verb want a colon behind them.
var leads = byFirst(
	"the final answer is", "the correct answer is", "the right answer is", "the answer is", "final answer is", "correct answer is",
	"my answer is", "answer is", "final answer", "the answer", "answer", "the result is", "result",
	"die endgültige antwort ist", "die richtige antwort ist", "die richtige antwort lautet", "die antwort ist", "die antwort lautet",
	"antwort", "das ergebnis ist", "das ergebnis lautet", "ergebnis",
	"la bonne réponse est", "la réponse finale est", "la réponse est", "réponse finale", "réponse",
	"la respuesta correcta es", "la respuesta final es", "la respuesta es", "respuesta final", "respuesta",
	"la risposta corretta è", "la risposta è", "risposta", "a resposta correta é", "a resposta é", "resposta",
	"het juiste antwoord is", "het antwoord is", "antwoord", "odpowiedź to", "odpowiedź", "svaret är", "svar", "ответ", "відповідь",
	"答案是", "答案", "答えは", "答え", "정답은", "정답",
)

// byFirst finds leads by their first word.
func byFirst(list ...string) map[string][][]string {
	out := map[string][][]string{}
	for _, s := range list {
		w := strings.Fields(s)
		out[w[0]] = append(out[w[0]], w)
	}
	return out
}

// copulas join what is asked with its value.
var copulas = []string{
	"is", "are", "was", "were", "equals", "ist", "sind", "war", "beträgt", "lautet", "est", "sont", "es", "son", "è", "sono", "é", "são", "to", "är",
	"答案是", "答えは", "정답은",
}

// connectives may stand before a lead.
var connectives = []string{"so", "therefore", "thus", "hence", "also", "daher", "folglich", "donc", "entonces", "quindi", "portanto", "dus"}

// conclusion is what an answer comes to: what stands behind "the answer is", or
// all of it where that is not said, or said more than once.
func conclusion(words []word) []word {
	found := []word(nil)
	for i := 0; i < len(words); i++ {
		begins := i == 0 || words[i-1].ends() || slices.Contains(connectives, words[i-1].text)
		if !begins {
			continue
		}
		rest := after(words[i:])
		if rest == nil {
			continue
		}
		if found != nil && i != len(words)-len(found) { // one after another: "Answer: the answer is" are one
			return words
		}
		found = rest
	}
	if found == nil {
		return words
	}
	return found
}

// after is what follows a lead at the beginning of the words, nil where there is
// none or nothing follows.
func after(words []word) []word {
	for _, lead := range leads[words[0].text] {
		n := len(lead)
		if len(words) <= n || !begin(words, lead) {
			continue
		}
		if m := words[n-1].mark; m == ':' || m == '：' || slices.Contains(copulas, lead[n-1]) {
			return words[n:]
		}
	}
	return nil
}

func begin(words []word, lead []string) bool {
	for i, w := range lead {
		if words[i].text != w || i < len(lead)-1 && words[i].mark != 0 {
			return false
		}
	}
	return true
}

// Articles of English may stand anywhere, those of other languages only at the
// beginning: elsewhere they are words in their own right.
var (
	articles = []string{"a", "an", "the"}
	foreign  = []string{"der", "das", "ein", "eine", "le", "la", "les", "un", "une", "el", "los", "las", "una", "il", "lo", "het", "een"}
)

// withoutArticles drops articles that stand before a word. A capital in the
// middle is a name, a mark behind it a choice: vitamin A, and A, B.
func withoutArticles(words []word) []word {
	out := make([]word, 0, len(words))
	for i := range words {
		w := &words[i]
		before := i+1 < len(words) && w.mark == 0 && utf8.RuneCountInString(words[i+1].text) > 1
		article := slices.Contains(articles, w.text) && (i == 0 || w.lower) || i == 0 && slices.Contains(foreign, w.text)
		if !before || !article {
			out = append(out, *w)
		}
	}
	return out
}

const (
	// maxValue is how many words a value has: a number, its unit, and a little more.
	maxValue = 4
	// maxSentence is how long a sentence may be of which only the number counts.
	maxSentence = 16
)

// doubts are words that turn a sentence round.
var doubts = []string{"yes", "no", "not", "never", "ja", "nein", "nicht", "kein", "keine", "oui", "non", "pas", "sí", "nunca", "sì", "sim", "não", "nee", "niet", "nie", "nej", "да", "нет", "не"}

// number gives the words as they are compared. A short sentence whose only number
// is joined to its end by a copula is that number with what follows: "The speed
// is 60 km/h" is "60 km/h".
func number(words []word) []string {
	tail := words
	if len(words) <= maxSentence {
		for i := range words {
			w := &words[i]
			if strings.ContainsAny(w.text, "0123456789") || slices.Contains(doubts, w.text) || strings.HasSuffix(w.text, "n't") || w.ends() && w.mark != ':' {
				break
			}
			if n := len(words) - i - 1; n > 0 && n <= maxValue && slices.Contains(copulas, w.text) && numeric(words[i+1].text) {
				tail = words[i+1:]
				break
			}
		}
	}
	out := make([]string, len(tail))
	for i := range tail {
		if out[i] = tail[i].text; numeric(out[i]) {
			out[i] = plain(out[i])
		}
	}
	return out
}
