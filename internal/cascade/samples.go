package cascade

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	maxLine = 1 << 20
	// maxBad is how many bad lines are told.
	maxBad = 20
)

// ReadSamples reads answers of a model, one JSON object a line: their margin, and
// "correct" or a "score" from 0 to 1. Other members are passed over. All that is
// wrong comes in one error, each with name and line.
func ReadSamples(name string, from io.Reader) ([]Sample, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var out []Sample
	var wrong []error
	n, bad := 0, 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\xef\xbb\xbf")))
		if len(line) == 0 {
			continue
		}
		s, err := sampleOf(line)
		if err == nil {
			out = append(out, s)
		} else if bad++; bad <= maxBad {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n, err))
		}
	}
	if err := lines.Err(); err != nil {
		wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n+1, err))
	}
	if bad > maxBad {
		wrong = append(wrong, fmt.Errorf("%s: and %d more bad lines", name, bad-maxBad))
	}
	return out, errors.Join(wrong...)
}

func sampleOf(line []byte) (Sample, error) {
	var row struct {
		Margin  *float64 `json:"margin"`
		Correct *bool    `json:"correct"`
		Score   *float64 `json:"score"`
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return Sample{}, fmt.Errorf("no row: %w", err)
	}
	inside := func(v *float64) bool { return v != nil && *v >= 0 && *v <= 1 }
	switch {
	case !inside(row.Margin):
		return Sample{}, errors.New(`"margin" must be a number from 0 to 1`)
	case (row.Correct == nil) == (row.Score == nil):
		return Sample{}, errors.New(`a row has either "correct", true or false, or "score", 0 to 1`)
	case row.Score != nil && !inside(row.Score):
		return Sample{}, errors.New(`"score" must be a number from 0 to 1`)
	case row.Score != nil:
		return Sample{*row.Margin, *row.Score}, nil
	case *row.Correct:
		return Sample{*row.Margin, 1}, nil
	}
	return Sample{*row.Margin, 0}, nil
}
