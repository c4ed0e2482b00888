package learn

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"freehold/internal/classify"
	"freehold/internal/suggest"
)

// Rated is an answer to a prompt that somebody rated.
type Rated struct {
	System   string
	Prompt   string
	Model    string // that answered
	Score    float64
	Task     classify.Task // if Labelled
	Labelled bool
}

// How much traffic is enough to learn from. With fewer rows a part that is held
// out has hardly ten, and what is measured on it says nothing.
const (
	MinRated  = 50 // answers of the weak model, or prompts with a task
	MinStrong = 20 // answers of the strong model: their mean is what it is worth
)

// Traffic makes rows of rated answers, called name.
//
// Each prompt was answered by one model only. So what the strong model would have
// made of a prompt that the weak one answered is taken from all that it did
// answer: its mean score. Prompts with a task have that for a label.
func Traffic(name string, rated []Rated, pairs []Pair) (*File, error) {
	mean, n := map[string]float64{}, map[string]int{}
	labelled := 0
	for _, r := range rated {
		n[r.Model]++
		mean[r.Model] += (r.Score - mean[r.Model]) / float64(n[r.Model]) // exact where all scores are equal
		if r.Labelled {
			labelled++
		}
	}
	for _, p := range pairs {
		for _, need := range []struct {
			model string
			least int
		}{{p.Weak, MinRated}, {p.Strong, MinStrong}} {
			if n[need.model] < need.least {
				return nil, fmt.Errorf("%s has %s of %s, and at least %d are needed%s", name, number(n[need.model], "rated answer"), need.model, need.least, others(n, need.model))
			}
		}
	}
	if len(pairs) == 0 && labelled < MinRated {
		return nil, fmt.Errorf("%s has %s with a task in their feedback, and at least %d are needed", name, number(labelled, "prompt"), MinRated)
	}
	f := &File{Path: name, Scale: 1, Growing: true}
	digest := sha256.New()
	for _, r := range rated {
		row := Row{System: r.System, Prompt: r.Prompt, Label: r.Task, Labelled: r.Labelled, Line: len(f.Rows) + 1}
		for _, p := range pairs {
			if r.Model == p.Weak {
				if row.Scores == nil {
					row.Scores = map[string]float64{p.Weak: r.Score}
				}
				row.Scores[p.Strong] = mean[p.Strong]
			}
		}
		if !row.Labelled && row.Scores == nil {
			continue
		}
		f.Rows = append(f.Rows, row)
		line, err := json.Marshal(row)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		digest.Write(append(line, '\n'))
	}
	f.SHA256 = hex.EncodeToString(digest.Sum(nil))
	return f, nil
}

// TooFew says what rows of files are too few to learn from and to measure on, or is
// nil. Enough are so many with a task, or with scores of both models of a pair.
func TooFew(files []*File, pairs []Pair) error {
	labelled, scored := 0, 0
	for _, f := range files {
		for i := range f.Rows {
			r := &f.Rows[i]
			if r.Labelled {
				labelled++
			}
			if slices.ContainsFunc(pairs, func(p Pair) bool {
				_, weak := r.Scores[p.Weak]
				_, strong := r.Scores[p.Strong]
				return weak && strong
			}) {
				scored++
			}
		}
	}
	switch {
	case max(labelled, scored) >= MinRated:
		return nil
	case len(pairs) == 0:
		return fmt.Errorf("the data has %s with a label, and at least %d are needed", number(labelled, "row"), MinRated)
	}
	return fmt.Errorf("the data has %s with scores of both models and %d with a label, and at least %d of one kind are needed", number(scored, "row"), labelled, MinRated)
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// others says which other models have how many rated answers.
func others(n map[string]int, missing string) string {
	if len(n) == 0 {
		return "; none of its requests has both feedback and a captured prompt"
	}
	names := slices.Sorted(maps.Keys(n))
	var each []string
	for _, name := range names {
		if name != missing {
			each = append(each, fmt.Sprintf("%d of %s", n[name], name))
		}
	}
	if len(each) == 0 {
		return ""
	}
	hint := ""
	if near := suggest.Nearest(missing, names); near != "" && n[missing] == 0 {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return "; there are " + strings.Join(each, ", ") + hint
}
