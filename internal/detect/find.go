package detect

import (
	"bytes"
	"slices"
	"sort"
)

// Fold returns a text as it is looked at. Of JSON, a zero byte stands for the
// quotes around a string.
func Fold(text []byte, json bool) []byte {
	sc := scans.Get().(*scan)
	sc.folded.read(text, json)
	out := bytes.Clone(sc.text)
	sc.done()
	return out
}

// Match is a place where a value stands.
type Match struct {
	Value      int // which
	Start, End int // in the text, in bytes
}

// Find finds texts that are known, however they are escaped or written, in the
// order of their places: of several that begin at one place the longest, and
// none that overlap. words finds them only where no word goes on before or
// behind them.
func Find(text []byte, json bool, values []string, words bool) []Match {
	list := foldAll(values)
	if len(list) == 0 {
		return nil
	}
	var begins [256]bool
	for _, v := range list {
		begins[v.text[0]] = true
	}
	sc := scans.Get().(*scan)
	defer sc.done()
	sc.folded.read(text, json)
	for i, c := range sc.text { // JSON within JSON has escapes for line ends
		if c == '\n' {
			sc.text[i] = ' '
		}
	}
	var out []Match
	for i := 0; i < len(sc.text); {
		if !begins[sc.text[i]] || words && i > 0 && word(sc.text[i-1]) {
			i++
			continue
		}
		v, n := longest(list, sc.text[i:], words)
		if n == 0 {
			i++
			continue
		}
		out = append(out, Match{v, sc.origin(i), sc.origin(i + n)})
		i += n
	}
	return out
}

// known is a value as it is looked for.
type known struct {
	text  []byte
	value int
}

// foldAll folds values, sorted and each once; those of which nothing is seen
// are left out.
func foldAll(values []string) []known {
	var list []known
	for i, v := range values {
		if t := bytes.ReplaceAll(Fold([]byte(v), false), []byte("\n"), []byte(" ")); len(t) > 0 {
			list = append(list, known{t, i})
		}
	}
	slices.SortStableFunc(list, func(a, b known) int { return bytes.Compare(a.text, b.text) })
	return slices.CompactFunc(list, func(a, b known) bool { return bytes.Equal(a.text, b.text) })
}

// longest is the longest value that the text begins with, and its length; 0 for
// none. The list narrows with each byte.
func longest(list []known, text []byte, words bool) (value, n int) {
	for d := 0; len(list) > 0; d++ {
		if len(list[0].text) == d {
			if d > 0 && (!words || d == len(text) || !word(text[d])) {
				value, n = list[0].value, d
			}
			list = list[1:]
		}
		if d == len(text) {
			break
		}
		c := text[d]
		from := sort.Search(len(list), func(i int) bool { return list[i].text[d] >= c })
		to := from + sort.Search(len(list)-from, func(i int) bool { return list[from+i].text[d] > c })
		list = list[from:to]
	}
	return value, n
}

// Media reports that the string of a JSON text that begins at i, behind its
// quote, holds media or something else that is base64, and no words.
func Media(text []byte, i int) bool {
	end, _ := media(text, i)
	return end > i
}
