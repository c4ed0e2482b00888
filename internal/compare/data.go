// Package compare compares models on a data set before any of a workload's
// traffic goes to them: it asks each the same, has the answers judged, and says
// what is better, equal or worse by the evidence of package rollout. Who is
// asked, and how, is an [Asker]'s; nothing here reaches a network.
package compare

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"freehold/internal/jsondoor"
	"freehold/internal/judge"
	"freehold/internal/suggest"
)

// Row is one request of a data set.
type Row struct {
	ID      string
	Where   string          // FILE:LINE, or the id of a captured request
	Request json.RawMessage // OpenAI chat
	Want    *judge.Expected // nil: not known
	// Scores are what people gave the answers of models, 0 to 1.
	Scores map[string]float64
	// Classes, Key and Tenant are those of a captured request: where its data may go.
	Classes     []string
	Key, Tenant string
	// Recorded is the answer that it got; nil: none is known.
	Recorded *Answer
	// What is known of it before it is asked: its size, and what an answer can cost at
	// most, by model.
	TokensIn, MaxTokens int64
	Most                map[string]Most
}

const (
	maxLine = 32 << 20
	// maxBad is how many bad lines are told of.
	maxBad = 20
)

// Read reads a data set, one JSON object a line. An error tells of all bad lines.
func Read(file string, from io.Reader) ([]Row, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var rows []Row
	var wrong []error
	seen := map[string]string{}
	n, bad := 0, 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\xef\xbb\xbf")))
		if len(line) == 0 {
			continue
		}
		where := file + ":" + strconv.Itoa(n)
		row, err := parse(line)
		if err == nil {
			if row.ID == "" {
				row.ID = "line-" + strconv.Itoa(n)
			}
			if before, twice := seen[row.ID]; twice {
				err = fmt.Errorf("the id %q is that of %s already", row.ID, before)
			}
		}
		if err != nil {
			if bad++; bad <= maxBad {
				wrong = append(wrong, fmt.Errorf("%s: %w", where, err))
			}
			continue
		}
		row.Where, seen[row.ID] = where, where
		rows = append(rows, row)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		wrong = append(wrong, fmt.Errorf("%s:%d: the line is longer than %d MiB", file, n+1, maxLine>>20))
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if bad > maxBad {
		wrong = append(wrong, fmt.Errorf("and %d more lines", bad-maxBad))
	}
	if len(wrong) == 0 && len(rows) == 0 {
		wrong = append(wrong, fmt.Errorf("%s: there is no line in it", file))
	}
	return rows, errors.Join(wrong...)
}

// own are the members of a line that are no part of the request.
var own = []string{"id", "prompt", "expected", "feedback"}

// allowed are the members of a chat request that a line may have.
var allowed = []string{
	"messages", "model", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "temperature", "top_p", "top_k",
	"max_tokens", "max_completion_tokens", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs",
	"user", "safety_identifier", "reasoning_effort", "verbosity", "modalities", "metadata", "stream", "stream_options", "service_tier", "store",
	"prediction", "prompt_cache_key", "web_search_options",
}

// parse reads a line.
func parse(line []byte) (Row, error) {
	doc, err := jsondoor.Parse(line, nil) // refuses what stands there twice
	doc.Release()
	if err != nil {
		return Row{}, err
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(line, &members); err != nil {
		return Row{}, errors.New("it is no JSON object")
	}
	var row Row
	request := map[string]json.RawMessage{"stream": json.RawMessage("true")} // so that the first token is seen
	for name, v := range members {
		switch {
		case slices.Contains(allowed, name):
			request[name] = v
		case name == "n":
			return row, errors.New("n: answers are judged one by one, so a request asks for one")
		case !slices.Contains(own, name):
			return row, fmt.Errorf("%q is no member of a line%s", name, hint(name))
		}
	}
	if raw, ok := members["id"]; ok {
		if row.ID, err = identifier(raw); err != nil {
			return row, err
		}
	}
	if err := prompt(members, request); err != nil {
		return row, err
	}
	request["model"] = json.RawMessage(`"compare"`) // the asker puts the real one there
	if raw, ok := members["expected"]; ok {
		if row.Want, err = expected(raw); err != nil {
			return row, err
		}
	}
	if raw, ok := members["feedback"]; ok {
		if row.Scores, err = scores(raw); err != nil {
			return row, err
		}
	}
	row.Request, err = json.Marshal(request)
	return row, err
}

func hint(name string) string {
	if near := suggest.Nearest(name, slices.Concat(own, allowed)); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; a line has messages or prompt, id, expected, feedback, and members of a chat request"
}

func identifier(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return text, nil
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil && number != "" {
		return number.String(), nil
	}
	return "", errors.New("id: it must be a text or a number")
}

// prompt puts the messages into the request.
func prompt(members, request map[string]json.RawMessage) error {
	raw, short := members["prompt"]
	_, long := members["messages"]
	switch {
	case short && long:
		return errors.New("it has both messages and prompt")
	case !short && !long:
		return errors.New("it has neither messages nor prompt")
	case long:
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return errors.New("prompt: it must be a text")
	}
	messages, err := json.Marshal([]map[string]string{{"role": "user", "content": text}})
	request["messages"] = messages
	return err
}

// expected reads the right answer: a text, several of which each is right, a
// number, or an object in the form of [judge.Expected].
func expected(raw json.RawMessage) (*judge.Expected, error) {
	out := &judge.Expected{}
	switch bytes.TrimSpace(raw)[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		out.Texts = []string{text}
		return out, err
	case '[':
		if err := json.Unmarshal(raw, &out.Texts); err != nil || len(out.Texts) == 0 {
			return nil, errors.New("expected: a list must be one of texts, of which each is right")
		}
		return out, nil
	case '{':
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(out); err != nil {
			return nil, fmt.Errorf(`expected: %w; an object has texts, json, tools, number, pattern or refusal: {"json": {...}}`, err)
		}
		return out, nil
	}
	var number float64
	if err := json.Unmarshal(raw, &number); err != nil || string(raw) == "null" {
		return nil, errors.New("expected: it must be a text, a list of texts, a number or an object")
	}
	out.Number, out.Texts = &number, []string{string(raw)}
	return out, nil
}

// scores reads what people gave the answers of models.
func scores(raw json.RawMessage) (map[string]float64, error) {
	out := map[string]float64{}
	if err := json.Unmarshal(raw, &out); err != nil || len(out) == 0 {
		return nil, errors.New(`feedback: it must be scores by model: {"MODEL": 0.5}`)
	}
	for model, v := range out {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("feedback: the score of %q is %v: it must be from 0 to 1", model, v)
		}
	}
	return out, nil
}

// KindOf is how answers are judged where nobody says: by what is expected of
// them, else by whether the candidate answers the same as the baseline.
func KindOf(rows []Row) (judge.Kind, error) {
	first := map[judge.Kind]string{}
	var kinds []judge.Kind
	for i := range rows {
		w := rows[i].Want
		if w == nil || w.Refusal {
			continue
		}
		kind := judge.Normalised
		switch {
		case w.Tools != nil:
			kind = judge.Tools
		case w.JSON != nil:
			kind = judge.JSON
		case w.Number != nil:
			kind = judge.Numeric
		case w.Pattern != "":
			kind = judge.Regex
		}
		if _, ok := first[kind]; !ok {
			first[kind] = rows[i].Where
			kinds = append(kinds, kind)
		}
	}
	switch len(kinds) {
	case 0:
		return judge.Normalised, nil
	case 1:
		return kinds[0], nil
	}
	return "", fmt.Errorf("what is expected is of more than one kind: %s as in %s, %s as in %s", kinds[0], first[kinds[0]], kinds[1], first[kinds[1]])
}
