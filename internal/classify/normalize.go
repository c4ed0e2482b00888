package classify

import (
	"unicode"
	"unicode/utf8"
)

// class is what a character is to the features.
type class uint8

const (
	other   class = iota // a symbol: a token by itself
	letter               // part of a word
	digit                // part of a number
	space                // between tokens
	newline              // between lines
	ideal                // a character of a script that is written without spaces: a token by itself
	nothing              // seen by nobody: skipped
)

// ascii is the class and the lower case of each ASCII character.
var ascii = func() (t [utf8.RuneSelf]struct {
	class class
	lower byte
}) {
	for c := range t {
		e := &t[c]
		e.lower = byte(c)
		switch {
		case c >= 'a' && c <= 'z':
			e.class = letter
		case c >= 'A' && c <= 'Z':
			e.class, e.lower = letter, byte(c)+'a'-'A'
		case c >= '0' && c <= '9':
			e.class = digit
		case c == '\n':
			e.class = newline
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			e.class = space
		case c < ' ' || c == 0x7f:
			e.class = nothing
		default:
			e.class = other
		}
	}
	return t
}()

// latin folds the letters of Latin-1 and Latin Extended-A to those without
// marks, from U+00C0 on, so that composed and decomposed text is the same. A
// space stands for what has no such letter.
const latin = "aaaaaaaceeeeiiiidnooooo ouuuuyts" + "aaaaaaaceeeeiiiidnooooo ouuuuyty" +
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"

// fold brings a character that is not ASCII to the form that the features know:
// lower case, without marks, full-width and mathematical letters as plain ones.
// What a reader does not see is nothing.
func fold(r rune) (rune, class) {
	switch {
	case r == utf8.RuneError:
		return ' ', space
	case r < 0xC0:
		switch r {
		case 0xA0, 0x85:
			return ' ', space
		case 0xAD:
			return 0, nothing
		case 0xAA, 0xB5, 0xBA:
			return r, letter
		}
		return r, other
	case r < 0x180:
		if c := latin[r-0xC0]; c != ' ' {
			return rune(c), letter
		}
		return r, other
	case r >= 0x300 && r < 0x370, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x206F,
		r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF, r == 0x180E, r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0,
		r >= 0xE0000 && r <= 0xE0FFF, r == 0x034F, r >= 0x1AB0 && r <= 0x1AFF, r >= 0x1DC0 && r <= 0x1DFF, r >= 0x20D0 && r <= 0x20FF:
		return 0, nothing
	case r >= 0xFF01 && r <= 0xFF5E: // full-width ASCII
		e := ascii[r-0xFF01+'!']
		return rune(e.lower), e.class
	case r >= 0x1D400 && r < 0x1D6A4: // mathematical letters: alphabets of 52, one after another
		return 'a' + (r-0x1D400)%26, letter
	case r >= 0x1D7CE && r <= 0x1D7FF:
		return '0' + (r-0x1D7CE)%10, digit
	case r >= 0x24B6 && r <= 0x24E9: // letters in circles
		return 'a' + (r-0x24B6)%26, letter
	case r == 0x2018 || r == 0x2019 || r == 0x201B || r == 0x2032:
		return '\'', other
	case r == 0x201C || r == 0x201D || r == 0x201E || r == 0x2033 || r == 0x300C || r == 0x300D:
		return '"', other
	case r == 0x2028 || r == 0x2029:
		return '\n', newline
	case r == 0x3002:
		return '.', other
	case unspaced(r):
		return r, ideal
	case r >= 0x2000 && r < 0x2C00: // punctuation, arrows, operators, boxes
		if unicode.IsSpace(r) {
			return ' ', space
		}
		return r, other
	case unicode.IsLetter(r):
		return unicode.ToLower(r), letter
	case unicode.IsDigit(r):
		return '0', digit
	case unicode.IsSpace(r):
		return ' ', space
	case unicode.IsMark(r): // vowels of Indic scripts belong to their words
		return r, letter
	}
	return r, other
}

// unspaced reports a script that does not put spaces between its words: Han,
// Kana, Thai, Lao, Myanmar, Khmer. Hangul has spaces, but words that bend at
// their end, so that its syllables say more than they.
func unspaced(r rune) bool {
	return r >= 0x3040 && r <= 0x30FF || r >= 0x3400 && r <= 0x9FFF || r >= 0xAC00 && r <= 0xD7A3 || r >= 0xF900 && r <= 0xFAFF ||
		r >= 0x20000 && r <= 0x3FFFF || r >= 0x0E00 && r <= 0x0EFF || r >= 0x1000 && r <= 0x109F || r >= 0x1780 && r <= 0x17FF
}
