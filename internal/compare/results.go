package compare

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
)

// Settings are what results rest on: those of other settings are not mixed.
type Settings struct {
	Workload   string     `json:"workload"`
	Baseline   string     `json:"baseline"` // a model; Recorded
	Judge      judge.Spec `json:"judge"`
	JudgeModel string     `json:"judge_model,omitempty"`
}

// Recorded is the baseline that is not asked again.
const Recorded = "recorded"

// Results are kept in a file, one JSON object a line: the settings, then answers
// and verdicts in the order in which they came. A nil Results keeps nothing.
type Results struct {
	mu       sync.Mutex
	file     *os.File
	answers  map[key]Answer
	verdicts map[key]Verdict
}

type key struct{ id, model string }

// Verdict is what was said of a pair, with what it cost.
type Verdict struct {
	judge.Verdict
	Failed string              `json:"failed,omitempty"` // why there is none
	Cost   decimal.NullDecimal `json:"cost"`
}

// line is one line of the file.
type line struct {
	Settings *Settings `json:"settings,omitempty"`
	ID       string    `json:"id,omitempty"`
	Digest   string    `json:"request,omitempty"` // of the request
	Model    string    `json:"model,omitempty"`
	Answer   *Answer   `json:"answer,omitempty"`
	Verdict  *Verdict  `json:"verdict,omitempty"`
}

// digest tells whether a row is still the one that was asked.
func digest(r *Row) string {
	want, err := json.Marshal(r.Want)
	if err != nil { // an Expected has nothing that cannot be JSON, but for numbers that no reader lets in
		want = []byte(err.Error())
	}
	sum := sha256.Sum256(append(append(bytes.Clone(r.Request), 0), want...))
	return hex.EncodeToString(sum[:8])
}

// Resume opens a results file, or makes it. What it has of the rows is taken for
// done; it is an error if it is of other settings, or if a row of it has changed.
func Resume(file string, s Settings, rows []Row) (r *Results, err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	r = &Results{file: f, answers: map[key]Answer{}, verdicts: map[key]Verdict{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			r = nil
		}
	}()
	text, err := io.ReadAll(f)
	if err != nil {
		return r, err
	}
	// A process that was killed may have left half a line.
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if len(whole) < len(text) {
		if err := f.Truncate(int64(len(whole))); err != nil {
			return r, err
		}
		if _, err := f.Seek(int64(len(whole)), io.SeekStart); err != nil {
			return r, err
		}
	}
	if len(whole) == 0 {
		return r, r.write(line{Settings: &s})
	}
	return r, r.read(file, whole, s, rows)
}

func (r *Results) read(file string, text []byte, s Settings, rows []Row) error {
	digests := map[string]string{}
	for i := range rows {
		digests[rows[i].ID] = digest(&rows[i])
	}
	n := 0
	for raw := range bytes.Lines(text) {
		n++
		var l line
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil || n == 1 && l.Settings == nil {
			return fmt.Errorf("%s:%d: it is no line of results: name another file with --out", file, n)
		}
		if n == 1 {
			if was, is := text1(l.Settings), text1(&s); was != is {
				return fmt.Errorf("%s has results of other settings: %s, and these are %s: name another file with --out", file, was, is)
			}
			continue
		}
		if now, ok := digests[l.ID]; ok && l.Digest != now {
			return fmt.Errorf("%s:%d: row %q has changed since it was asked: name another file with --out", file, n, l.ID)
		}
		switch k := (key{l.ID, l.Model}); {
		case l.Answer != nil:
			r.answers[k] = *l.Answer
		case l.Verdict != nil:
			r.verdicts[k] = *l.Verdict
		}
	}
	return nil
}

// text1 is v in one line.
func text1(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (r *Results) write(l line) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(raw, '\n'))
	return err
}

func (r *Results) answer(row *Row, model string) (a Answer, ok bool) {
	if r == nil {
		return a, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok = r.answers[key{row.ID, model}]
	return a, ok
}

func (r *Results) has(row *Row, model string) bool {
	_, ok := r.answer(row, model)
	return ok
}

func (r *Results) verdict(row *Row, model string) (v Verdict, ok bool) {
	if r == nil {
		return v, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok = r.verdicts[key{row.ID, model}]
	return v, ok
}

func (r *Results) judged(row *Row, model string) bool {
	_, ok := r.verdict(row, model)
	return ok
}

// keep keeps an answer or a verdict.
func (r *Results) keep(row *Row, model string, a *Answer, v *Verdict) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.write(line{ID: row.ID, Digest: digest(row), Model: model, Answer: a, Verdict: v}); err != nil {
		return fmt.Errorf("the results cannot be kept: %w", err)
	}
	return nil
}

// Close closes the file.
func (r *Results) Close() error {
	if r == nil {
		return nil
	}
	return r.file.Close()
}
