package admin

import (
	"context"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// RolloutTransition is a change of a rollout, as the history has it.
type RolloutTransition struct {
	Seq    int64     `json:"seq" doc:"number in the history"`
	Time   time.Time `json:"time"`
	Was    string    `json:"was" doc:"empty: it began"`
	Is     string    `json:"is"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Pairs  int       `json:"pairs" doc:"known at that time"`
}

// RolloutPassed is a stage or step that a rollout has left.
type RolloutPassed struct {
	Where string         `json:"where"`
	Until time.Time      `json:"until"`
	Known rollout.Report `json:"known" doc:"when it was left: the gates are those of this stage or step"`
}

// RolloutReliability is whether the judge can be relied on.
type RolloutReliability struct {
	State          string  `json:"state" doc:"reliable, not yet known, unreliable"`
	Reason         string  `json:"reason"`
	Labels         int     `json:"labels" doc:"pairs on which people said a word"`
	Swaps          int     `json:"swaps" doc:"pairs that were judged in both orders"`
	Consistency    float64 `json:"consistency" doc:"share of them in which the judge said the same"`
	Accuracy       float64 `json:"accuracy" doc:"agreement with people who saw a winner"`
	AccuracyLow    float64 `json:"accuracy_low" doc:"of 95 %"`
	AccuracyHigh   float64 `json:"accuracy_high"`
	LongerAccuracy float64 `json:"longer_accuracy" doc:"the same of the rule that the longer answer wins"`
}

// RolloutMoney is what answers of both models cost, of the pairs.
type RolloutMoney struct {
	Old   decimal.NullDecimal `json:"old_per_1000" doc:"US dollars for 1000 requests; null: unknown"`
	New   decimal.NullDecimal `json:"new_per_1000"`
	Aside string              `json:"aside" doc:"that copies and judging cost, in US dollars"`
}

// RolloutReportOut is all that is known of a rollout.
type RolloutReportOut struct {
	RolloutStatus
	Shadowed    rollout.Report      `json:"shadowed" doc:"all pairs, with the gates as they stood beside clients' requests"`
	Course      []rollout.Point     `json:"course" doc:"how the knowledge of the quality grew"`
	Reliability *RolloutReliability `json:"reliability,omitempty" doc:"of a judging model"`
	Money       RolloutMoney        `json:"money"`
	Transitions []RolloutTransition `json:"transitions" doc:"the oldest first"`
	Totals      [2][]float64        `json:"totals_ms" doc:"of the answers of both models in pairs that both answered"`
	Firsts      [2][]float64        `json:"first_tokens_ms"`
}

// coursePoints is how many points a course has at most.
const coursePoints = 120

func (s *Service) rolloutReport(ctx context.Context, _ Caller, in RolloutIn) (RolloutReportOut, error) {
	st, err := s.rolloutNow(ctx, in)
	if err != nil {
		return RolloutReportOut{}, err
	}
	pairs, labels, err := s.pairs(ctx, st.ID)
	if err != nil {
		return RolloutReportOut{}, err
	}
	out := RolloutReportOut{
		RolloutStatus: s.statusOf(&st), Shadowed: rollout.Beside(&st.Plan, pairs), Course: rollout.Course(&st.Plan, pairs, coursePoints),
	}
	out.Money = RolloutMoney{Old: per1000(out.Shadowed.Old), New: per1000(out.Shadowed.New), Aside: st.Aside.USD.String()}
	if st.Plan.Judge.Kind == judge.Pairwise {
		out.Reliability = reliability(pairs, labels)
	}
	for i := range pairs {
		p := &pairs[i]
		if p.Old.Failed != "" || p.New.Failed != "" {
			continue
		}
		for arm, side := range []*rollout.Side{&p.Old, &p.New} {
			out.Totals[arm] = append(out.Totals[arm], millis(side.Total))
			if side.FirstToken > 0 {
				out.Firsts[arm] = append(out.Firsts[arm], millis(side.FirstToken))
			}
		}
	}
	all, err := s.app.Rollouts.Transitions(ctx, &st.State)
	if err != nil {
		return RolloutReportOut{}, err
	}
	out.Transitions, out.Passed = transitionsOf(all)
	return out, nil
}

func per1000(s rollout.Spent) decimal.NullDecimal {
	if !s.Cost.Valid || s.Requests == 0 {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(s.Cost.Decimal.Mul(decimal.NewFromInt(1000)).DivRound(decimal.NewFromInt(int64(s.Requests)), 6))
}

func reliability(pairs []rollout.Pair, labels []rollout.Label) *RolloutReliability {
	readings := rollout.Readings(pairs, labels)
	r := judge.Rely(readings)
	out := &RolloutReliability{
		State: string(r.State), Reason: r.Reason, Swaps: r.Swap.N, Consistency: r.Swap.Value, Accuracy: r.Judge.Accuracy.Value,
		AccuracyLow: r.Judge.Accuracy.Low, AccuracyHigh: r.Judge.Accuracy.High, LongerAccuracy: r.Longer.Accuracy.Value,
	}
	for _, x := range readings {
		if x.Person != "" {
			out.Labels++
		}
	}
	return out
}

// transitionsOf shows the rollout's records in the history, and the stages and
// steps that it has left and in which it measured.
func transitionsOf(all []runner.Transition) (out []RolloutTransition, passed []RolloutPassed) {
	out, passed = []RolloutTransition{}, []RolloutPassed{}
	for i := range all {
		t := &all[i]
		out = append(out, RolloutTransition{Seq: t.Seq, Time: t.Time.UTC(), Was: t.Was, Is: t.Is, By: t.Who.String(), Reason: t.Why, Pairs: t.Known.Pairs})
		if t.Left && t.Works() {
			where, _, _ := strings.Cut(t.Was, ",")
			where, _, _ = strings.Cut(where, " (")
			passed = append(passed, RolloutPassed{Where: where, Until: t.Time.UTC(), Known: t.Known})
		}
	}
	return out, passed
}
