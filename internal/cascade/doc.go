// Package cascade decides whether the answer of a cheap model may stand: by the
// agreement of several attempts, each asked in other words, or by how sure the
// model was of its tokens. It also tells when asking the cheap model first does
// not pay, and finds the margin at which answers are good enough. It sends
// nothing and knows no model.
package cascade

// By is what shows that an answer may stand.
type By string

// The values of By, as in config.yaml.
const (
	Agreement By = "agreement"
	Logprobs  By = "logprobs"
)

// MaxAttempts is how often the model is asked at most.
const MaxAttempts = 1 + len(phrasings)

// phrasings are what is added to the request for the attempts after the first.
// They ask for another way to the answer, and for the same language and form:
// else answers that mean the same would differ.
var phrasings = [...]string{
	"Read the request once more and work the answer out anew. Keep to its language and to the form of answer that it asks for.",
	"Check each step before you answer. Keep to the language of the request and to the form of answer that it asks for.",
	"Answer as an expert would who verifies the result in a second way. Keep to the language of the request and to the form of answer that it asks for.",
	"Rule out what cannot be the answer before you give it. Keep to the language of the request and to the form of answer that it asks for.",
}

// Phrasing is the instruction that is added for the n-th attempt, from 0; the
// first is the client's own words.
func Phrasing(n int) string {
	if n <= 0 || n > len(phrasings) {
		return ""
	}
	return phrasings[n-1]
}

// LongestPhrasing is the size of the longest one, in bytes.
func LongestPhrasing() int {
	n := 0
	for _, p := range phrasings {
		n = max(n, len(p))
	}
	return n
}
