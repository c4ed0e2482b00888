package gateway

import (
	"bytes"

	"freehold/internal/capture"
	"freehold/internal/llm"
)

// Capture keeps the texts of requests whose workload asks for that.
type Capture interface {
	// Keep takes an exchange over and does not wait.
	Keep(e *capture.Exchange)
}

// shareSteps is how finely a share of requests is drawn.
const shareSteps = 1 << 20

// capture hands the texts of a request that is on record to Capture, if its
// workload asks for it and a provider was asked. The texts are copied here; all
// other work on them is Capture's, later.
func (x *exchange) capture() {
	if x.g.Capture == nil || x.route == nil || !x.route.Capture.On || len(x.row.Attempts) == 0 || x.call.Op == llm.CountTokens {
		return
	}
	keep := x.route.Capture
	if keep.Share < 1 && float64(x.g.Pick(shareSteps)) >= keep.Share*shareSteps {
		return
	}
	r := &x.row
	x.captured = true
	e := &capture.Exchange{
		Facts: capture.Facts{
			// A copy is erased with its request: by the key that it was made for.
			ID: r.ID, Time: r.Time, Workload: r.Workload, KeyID: x.call.Caller.KeyID, Tenant: r.Tenant, Classes: r.DataClasses,
			Dialect: r.Dialect, Operation: r.Operation, Outcome: string(r.Outcome),
		},
		Retention: keep.Retention,
	}
	request, answerOf := x.kept()
	e.Request = bytes.Clone(request)
	codec, op := x.call.Codec, x.call.Op
	e.User = x.body.Facts.EndUser
	switch {
	case x.plain != nil:
		plain := bytes.Clone(x.plain)
		if x.names == nil {
			plain = bytes.Clone(capture.Cut(x.plain).Body)
		}
		size := int64(len(x.plain))
		e.Answer, e.AnswerSize = func() (capture.Text, error) {
			body, err := answerOf(plain)
			cut := capture.Cut(body)
			cut.Size = max(cut.Size, size)
			return cut, err
		}, len(plain)
	case x.shown() != nil:
		answer, view := x.sent.Response(), x.view()
		e.Answer, e.AnswerSize = func() (capture.Text, error) {
			body, err := codec.EncodeReply(answer, op, view)
			if err == nil {
				body, err = answerOf(body)
			}
			return capture.Cut(body), err
		}, int(r.BytesOut)
	default: // nothing was shown: the ledger says why
		e.Answer = func() (capture.Text, error) { return capture.Text{}, nil }
	}
	x.g.Capture.Keep(e)
}
