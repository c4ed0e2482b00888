package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"freehold/internal/detect"
)

// finding is what a detector says: characters start to end of a text.
type finding struct {
	Text, Start, End int
	Kind             string
	Score            *float64 // nil: certain
}

// wire is a protocol.
type wire struct {
	ask  func(list []text, language string) []byte
	read func(answer []byte, list []text) ([]finding, error)
}

var wires = map[Protocol]wire{
	Freehold: {askFreehold, readFreehold},
	Presidio: {askPresidio, readPresidio},
}

// encode is a body of strings, which always encodes.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func askFreehold(list []text, _ string) []byte {
	values := make([]string, len(list))
	for i := range list {
		values[i] = list[i].value
	}
	return encode(map[string]any{"texts": values})
}

func readFreehold(answer []byte, list []text) ([]finding, error) {
	var a struct {
		Findings *[]struct {
			Text  *int     `json:"text"`
			Start *int     `json:"start"`
			End   *int     `json:"end"`
			Kind  string   `json:"kind"`
			Score *float64 `json:"score"`
		} `json:"findings"`
	}
	if err := decode(answer, &a); err != nil {
		return nil, err
	}
	if a.Findings == nil {
		return nil, errors.New("the answer has no findings, not even an empty list")
	}
	var out []finding
	for _, f := range *a.Findings {
		switch {
		case f.Text == nil || f.Start == nil || f.End == nil:
			return nil, errNowhere
		case *f.Text < 0 || *f.Text >= len(list):
			return nil, fmt.Errorf("a finding is of text %d of %d", *f.Text, len(list))
		}
		out = append(out, finding{*f.Text, *f.Start, *f.End, f.Kind, f.Score})
	}
	return out, nil
}

// between stands between the texts of a request where a detector takes one.
const between = "\n\n"

// askPresidio is a call of presidio-analyzer's POST /analyze, as its REST API
// documents it (read 2026-11-30): one text, its language; each result has
// entity_type, start, end (in characters) and score.
func askPresidio(list []text, language string) []byte {
	var b strings.Builder
	for i := range list {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(list[i].value)
	}
	return encode(map[string]any{"text": b.String(), "language": language})
}

func readPresidio(answer []byte, list []text) ([]finding, error) {
	var a *[]struct {
		Start *int     `json:"start"`
		End   *int     `json:"end"`
		Kind  string   `json:"entity_type"`
		Score *float64 `json:"score"`
	}
	if err := decode(answer, &a); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errors.New("the answer is no list")
	}
	begins := make([]int, len(list)) // in characters
	at := 0
	for i := range list {
		begins[i] = at
		at += utf8.RuneCountInString(list[i].value) + len(between)
	}
	whole := at - len(between)
	var out []finding
	for _, f := range *a {
		if f.Start == nil || f.End == nil {
			return nil, errNowhere
		}
		start, end := *f.Start, *f.End
		if start < 0 || end <= start || end > whole {
			return nil, errPlace
		}
		// What lies across several texts is found in each.
		i, exact := slices.BinarySearch(begins, start)
		if !exact {
			i--
		}
		for ; i < len(list) && begins[i] < end; i++ {
			size := utf8.RuneCountInString(list[i].value)
			from, to := max(0, start-begins[i]), min(size, end-begins[i])
			if from < to {
				out = append(out, finding{Text: i, Start: from, End: to, Kind: f.Kind, Score: f.Score})
			}
			if len(out) > maxFindings {
				return nil, errTooMany
			}
		}
	}
	return out, nil
}

func decode(answer []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(answer))
	if err := d.Decode(into); err != nil {
		return errors.New("the answer is not what the protocol says")
	}
	if d.More() {
		return errors.New("the answer goes on behind its end")
	}
	return nil
}

// maxFindings is how many findings of one request are taken.
const maxFindings = 10_000

// maxKinds is how many different kinds of one request are told apart.
const maxKinds = 32

var (
	errPlace   = errors.New("a finding is at no place in its text")
	errNowhere = errors.New("a finding does not say its place")
	errTooMany = fmt.Errorf("there are more than %d findings", maxFindings)
)

// other is the kind of what a detector calls by no usable name.
const other = "other"

// hits checks findings and puts them at their places in the body, in order.
func (d *Detector) hits(body []byte, list []text, found []finding) ([]detect.Hit, error) {
	if len(found) > maxFindings {
		return nil, errTooMany
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		if a.Text != b.Text {
			return a.Text - b.Text
		}
		return a.Start - b.Start
	})
	kinds := map[string]bool{}
	var hits []detect.Hit
	for from := 0; from < len(found); {
		to := from + 1
		for to < len(found) && found[to].Text == found[from].Text {
			to++
		}
		t := &list[found[from].Text]
		places, err := t.places(body, found[from:to])
		if err != nil {
			return nil, err
		}
		for i, f := range found[from:to] {
			if f.Score != nil && (*f.Score < 0 || *f.Score > 1) {
				return nil, errors.New("a score is not from 0 to 1")
			}
			kind := kindOf(f.Kind)
			if d.o.Kinds != nil && !slices.Contains(d.o.Kinds, kind) || f.Score != nil && *f.Score < d.o.MinScore {
				continue
			}
			if kinds[kind] = kinds[kind] || len(kinds) < maxKinds; !kinds[kind] {
				kind = other
			}
			hits = append(hits, detect.Hit{Kind: kind, Start: places[i][0], End: places[i][1]})
		}
		from = to
	}
	detect.Sort(hits)
	return hits, nil
}

// kindOf is a detector's word for a kind as configurations write it: PERSON and
// "US SSN" are person and us-ssn.
func kindOf(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == '_' || r == '-' || r == ' ':
			return '-'
		}
		return -1
	}, s)
	if s = strings.Trim(s, "-"); s == "" || len(s) > 40 || s[0] <= '9' {
		return other
	}
	return s
}
