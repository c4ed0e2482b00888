package embed

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Counter says about how many tokens a text has.
type Counter func(text string) int64

// Chunk cuts a text into pieces of at most so many tokens each: between sentences
// where that is possible, else between words, else between characters. The pieces
// joined are the text. One character may have more tokens than that.
func Chunk(text string, most int64, count Counter) []string {
	if count(text) <= most || utf8.RuneCountInString(text) <= 1 {
		return []string{text}
	}
	var out []string
	from, at, tokens := 0, 0, int64(0)
	flush := func() {
		if at > from {
			out = append(out, text[from:at])
		}
		from, tokens = at, 0
	}
	for _, part := range cut(text) {
		n := count(part) // joined they have as many, or fewer
		if tokens+n > most {
			flush()
		}
		at += len(part)
		if n > most {
			out, from = append(out, Chunk(part, most, count)...), at
			continue
		}
		tokens += n
	}
	flush()
	return out
}

// cut cuts a text into the largest parts that it has: sentences, words, or halves.
func cut(text string) []string {
	if parts := before(text, endsSentence); len(parts) > 1 {
		return parts
	}
	if parts := before(text, func(last, next rune) bool { return unicode.IsSpace(next) && !unicode.IsSpace(last) }); len(parts) > 1 {
		return parts
	}
	half := len(text) / 2
	for half > 0 && !utf8.RuneStart(text[half]) {
		half--
	}
	if half == 0 {
		_, half = utf8.DecodeRuneInString(text)
	}
	return []string{text[:half], text[half:]}
}

// before cuts a text before each character where ends says so, by the one before it and
// itself. White space stays with what follows it, as tokens have it.
func before(text string, ends func(last, next rune) bool) (out []string) {
	from := 0
	var last rune
	for i, next := range text {
		if i > from && ends(last, next) {
			out, from = append(out, text[from:i]), i
		}
		last = next
	}
	return append(out, text[from:])
}

// endsSentence reports whether a sentence, or a line, is over between two characters.
func endsSentence(last, next rune) bool {
	switch {
	case next == '\n':
		return last != '\n'
	case strings.ContainsRune("。！？", last):
		return true
	}
	return unicode.IsSpace(next) && strings.ContainsRune(".!?…", last)
}
