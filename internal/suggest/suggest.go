// Package suggest finds the name that a typing error may have meant.
package suggest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxWord is the longest word, in bytes, that is compared with anything: names
// are shorter, and words come from clients.
const maxWord = 256

// maxListed is how many names a hint lists.
const maxListed = 12

// Nearest returns the name nearest to a word, the first of equals, or "" where
// none is near: at most every third character may be wrong. Case is no matter.
func Nearest(word string, names []string) string {
	if len(word) > maxWord {
		return ""
	}
	w := []rune(strings.ToLower(word))
	best, limit := "", 1+max(1, len(w)/3)
	for _, name := range names {
		// A difference in length takes at least as many edits.
		if n := utf8.RuneCountInString(name); n-len(w) >= limit || len(w)-n >= limit {
			continue
		}
		if d := distance(w, []rune(strings.ToLower(name))); d < limit {
			best, limit = name, d
		}
	}
	return best
}

// Hint is what to tell who wrote a word that is not among the names: the
// nearest of them, else all where they are few, else "".
func Hint(word string, names []string) string {
	if n := Nearest(word, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(names) > 0 && len(names) <= maxListed {
		return "one of " + strings.Join(names, ", ")
	}
	return ""
}

// distance is the number of edits between a and b: a character put in, taken
// out or replaced, or two neighbours swapped (Damerau's distance, in the form
// that edits no place twice).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i, x := range a {
		row[0] = i + 1
		for j, y := range b {
			replace := last[j]
			if x != y {
				replace++
			}
			row[j+1] = min(replace, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x == b[j-1] && a[i-1] == y {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
