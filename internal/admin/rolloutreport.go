package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/history"
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
	out.Money = RolloutMoney{Old: per1000(out.Shadowed.Old), New: per1000(out.Shadowed.New), Aside: st.Aside.USD}
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
	out.Transitions, err = s.transitions(ctx, &st.State)
	return out, err
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

// transitions are the rollout's records in the history.
func (s *Service) transitions(ctx context.Context, st *rollout.State) ([]RolloutTransition, error) {
	records, err := s.app.History.List(ctx, history.Filter{Kinds: []history.Kind{runner.Kind}, Subject: st.Workload, Since: st.Started.Add(-time.Minute), Limit: MaxLimit})
	if err != nil {
		return nil, err
	}
	out := []RolloutTransition{}
	for i := len(records) - 1; i >= 0; i-- {
		r := &records[i]
		if r.Details["rollout"] != st.ID {
			continue
		}
		var known struct {
			Pairs int `json:"pairs"`
		}
		if err := json.Unmarshal([]byte(r.Details["evidence"]), &known); err != nil {
			return nil, err
		}
		t := RolloutTransition{Seq: r.Seq, Time: r.Time.UTC(), Was: r.Details["was"], Is: r.Details["is"], By: r.Who.String(), Reason: r.Why, Pairs: known.Pairs}
		if len(out) == 0 {
			t.Was = ""
		}
		out = append(out, t)
	}
	return out, nil
}
