// Package feedback is what callers say of answers afterwards: how good one was,
// what the prompt asked for, a comment. It is traffic, kept for as long as the
// request's row in the ledger, and what `freehold route train` learns from.
package feedback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"freehold/internal/classify"
	"freehold/internal/jsondoor"
	"freehold/internal/suggest"
)

// The bounds of what is sent.
const (
	MaxBody    = 64 << 10 // bytes of the whole
	MaxComment = 4 << 10  // bytes of the comment
	maxID      = 200      // bytes of a request's id
)

// Feedback is what was said of one request's answer: of several, the last.
type Feedback struct {
	Request string
	Time    time.Time // when it came
	KeyID   string    // the virtual key that said it; empty: another, or none
	Score   float64   // 0 (useless) to 1 (right)
	Task    string    // what the prompt asked for; empty: not said
	Comment string
	First   First // what was said first, by the store
}

// First is the first that was said of a request's answer. Gates of rollouts count it
// alone: a bet on it cannot be taken back, and one caller must not weigh more for saying
// the same again.
type First struct {
	Time  time.Time
	Score float64
}

// ErrNotFound is returned for a request of which nothing was said, or which is
// not in the ledger.
var ErrNotFound = errors.New("no feedback")

// Store keeps feedback beside the rows of the ledger.
type Store interface {
	// PutFeedback keeps f in the place of what there was of the same request, and
	// reports whether there was nothing. Where the ledger has no row of it, that is
	// [ErrNotFound].
	PutFeedback(ctx context.Context, f Feedback) (first bool, err error)
	// Feedback returns that of one request, or [ErrNotFound].
	Feedback(ctx context.Context, request string) (Feedback, error)
	// Feedbacks yields what came at since or later, the oldest first. After an
	// error nothing follows. What goes from the ledger goes from here.
	Feedbacks(ctx context.Context, since time.Time) iter.Seq2[Feedback, error]
}

// InvalidError says what is wrong with feedback, and in which member.
type InvalidError struct{ Param, Message string }

func (e *InvalidError) Error() string { return e.Message }

func invalid(param, format string, args ...any) error {
	return &InvalidError{param, fmt.Sprintf(format, args...)}
}

// Parse reads the body of POST /v1/feedback. Its errors are [*InvalidError].
func Parse(body []byte) (Feedback, error) {
	var in struct {
		Request *string  `json:"request_id"`
		Score   *float64 `json:"score"`
		Thumbs  *string  `json:"thumbs"`
		Task    string   `json:"task"`
		Comment string   `json:"comment"`
	}
	// Names that stand twice or in another spelling, and bytes that are no UTF-8,
	// would be taken for what they may not mean.
	doc, err := jsondoor.Parse(body, members)
	if err != nil {
		return Feedback{}, unread(err)
	}
	doc.Release()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return Feedback{}, undecoded(err)
	}
	if in.Request == nil || *in.Request == "" {
		return Feedback{}, invalid("request_id", "request_id is missing: it is in the header x-request-id of the answer")
	}
	if len(*in.Request) > maxID {
		return Feedback{}, invalid("request_id", "request_id has %d bytes: it is no id of a request", len(*in.Request))
	}
	f := Feedback{Request: *in.Request, Comment: in.Comment}
	switch {
	case in.Score != nil && in.Thumbs != nil:
		return Feedback{}, invalid("thumbs", "score and thumbs say the same: send one of them")
	case in.Score != nil:
		if f.Score = *in.Score; f.Score < 0 || f.Score > 1 {
			return Feedback{}, invalid("score", "score is %v: it must be from 0 (useless) to 1 (right)", f.Score)
		}
	case in.Thumbs == nil:
		return Feedback{}, invalid("score", `score is missing: a number from 0 to 1, or thumbs: "up" or "down"`)
	case *in.Thumbs == "up":
		f.Score = 1
	case *in.Thumbs != "down":
		return Feedback{}, invalid("thumbs", `thumbs is %.20q: it must be "up" or "down"`, *in.Thumbs)
	}
	if in.Task != "" {
		task, ok := classify.ParseTask(in.Task)
		if !ok {
			hint := "the tasks are " + strings.Join(classify.TaskNames(), ", ")
			if near := suggest.Nearest(in.Task, classify.TaskNames()); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return Feedback{}, invalid("task", "task is %.40q, which is none; %s", in.Task, hint)
		}
		f.Task = task.String()
	}
	if len(f.Comment) > MaxComment {
		return Feedback{}, invalid("comment", "comment has %d bytes; at most %d", len(f.Comment), MaxComment)
	}
	return f, nil
}

// members are those of the body.
var members = jsondoor.ObjectOf(jsondoor.Fields{"request_id": nil, "score": nil, "thumbs": nil, "task": nil, "comment": nil})

// unread says why a body is not JSON as it should be.
func unread(err error) error {
	var e *jsondoor.Error
	if errors.As(err, &e) {
		return invalid(e.Path, "%s", e.Error())
	}
	return invalid("", "%s", err.Error())
}

func undecoded(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return invalid(kind.Field, "%s must not be a %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return invalid("", "feedback is a JSON object; this is a JSON %s", kind.Value)
	}
	// The decoder names an unknown member.
	return invalid("", "%s", strings.TrimPrefix(err.Error(), "json: "))
}
