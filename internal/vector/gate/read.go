package gate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Query is what people ask, and what should be found.
type Query struct {
	Where     string // FILE:LINE
	Text      string
	Namespace *string // nil: all
	// Relevant are ids, as the old store names them, with their grades; none: not known.
	Relevant map[string]float64
}

// ReadQueries reads queries, one JSON object a line: {"query": "...", "relevant": ["id"]},
// or {"text": "...", "relevant": {"id": 2}}, with a namespace where there are several.
func ReadQueries(file string, from io.Reader) ([]Query, error) {
	const longest = 4 << 20
	in := bufio.NewScanner(from)
	in.Buffer(nil, longest)
	var out []Query
	var wrong []error
	for n := 1; in.Scan(); n++ {
		line := in.Bytes()
		if n == 1 { // some programs mark a text as UTF-8
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		q, err := query(line)
		if q.Where = fmt.Sprintf("%s:%d", file, n); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", q.Where, err))
			if len(wrong) == 20 {
				break
			}
		}
		out = append(out, q)
	}
	if err := in.Err(); err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
	}
	if len(out) == 0 && len(wrong) == 0 {
		wrong = append(wrong, fmt.Errorf("%s: there is no line in it", file))
	}
	return out, errors.Join(wrong...)
}

func query(line []byte) (Query, error) {
	var in struct {
		ID        any             `json:"id"`
		Query     string          `json:"query"`
		Text      string          `json:"text"`
		Namespace *string         `json:"namespace"`
		Relevant  json.RawMessage `json:"relevant"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return Query{}, err
	}
	q := Query{Text: in.Query, Namespace: in.Namespace, Relevant: map[string]float64{}}
	switch {
	case in.Query != "" && in.Text != "":
		return q, errors.New("it has both query and text")
	case in.Query == "" && in.Text == "":
		return q, errors.New("it has neither query nor text")
	case in.Query == "":
		q.Text = in.Text
	}
	if len(in.Relevant) == 0 || string(in.Relevant) == "null" {
		return q, nil
	}
	var ids []any
	if json.Unmarshal(in.Relevant, &ids) == nil {
		for _, id := range ids {
			switch id := id.(type) {
			case string:
				q.Relevant[id] = 1
			case float64:
				q.Relevant[fmt.Sprintf("%.0f", id)] = 1
			default:
				return q, errors.New("relevant: an id is neither a text nor a number")
			}
		}
		return q, nil
	}
	if err := json.Unmarshal(in.Relevant, &q.Relevant); err != nil {
		return q, errors.New(`relevant: it must be a list of ids, or grades by id: {"ID": 2}`)
	}
	for id, grade := range q.Relevant {
		if !(grade >= 0 && grade <= 10) {
			return q, fmt.Errorf("relevant: the grade of %q is %v: it must be from 0 to 10", id, grade)
		}
	}
	return q, nil
}
