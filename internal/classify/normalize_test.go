package classify

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// tokens are the hashes that a text gives.
func tokens(text string) []uint64 {
	var s scratch
	s.tokenize(text)
	return s.tokens
}

func same(a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestFoldLatin holds the table of letters against the decompositions of Unicode.
func TestFoldLatin(t *testing.T) {
	for r := rune(0xC0); r < 0x180; r++ {
		base, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
		got, c := fold(r)
		if base != r && (c != letter || got != base && got != base+'a'-'A') {
			t.Errorf("%q folds to %q (class %d), its base is %q", r, got, c, base)
		}
	}
}

// TestDisguises: texts that people read as the same are the same.
func TestDisguises(t *testing.T) {
	for _, x := range []struct{ name, plain, other string }{
		{"case", "summarize this", "SUMMARIZE This"},
		{"zero width", "summarize this", "sum\u200bma\u200drize\ufeff th\u2060is"},
		{"soft hyphen", "summarize", "sum\u00admar\u00adize"},
		{"full width", "summarize (this) 42!", "ｓｕｍｍａｒｉｚｅ （ｔｈｉｓ） ４２！"},
		{"bold", "summarize", "𝐬𝐮𝐦𝐦𝐚𝐫𝐢𝐳𝐞"},
		{"script capitals", "summarize", "𝓢𝓤𝓜𝓜𝓐𝓡𝓘𝓩𝓔"},
		{"circled", "sum", "ⓢⓤⓜ"},
		{"composed", norm.NFC.String("résumé übersetze señor"), norm.NFD.String("résumé übersetze señor")},
		{"marks left out", "ubersetze", "übersetze"},
		{"spaces", "a b", "a\u00a0\u2003\t b"},
		{"direction", "summarize", "\u202esummarize\u202c"},
		{"invalid bytes between words", "a b", "a \xff\xfe b"},
		{"line ends", "a\nb", "a\r\n\r\n\nb"},
		{"tags", "sum", "s\U000e0061um"},
		{"apostrophes", "don't l'eau", "don’t l’eau"},
		{"quotes", `"a"`, "“a”"},
		{"numbers of one length", "17 apples", "42 apples"},
	} {
		if !same(tokens(x.plain), tokens(x.other)) {
			t.Errorf("%s: %q and %q are read as different", x.name, x.plain, x.other)
		}
	}
}

func TestTokens(t *testing.T) {
	for _, x := range []struct {
		text string
		n    int
	}{
		{"", 0}, {" \t ", 0}, {"one two", 2}, {"one, two", 3}, {"what???", 2}, {"a\n\nb", 3}, {"3.14", 3},
		{"要約して", 4}, {"요약", 2}, {"Переведи текст", 2}, {"हिन्दी में", 2}, {"\xff\xff", 0}, {"\u200b", 0}, {"ab\x00cd", 1},
	} {
		if got := tokens(x.text); len(got) != x.n {
			t.Errorf("%q has %d tokens, want %d", x.text, len(got), x.n)
		}
	}
	if same(tokens("5 apples"), tokens("5000 apples")) {
		t.Error("how long a number is makes no difference")
	}
}

// TestCut: windows are cut between characters.
func TestCut(t *testing.T) {
	text := strings.Repeat("é漢😀", 400)
	for n := range 40 {
		b, e := begin(text, n), end(text, n)
		if !utf8.ValidString(b) || !utf8.ValidString(e) || len(b) > n || len(e) > n {
			t.Fatalf("%d bytes: %q, %q", n, b, e)
		}
	}
	if begin("\x80\x80\x80", 2) != "" || end("\x80\x80\x80", 2) != "" {
		t.Error("bytes that begin no character are not left out")
	}
}
