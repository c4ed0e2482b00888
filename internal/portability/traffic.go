// Package portability says what of a workload's traffic would break at another
// model, before any of it is sent there. It takes what the ledger keeps of the
// requests (which features and parameters they used, how long they were, in which
// language; never a text) and puts a sample of each use through the codecs, as the
// gateway would, for every deployment of the model. It sends nothing, and the same
// traffic and configuration always give the same findings.
package portability

import (
	"slices"
	"strings"
	"time"

	"freehold/internal/ledger"
)

// Traffic is what a workload's requests used, over a time.
type Traffic struct {
	Requests int64
	// Oldest and Newest are the times of the first and last request.
	Oldest, Newest time.Time

	shapes map[shape]int64
	// lengths are the tokens of each request, prompts and answers.
	lengths   []length
	languages map[string]int64
	ids       map[string]int64 // the providers' names of the models that answered
}

// shape is what requests have in common that use the same.
type shape struct{ dialect, operation, features, parameters string }

type length struct{ in, out int64 }

// maxShapes bounds the kinds of requests that are told apart. Beyond it a request
// counts with one of its features and parameters at a time.
const maxShapes = 4096

// Add counts a request. What was refused, or was at fault by itself, does not
// count: it does not work now.
func (t *Traffic) Add(r *ledger.Row) {
	switch r.Outcome {
	case ledger.ClientError, ledger.Refused, ledger.Shed:
		return
	}
	if t.shapes == nil {
		t.shapes, t.languages, t.ids = map[shape]int64{}, map[string]int64{}, map[string]int64{}
	}
	t.Requests++
	if t.Oldest.IsZero() || r.Time.Before(t.Oldest) {
		t.Oldest = r.Time
	}
	if r.Time.After(t.Newest) {
		t.Newest = r.Time
	}
	s := shape{r.Dialect, r.Operation, strings.Join(r.Features, " "), strings.Join(r.Parameters, " ")}
	if _, known := t.shapes[s]; !known && len(t.shapes) >= maxShapes {
		t.other(r)
	} else {
		t.shapes[s]++
	}
	if len(r.Attempts) > 0 {
		// The attempt that ended the request is one prompt and one answer.
		last := r.Attempts[len(r.Attempts)-1].Tokens
		t.lengths = append(t.lengths, length{last.In, last.Out})
	}
	if r.Language != "" {
		t.languages[r.Language]++
	}
	if r.ProviderModel != "" {
		t.ids[r.ProviderModel]++
	}
}

// other counts a request of a kind for which there is no room.
func (t *Traffic) other(r *ledger.Row) {
	for _, f := range r.Features {
		t.shapes[shape{r.Dialect, r.Operation, f, ""}]++
	}
	for _, p := range r.Parameters {
		t.shapes[shape{r.Dialect, r.Operation, "", p}]++
	}
}

// use is one feature or parameter, as clients of one dialect use it.
type use struct{ dialect, operation, kind, name string }

// uses counts who uses what.
func (t *Traffic) uses() map[use]int64 {
	out := map[use]int64{}
	for s, n := range t.shapes {
		for u := range s.uses {
			out[u] += n
		}
	}
	return out
}

// uses yields what requests of the shape use, the operation first.
func (s shape) uses(yield func(use) bool) {
	if !yield(use{s.dialect, s.operation, Operation, s.operation}) {
		return
	}
	for _, f := range strings.Fields(s.features) {
		if !yield(use{s.dialect, s.operation, Feature, f}) {
			return
		}
	}
	for _, p := range strings.Fields(s.parameters) {
		if !yield(use{s.dialect, s.operation, Parameter, p}) {
			return
		}
	}
}

// Lengths are percentiles of the prompts' tokens.
func (t *Traffic) Lengths() (p50, p95, most int64) {
	if len(t.lengths) == 0 {
		return 0, 0, 0
	}
	in := make([]int64, len(t.lengths))
	for i, l := range t.lengths {
		in[i] = l.in
	}
	slices.Sort(in)
	return in[len(in)/2], in[len(in)*95/100], in[len(in)-1]
}
