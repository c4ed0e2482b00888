package meter

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

// How much text an estimate reads at most: maxWindows windows of windowBytes.
// Longer text is sampled evenly and scaled, so that a prompt of many megabytes
// costs no more time than one of 64 KiB.
const (
	windowBytes = 4 << 10
	maxWindows  = 16
)

// bytesPerToken is the ratio for text we do not have: English prose and JSON
// lie at 4 to 4.5 bytes a token in o200k_base, code and other scripts lower.
const bytesPerToken = 4

// Estimator guesses token counts with the o200k_base vocabulary, whatever the
// model: a guess for the ledger when a provider reported nothing (a cut
// stream, a crash), never a bill. Its zero value is ready; the vocabulary
// (about 7 MiB, 40 ms) loads on the first call of Text. Safe for concurrent
// use.
type Estimator struct {
	once  sync.Once
	codec *codec.Codec
}

// Text estimates the tokens of s. The time is bounded: about 15 ms for any
// length, after the vocabulary is loaded.
func (e *Estimator) Text(s string) int64 {
	if s == "" {
		return 0
	}
	e.once.Do(func() { e.codec = codec.NewO200kBase() })
	var tokens, read int64
	for _, w := range sample(s) {
		n, err := e.codec.Count(w)
		if err != nil {
			n = len(w) / bytesPerToken
		}
		tokens += int64(n)
		read += int64(len(w))
	}
	return max(1, (tokens*int64(len(s))+read/2)/read)
}

// sample cuts s, which is not empty, into at most maxWindows windows of about
// windowBytes, spread evenly. A text that fits is in them whole.
func sample(s string) []string {
	windows := (len(s) + windowBytes - 1) / windowBytes
	take := min(windows, maxWindows)
	out := make([]string, 0, take)
	for i := range take {
		start := i * windows / take * windowBytes
		end := min(start+windowBytes, len(s))
		out = append(out, s[boundary(s, start):boundary(s, end)])
	}
	return out
}

// Bytes estimates the tokens of a text of which only the size is known. A text
// that is not empty has at least one token.
func Bytes(n int) int64 {
	if n <= 0 {
		return 0
	}
	return int64((n + bytesPerToken - 1) / bytesPerToken)
}

// boundary moves i back to a place where cutting harms least: a space or line
// break close by, else the start of a character.
func boundary(s string, i int) int {
	if i <= 0 || i >= len(s) {
		return min(max(i, 0), len(s))
	}
	if j := strings.LastIndexAny(s[i-min(i, 64):i], " \n"); j >= 0 {
		return i - min(i, 64) + j
	}
	for k := 0; k < utf8.UTFMax && i > 0 && !utf8.RuneStart(s[i]); k++ {
		i--
	}
	return i
}
