package learn

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"freehold/internal/classify"
	"freehold/internal/jsondoor"
	"freehold/internal/regular"
	"freehold/internal/suggest"
)

// Row is one labelled prompt.
type Row struct {
	System string // instructions, if any
	Prompt string
	Label  classify.Task // if Labelled
	Scores map[string]float64
	Group  string             // rows of one template, or of one subject: they are held out together
	Cost   map[string]float64 // of each model's answer, in any unit

	Labelled bool
	Line     int
}

// File is a file of rows.
type File struct {
	Path   string
	Rows   []Row
	SHA256 string
	// Scale is what scores were divided by, so that all are in 0..1: 1, or 10
	// for judges that give 1 to 10, or 100.
	Scale float64
	// Growing: these are rows of traffic that goes on. What was there before under
	// the same name is among them.
	Growing bool
}

// SeenBy is how many of the rows a model was trained on, and other, if there is
// one, was not.
func (f *File) SeenBy(m, other *classify.Model) int {
	n := 0
	for i := range f.Rows {
		id := f.Rows[i].id()
		if _, seen := m.Recall(id); !seen {
			continue
		}
		if other != nil {
			if _, seen := other.Recall(id); seen {
				continue
			}
		}
		n++
	}
	return n
}

func (r *Row) id() classify.RowID { return classify.ID(r.System, r.Prompt) }

// Name is the file's name without its directory and endings.
func (f *File) Name() string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f.Path), ".gz"), ".jsonl")
}

const (
	maxLine = 64 << 20
	// maxBad is how many bad lines are told before the rest is only counted.
	maxBad = 20
)

// Read reads a file of JSON lines, compressed or not. All that is wrong with it
// comes in one error, each with file and line.
func Read(path string) (*File, error) {
	h, _, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return read(path, h)
}

func read(path string, from io.Reader) (*File, error) {
	f := &File{Path: path}
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(from, sum), 1<<16)
	var text io.Reader = in
	if begin, err := in.Peek(2); err == nil && begin[0] == 0x1f && begin[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("%s: begins as gzip and is none: %w", path, err)
		}
		text = z
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxLine)
	var wrong []error
	n, bad := 0, 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(line) == 0 {
			continue
		}
		row, err := parse(line)
		if err != nil {
			if bad++; bad <= maxBad {
				wrong = append(wrong, fmt.Errorf("%s:%d: %w", path, n, err))
			}
			continue
		}
		row.Line = n
		f.Rows = append(f.Rows, row)
	}
	if err := lines.Err(); err != nil {
		wrong = append(wrong, fmt.Errorf("%s:%d: %w", path, n+1, err))
	}
	if bad > maxBad {
		wrong = append(wrong, fmt.Errorf("%s: and %d more bad lines", path, bad-maxBad))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	if len(f.Rows) == 0 {
		return nil, fmt.Errorf("%s: holds no rows", path)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	f.scale()
	return f, nil
}

// members are those of a row. One that stands twice, or in another spelling, would
// be taken for what it may not mean.
var members = jsondoor.ObjectOf(jsondoor.Fields{"prompt": nil, "system": nil, "label": nil, "task": nil, "group": nil, "scores": nil, "cost": nil})

// ambiguous refuses a line that can be read in two ways.
func ambiguous(line []byte) error {
	doc, err := jsondoor.Parse(line, members)
	if err == nil {
		doc.Release()
		return nil
	}
	var e *jsondoor.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Reason {
	case jsondoor.Duplicate:
		return fmt.Errorf("a member stands twice in one object, at character %d", e.Column)
	case jsondoor.Variant:
		return fmt.Errorf("%q is spelled otherwise, at character %d", e.Known, e.Column)
	}
	return nil // other faults are told when it is read
}

// misread says what is wrong with a line in terms of JSON.
func misread(err error) error {
	var e *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &e):
		return fmt.Errorf("is not a JSON object of a row: %w", err)
	case e.Field == "":
		return fmt.Errorf("is a JSON %s, and a row is an object, {\"prompt\": ...}: one a line", e.Value)
	}
	return fmt.Errorf("%q is a JSON %s, and must be a string", e.Field, e.Value)
}

// parse reads one line.
func parse(line []byte) (Row, error) {
	var in struct {
		Prompt *string         `json:"prompt"`
		System string          `json:"system"`
		Label  *string         `json:"label"`
		Task   string          `json:"task"`
		Group  string          `json:"group"`
		Scores json.RawMessage `json:"scores"`
		Cost   json.RawMessage `json:"cost"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		if line[0] == '[' { // also one that goes on over many lines
			return Row{}, errors.New("is a JSON array, and a row is an object, {\"prompt\": ...}: one a line")
		}
		return Row{}, misread(err)
	}
	if err := ambiguous(line); err != nil {
		return Row{}, err
	}
	if in.Prompt == nil {
		return Row{}, errors.New(`has no "prompt"`)
	}
	r := Row{System: in.System, Prompt: *in.Prompt, Group: in.Group}
	if r.Group == "" {
		r.Group = in.Task
	}
	if in.Label != nil {
		task, ok := classify.ParseTask(*in.Label)
		if !ok {
			hint := "; the tasks are " + strings.Join(classify.TaskNames(), ", ")
			if near := suggest.Nearest(*in.Label, classify.TaskNames()); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return Row{}, fmt.Errorf("label %q is no task%s", *in.Label, hint)
		}
		r.Label, r.Labelled = task, true
	}
	if len(in.Scores) > 0 {
		if err := json.Unmarshal(in.Scores, &r.Scores); err != nil {
			return Row{}, errors.New(`"scores" is not an object of model names and numbers, {"phi-4": 0.5}`)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Scores)) {
			if v := r.Scores[name]; v < 0 || v > 100 || math.IsNaN(v) {
				return Row{}, fmt.Errorf("the score of %q is %v: scores are 0 to 1 (or to 10, or to 100)", name, v)
			}
		}
	}
	if len(in.Cost) > 0 {
		if err := json.Unmarshal(in.Cost, &r.Cost); err != nil {
			return Row{}, errors.New(`"cost" is not an object of model names and numbers, {"phi-4": 0.0004}`)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Cost)) {
			if v := r.Cost[name]; v < 0 {
				return Row{}, fmt.Errorf("the cost of %q is %v: costs are 0 or more", name, v)
			}
		}
	}
	if !r.Labelled && r.Scores == nil {
		return Row{}, errors.New(`has neither "label" nor "scores"`)
	}
	return r, nil
}

// scale brings scores to 0..1.
func (f *File) scale() {
	var top float64
	for _, r := range f.Rows {
		for _, v := range r.Scores {
			top = max(top, v)
		}
	}
	f.Scale = 1
	switch {
	case top > 10:
		f.Scale = 100
	case top > 1:
		f.Scale = 10
	}
	if f.Scale == 1 {
		return
	}
	for _, r := range f.Rows {
		for k := range r.Scores {
			r.Scores[k] /= f.Scale
		}
	}
}
