package gateway

import (
	"bytes"

	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// Rollouts decides which requests a rollout sends to the new model first, and
// gets to know what became of them.
type Rollouts interface {
	// Part returns the request's part in a rollout of its workload; ok is false
	// where there is none. sticky is what all requests of one conversation of one
	// caller share; where there is no conversation, of one caller or request.
	Part(workload, sticky string) (m Moving, ok bool)
	// Ended is told of a request that had a part, once it is on record. It must
	// not keep the row, and must not wait. copied is nil unless [Moving].Shadow
	// asked for it and the request was answered whole.
	Ended(row *ledger.Row, copied *Copy)
}

// Moving is a rollout as one request sees it.
type Moving struct {
	// Part goes on record. Its Arm is Baseline or Candidate; without an id the
	// request is sent to To first, and nobody wants to know what became of it.
	Part     ledger.Part
	From, To string // models
	// Shadow: the request's texts are wanted, to ask the new model the same aside.
	Shadow bool
}

// Copy is a request that was answered, and its answer. All of it is the
// receiver's.
type Copy struct {
	Call *Call // as it came; to be asked again it takes an ID, a time and an Aside
	// Answer is what the client was shown.
	Answer func() (*llm.Response, error)
	// Size is about how much memory is held, in bytes.
	Size int
	// Captured: the request's texts are kept.
	Captured bool
}

// move says how a rollout changes the plan, nil where it does not.
func (x *exchange) move() *routing.Move {
	op := x.call.Op
	if x.g.Rollouts == nil || x.route.Workload == "" || x.call.Aside != nil || op != llm.Chat && op != llm.Completion {
		return nil
	}
	// The same opening words of two people, or two applications, are two conversations.
	sticky := x.call.ID
	if f := &x.body.Facts; f.Conversation != "" || f.EndUser != "" || x.call.Caller.KeyID != "" {
		sticky = x.call.Caller.KeyID + "\x00" + f.EndUser + "\x00" + f.Conversation
	}
	m, ok := x.g.Rollouts.Part(x.route.Workload, sticky)
	if !ok {
		return nil
	}
	move := &routing.Move{From: x.call.Fleet.Models[m.From], To: x.call.Fleet.Models[m.To], Candidate: m.Part.Arm == ledger.Candidate}
	if move.From == nil || move.To == nil {
		return nil // the configuration has lost one of them; the rollout finds that out by itself
	}
	x.moving = &m
	return move
}

// moved puts the request's part on record, where the rollout has one in it.
func (x *exchange) moved() {
	if x.moving == nil || !x.plan.Moved || x.moving.Part.Rollout == "" {
		x.moving = nil
		return
	}
	x.row.Part = &x.moving.Part
}

// ended tells the rollout of the request, which is on record. What is copied for
// it is copied here; all work on it is the rollout's, later.
func (x *exchange) ended() {
	if x.moving == nil {
		return
	}
	var c *Copy
	if x.moving.Shadow && x.row.Outcome == ledger.OK {
		c = x.copied()
	}
	x.g.Rollouts.Ended(&x.row, c)
}

// copied is the request and its answer, nil where there is no answer to copy.
func (x *exchange) copied() *Copy {
	codec, op := x.call.Codec, x.call.Op
	call := *x.call
	call.Raw, call.Header = bytes.Clone(x.call.Raw), x.call.Header.Clone()
	call.Settled, call.Caller.AllowModel, call.Caller.AllowWorkload = nil, nil, nil
	c := &Copy{Call: &call, Size: len(call.Raw), Captured: x.captured}
	switch {
	case x.plain != nil:
		plain := bytes.Clone(x.plain)
		c.Size += len(plain)
		c.Answer = func() (*llm.Response, error) { return codec.DecodeReply(op, plain) }
	case x.shown() != nil && !x.sent.Cut:
		answer := x.sent.Response()
		c.Size += x.sent.Size()
		c.Answer = func() (*llm.Response, error) { return answer, nil }
	default:
		return nil
	}
	return c
}
