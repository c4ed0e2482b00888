// Package language tells the language of a text by its script, its letters and
// its most frequent words. It is fast and says nothing where it is not sure:
// the text is too short, is code, or mixes languages.
package language

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how much of a text is looked at, in bytes.
const maxText = 600

// Of is the ISO 639-1 code of the text's language, "" where it is not clear.
func Of(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	var scripts [len(ranges)]int
	latin, letters := 0, 0
	for _, r := range text {
		if r < utf8.RuneSelf {
			if 'a' <= r|0x20 && r|0x20 <= 'z' {
				latin++
				letters++
			}
			continue
		}
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if unicode.Is(unicode.Latin, r) {
			latin++
			continue
		}
		for i := range ranges {
			if unicode.Is(ranges[i].table, r) {
				scripts[i]++
				break
			}
		}
	}
	best, most := -1, 0
	for i, n := range scripts {
		if n > most {
			best, most = i, n
		}
	}
	switch {
	case letters < 2:
		return ""
	case 2*most > letters || best >= 0 && ranges[best].dense && 4*most > letters: // few characters say much
		if ranges[best].code == "zh" && 10*scripts[kana] > most || best == kana {
			return "ja" // Chinese characters with kana between
		}
		return refine(ranges[best].code, text)
	case 2*latin > letters:
		return ofWords(text)
	}
	return ""
}

// Codes are all that Of can give, sorted.
func Codes() []string {
	out := []string{"bg", "fa", "sr", "uk"} // told by refine
	for i := range ranges {
		out = append(out, ranges[i].code)
	}
	for i := range latins {
		out = append(out, latins[i].code)
	}
	slices.Sort(out)
	return out
}

// kana is the place of Japanese among the ranges.
const kana = 1

var ranges = [...]struct {
	table *unicode.RangeTable
	code  string
	dense bool // a character is about a word
}{
	{unicode.Han, "zh", true},
	{kanas, "ja", true},
	{unicode.Hangul, "ko", true},
	{unicode.Cyrillic, "ru", false},
	{unicode.Greek, "el", false},
	{unicode.Arabic, "ar", false},
	{unicode.Hebrew, "he", false},
	{unicode.Devanagari, "hi", false},
	{unicode.Bengali, "bn", false},
	{unicode.Tamil, "ta", false},
	{unicode.Thai, "th", false},
	{unicode.Georgian, "ka", false},
	{unicode.Armenian, "hy", false},
}

var kanas = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x3041, Hi: 0x30ff, Stride: 1}, {Lo: 0xff66, Hi: 0xff9d, Stride: 1}}}

// refine tells languages of one script apart by letters that the others lack.
func refine(code, text string) string {
	switch code {
	case "ru":
		switch {
		case strings.ContainsAny(text, "їєґіЇЄҐІ"):
			return "uk"
		case strings.ContainsAny(text, "ыэёЫЭЁ"):
			return "ru"
		case strings.ContainsAny(text, "ђћџљњјЂЋЏЉЊЈ"):
			return "sr"
		case strings.Contains(text, "ъ") && !strings.Contains(text, "ь"):
			return "bg"
		}
	case "ar":
		if strings.ContainsAny(text, "پچژگی") {
			return "fa"
		}
	}
	return code
}

// ofWords counts frequent words and telling letters of languages in Latin script.
func ofWords(text string) string {
	var scores [len(latins)]int
	var last [len(latins)]string // a word again and again says it once
	words := 0
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' && r != '’' }) {
		if len(word) > 40 {
			continue
		}
		words++
		var low [48]byte
		for _, i := range frequent[string(lower(low[:0], word))] {
			if last[i] != word {
				scores[i] += 2
				last[i] = word
			}
		}
	}
	for _, r := range text {
		if r >= utf8.RuneSelf {
			for _, i := range telling[unicode.ToLower(r)] {
				scores[i]++
			}
		}
	}
	best, next := 0, 0
	for i, n := range scores {
		if n > scores[best] {
			best = i
		}
	}
	for i, n := range scores {
		if i != best {
			next = max(next, n)
		}
	}
	// One frequent word in twelve at least, two in all, and a lead.
	if n := scores[best]; n < 4 || 6*n < words || n == next {
		return ""
	}
	return latins[best].code
}

func lower(dst []byte, word string) []byte {
	for _, r := range word {
		switch {
		case r == '’':
			r = '\''
		case r < utf8.RuneSelf && 'A' <= r && r <= 'Z':
			r |= 0x20
		case r >= utf8.RuneSelf:
			r = unicode.ToLower(r)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
