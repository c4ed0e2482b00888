package runner

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"freehold/internal/gateway"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
	"freehold/internal/rollout/aside"
)

var _ gateway.Rollouts = (*Runner)(nil)

// shares is how finely a share of requests is drawn.
const shares = 1 << 20

// Part implements [gateway.Rollouts].
func (r *Runner) Part(workload, sticky string) (m gateway.Moving, ok bool) {
	p := (*r.moving.Load())[workload]
	if p == nil {
		return m, false
	}
	m = gateway.Moving{From: p.from, To: p.to, Part: ledger.Part{Rollout: p.id, Arm: ledger.Baseline}}
	if p.back {
		m.Part = ledger.Part{Arm: ledger.Candidate}
		return m, true
	}
	if p.canary > 0 && Place(p.id, sticky) < p.canary {
		m.Part.Arm = ledger.Candidate
	}
	m.Shadow = p.queue != nil && m.Part.Arm == ledger.Baseline && float64(r.Pick(shares)) < p.shadow*shares
	return m, true
}

// Place is where a conversation stands in a canary, from 0 to below 1: it belongs
// to the new model while the share is above it, so that it stays there while the
// share grows.
func Place(rollout, sticky string) float64 {
	sum := sha256.Sum256([]byte(rollout + "\x00" + sticky))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// side is what a row says of the old model's answer.
type side struct {
	rollout.Side
	id string
	at time.Time
}

// Ended implements [gateway.Rollouts].
func (r *Runner) Ended(row *ledger.Row, copied *gateway.Copy) {
	p := (*r.moving.Load())[row.Workload]
	if p == nil || p.id != row.Part.Rollout {
		return // it has ended while the request was under way
	}
	if copied != nil && row.Answerer() == p.from && !row.Played() {
		p.queue.offer(job{copied, side{aside.SideOf(row), row.ID, row.Time}})
	}
	outcome, ok := rollout.OutcomeOf(row, p.from, p.to)
	if !ok {
		return
	}
	select {
	case r.events <- event{p.active, outcome}:
	default: // the loop is behind: the ledger has the request, and the next ones will do
		r.missed.Add(1)
	}
}

// Rated is told of a person's first score of an answer, 0 to 1. It is kept elsewhere.
func (r *Runner) Rated(ctx context.Context, request string, score float64) {
	if len(*r.moving.Load()) == 0 {
		return
	}
	row, err := r.Ledger.Request(ctx, request)
	if err != nil || row.Part == nil {
		return // it was found a moment before; what has gone since says nothing
	}
	r.mu.Lock()
	a := r.active[row.Workload]
	known := a != nil && a.rated(row, score)
	r.mu.Unlock()
	if known {
		r.follow(ctx, a)
	}
}

// rated takes a score, and reports whether it says something: an answer that a drill
// cut or kept waiting is scored as that. mu is held.
func (a *active) rated(row *ledger.Row, score float64) bool {
	if row.Part == nil || row.Part.Rollout != a.state.ID || a.state.Stage == rollout.Shadowing || row.Played() {
		return false
	}
	switch {
	case row.Part.Arm == ledger.Candidate && row.Answerer() == a.state.To:
		a.evidence.AddFeedback(true, score)
	case row.Part.Arm == ledger.Baseline && row.Answerer() == a.state.From:
		a.evidence.AddFeedback(false, score)
	default:
		return false
	}
	return true
}
