package admin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"freehold/internal/suggest"
)

// MaxLimit is the most that a list can be asked for at once.
const MaxLimit = 10_000

// limit is how many entries a list has at most: 100 where in is not given.
func limit(in int) (int, error) {
	switch {
	case in == 0:
		return 100, nil
	case in < 0 || in > MaxLimit:
		return 0, invalid(fmt.Sprintf("limit: %d is not from 1 to %d", in, MaxLimit), "")
	}
	return in, nil
}

// ordered refuses a time to look at that ends before it begins.
func ordered(since, until time.Time) error {
	if until.IsZero() || since.Before(until) {
		return nil
	}
	return invalid(fmt.Sprintf("since %s is not before until %s", since.Format(time.RFC3339), until.Format(time.RFC3339)), "")
}

// known refuses a word that is none of those there are: a filter that selects
// nothing would look like an answer.
func known[T ~string](what string, word T, words []T) error {
	if slices.Contains(words, word) {
		return nil
	}
	var names []string
	for _, w := range words {
		names = append(names, string(w))
	}
	return invalid(fmt.Sprintf("there is no %s %q: it is one of %s", what, word, strings.Join(names, ", ")), "")
}

// missing says that the configuration has no such name, and which it may be.
func missing[V any](what, name string, have map[string]V, hint string) *Error {
	if near := suggest.Nearest(name, slices.Sorted(maps.Keys(have))); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	return invalid(fmt.Sprintf("the %s %q does not exist", what, name), hint)
}
