// Package judge compares two answers to one prompt: that of the model a
// workload has, the baseline, and that of the model it may get, the candidate.
// How is chosen per workload by a [Spec]. A [Judge] gives each answer a score
// from 0 to 1; what is done with many of them is for others.
//
// Nothing here reaches a network. Judges depend on their sample only, but for
// the user's program and the model that [Asker] asks.
package judge

import (
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Answer is what one model answered, or that it did not.
type Answer struct {
	Text  string `json:"text"`
	Tools []Call `json:"tools,omitempty"`
	// Failure says why there is no answer; empty: there is one.
	Failure string `json:"failure,omitempty"`
	// Refused: the model declined, Text may say how.
	Refused bool `json:"refused,omitempty"`
	// Truncated: a limit of length ended the answer.
	Truncated bool `json:"truncated,omitempty"`
}

// Call is one call of a tool, its arguments as the JSON text the model wrote.
type Call struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Missing says why there is nothing to score, empty where there is something.
func (a *Answer) Missing() string {
	switch {
	case a.Failure != "":
		return "failed: " + a.Failure
	case !a.Refused && len(a.Tools) == 0 && strings.TrimSpace(a.Text) == "":
		return "empty"
	}
	return ""
}

// Length is the size of the answer in characters, tool calls included: what
// "the longer wins" goes by.
func (a *Answer) Length() int {
	n := utf8.RuneCountInString(a.Text)
	for _, c := range a.Tools {
		n += utf8.RuneCountInString(c.Name) + utf8.RuneCountInString(c.Arguments)
	}
	return n
}

// Expected is the right answer to a prompt, as far as it is known. What a kind
// does not use it ignores; a sample that has an Expected without what the kind
// needs is an error of the data, not a bad answer.
type Expected struct {
	// Texts are right each: exact and normalised, regex with a group; pairwise
	// shows them to the model.
	Texts []string `json:"texts,omitempty"`
	// JSON is the right value; the first of Texts is read where it is absent.
	JSON json.RawMessage `json:"json,omitempty"`
	// Tools are the right calls. An empty list that is not nil: none is right.
	Tools []Call `json:"tools,omitempty"`
	// Number is the right one; the first in Texts is read where it is nil.
	Number *float64 `json:"number,omitempty"`
	// Pattern is an RE2 expression that a right answer matches, for regex.
	Pattern string `json:"pattern,omitempty"`
	// Refusal: to decline is right, and nothing else is.
	Refusal bool `json:"refusal,omitempty"`
}

// Scores are what people gave the two answers, 0 to 1; nil: nobody did.
type Scores struct {
	Baseline  *float64 `json:"baseline,omitempty"`
	Candidate *float64 `json:"candidate,omitempty"`
}

// Sample is one prompt with the two answers to it.
type Sample struct {
	ID string `json:"id"`
	// Conversation is the prompt for people and models to read: the system's
	// words and all turns.
	Conversation string    `json:"conversation"`
	Want         *Expected `json:"want,omitempty"` // nil: not known
	Baseline     Answer    `json:"baseline"`
	Candidate    Answer    `json:"candidate"`
	Feedback     *Scores   `json:"feedback,omitempty"`
}

// Swapped is the sample with the answers in each other's place.
func (s Sample) Swapped() Sample {
	s.Baseline, s.Candidate = s.Candidate, s.Baseline
	if f := s.Feedback; f != nil {
		s.Feedback = &Scores{Baseline: f.Candidate, Candidate: f.Baseline}
	}
	return s
}

// Basis is what a verdict rests on.
type Basis string

// The bases. With an Agreement the baseline is taken for right: its score is 1
// and the candidate's says how far it answers the same. That shows what a
// change would alter, not what it would improve: Difference is never above 0,
// and an error of the baseline that the candidate does not make counts against
// it. Where only the baseline cannot be used, the candidate has 1 and it 0:
// that it answers is all that is known.
const (
	Reference  Basis = "reference"  // each answer against what is right
	Agreement  Basis = "agreement"  // the candidate against the baseline
	Check      Basis = "check"      // each answer by itself: a pattern, a program
	People     Basis = "people"     // what people gave
	Preference Basis = "preference" // one answer against the other, by a model
	Unanswered Basis = "unanswered" // an answer is missing or cannot be used
)

// Verdict is what a judge says of a sample.
type Verdict struct {
	Baseline  float64 `json:"baseline"`
	Candidate float64 `json:"candidate"`
	// Difference is what statistics use, from -1 to 1: Candidate - Baseline, or
	// what [LengthControl] makes of it. Raw is it before that.
	Difference float64 `json:"difference"`
	Raw        float64 `json:"raw"`
	Basis      Basis   `json:"basis"`
	// Detail is for people: one short line in which nothing of the answers stands.
	Detail string `json:"detail,omitempty"`
	// Quote is what pieces of the answers show it, for who may read them. It is
	// not kept with the rest.
	Quote string `json:"-"`
	// Orders are who won as the first and as the second answer shown, of a
	// sample for which a model was asked.
	Orders *[2]Winner `json:"orders,omitempty"`
	// Similarity is for people to see. Nothing may be decided by it.
	Similarity Similarity `json:"similarity"`
}

// Winner is the better of two answers.
type Winner string

// The winners.
const (
	BaselineWins  Winner = "baseline"
	CandidateWins Winner = "candidate"
	Tie           Winner = "tie"
)

// WinnerOf is who is ahead in a difference of candidate and baseline.
func WinnerOf(difference float64) Winner {
	switch {
	case difference > 0:
		return CandidateWins
	case difference < 0:
		return BaselineWins
	}
	return Tie
}

// Judge scores the answers of a sample. A missing or bad answer is never an
// error: it scores 0, and two of them are a tie. An error means that nothing is
// known of this sample: the golden data does not fit, the program or the asked
// model did not do its part. A Judge may be used by many at once.
type Judge interface {
	Judge(ctx context.Context, s Sample) (Verdict, error)
}

// verdict fills in what follows from two scores.
func verdict(baseline, candidate float64, basis Basis, detail string) Verdict {
	d := candidate - baseline
	return Verdict{Baseline: baseline, Candidate: candidate, Difference: d, Raw: d, Basis: basis, Detail: detail}
}
