package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"freehold/internal/jsondoor"
)

// Prompt is what the judging model is asked. It names no model.
type Prompt struct{ System, User string }

// Asker asks the judging model for one plain answer, at temperature 0 where it
// can be set. Its perimeter, deadline and retries are its own.
type Asker interface {
	Ask(ctx context.Context, p Prompt) (string, error)
}

// Counts are what a pairwise judge did. Several judges may share one.
type Counts struct {
	Asked      atomic.Int64 // calls of the model, repetitions included
	Repeated   atomic.Int64 // calls made because an answer was not in form
	Unreadable atomic.Int64 // samples given up because the second was not, either
}

// UnreadableError says that the judging model twice gave no verdict in the form
// that was asked for. Answer is its last one, which may quote what it judged; the
// message does not.
type UnreadableError struct{ Answer string }

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the judging model was asked twice and did not name a winner in the form asked for, last in %d bytes", len(e.Answer))
}

// pairwise asks a model which of two answers is better, once in either order.
type pairwise struct {
	ask    Asker
	random io.Reader
	counts *Counts
	rubric string
	most   int
}

func newPairwise(spec Spec, means Means) (Judge, error) {
	p := pairwise{means.Asker, means.Random, means.Counts, strings.TrimSpace(spec.Rubric), spec.MaxText}
	switch {
	case p.ask == nil:
		return nil, errors.New("there is no model to ask")
	case p.random == nil:
		return nil, errors.New("there is no source of random markers")
	case p.most < 0:
		return nil, fmt.Errorf("max_text is %d: it must be above 0", p.most)
	}
	if p.counts == nil {
		p.counts = &Counts{}
	}
	if p.rubric == "" {
		p.rubric = DefaultRubric
	}
	if p.most == 0 {
		p.most = DefaultMaxText
	}
	return p, nil
}

func (p pairwise) Judge(ctx context.Context, s Sample) (Verdict, error) {
	b, c := s.Baseline.Missing(), s.Candidate.Missing()
	if b != "" || c != "" {
		return unanswered(b, c), nil
	}
	first, second := shown(&s.Baseline), shown(&s.Candidate)
	if strings.TrimSpace(first) == strings.TrimSpace(second) {
		return verdict(0.5, 0.5, Preference, "the answers are the same"), nil
	}
	var orders [2]Winner
	for i, names := range [2]map[string]Winner{
		{"A": BaselineWins, "B": CandidateWins, "tie": Tie},
		{"A": CandidateWins, "B": BaselineWins, "tie": Tie},
	} {
		letter, err := p.compare(ctx, &s, first, second)
		if err != nil {
			return Verdict{}, err
		}
		orders[i] = names[letter]
		first, second = second, first
	}
	v := verdict(0.5, 0.5, Preference, "")
	switch {
	case orders[0] != orders[1]:
		v.Detail = fmt.Sprintf("a tie: %s as shown first, %s the other way round", orders[0], orders[1])
	case orders[0] == BaselineWins:
		v = verdict(1, 0, Preference, "the baseline is better in both orders")
	case orders[0] == CandidateWins:
		v = verdict(0, 1, Preference, "the candidate is better in both orders")
	default:
		v.Detail = "a tie in both orders"
	}
	v.Orders = &orders
	return v, nil
}

// compare asks once, and once more where the answer has no form: A, B or tie.
func (p pairwise) compare(ctx context.Context, s *Sample, a, b string) (string, error) {
	prompt, err := frame(p.random, framed{
		rubric: p.rubric, most: p.most, request: s.Conversation, references: references(s.Want), a: a, b: b,
	})
	if err != nil {
		return "", err
	}
	text := ""
	for again := range 2 {
		if again > 0 {
			p.counts.Repeated.Add(1)
			prompt.User += "\n\n" + reminder
		}
		p.counts.Asked.Add(1)
		if text, err = p.ask.Ask(ctx, prompt); err != nil {
			return "", fmt.Errorf("the judging model: %w", err)
		}
		if letter, ok := readWinner(text); ok {
			return letter, nil
		}
	}
	p.counts.Unreadable.Add(1)
	return "", &UnreadableError{text}
}

// maxReply is the longest reply that is read, in bytes.
const maxReply = 16 << 10

// readWinner reads the verdict of a model: a JSON object with winner, perhaps
// with a reason, perhaps in a fence. ok is false for all else.
func readWinner(text string) (letter string, ok bool) {
	if len(text) > maxReply {
		return "", false
	}
	text = unfenced(strings.TrimSpace(text))
	doc, err := jsondoor.Parse([]byte(text), nil) // refuses two winners in one object
	if err != nil {
		return "", false
	}
	doc.Release()
	var out struct {
		Winner string `json:"winner"`
		Reason string `json:"reason"`
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&out) != nil {
		return "", false
	}
	return out.Winner, out.Winner == "A" || out.Winner == "B" || out.Winner == "tie"
}

func references(w *Expected) []string {
	if w == nil {
		return nil
	}
	return w.Texts
}

// shown is an answer as the model sees it.
func shown(a *Answer) string {
	var b strings.Builder
	b.WriteString(a.Text)
	for _, c := range a.Tools {
		fmt.Fprintf(&b, "\n[calls the tool %s with %s]", c.Name, c.Arguments)
	}
	if a.Refused && strings.TrimSpace(a.Text) == "" {
		b.WriteString("[declines to answer]")
	}
	return b.String()
}
