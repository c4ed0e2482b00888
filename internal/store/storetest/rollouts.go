package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/rollout"
)

// Rollouts checks that a store keeps to [rollout.Store].
func Rollouts(t *testing.T, open func(t *testing.T) rollout.Store) {
	ctx := t.Context()
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	state := func(id, workload string, day int) rollout.State {
		return rollout.State{ID: id, Workload: workload, From: "old", To: "new", Plan: rollout.Default(), Stage: rollout.Shadowing,
			Reason: "started", Started: at.AddDate(0, 0, day), Entered: at.AddDate(0, 0, day), By: "os:ann"}
	}
	t.Run("states", func(t *testing.T) {
		s := open(t)
		a, b := state("a", "w", 0), state("b", "other", 1)
		for _, r := range []rollout.State{a, b} {
			if err := s.PutRollout(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		a.Stage, a.Step, a.Paused, a.Wanted = rollout.Canary, 2, true, []rollout.Approval{{Person: "ann", Who: "key:fh_1 (ann)"}}
		if err := s.PutRollout(ctx, a); err != nil {
			t.Fatal(err)
		}
		got, err := s.Rollout(ctx, "a")
		if diff := cmp.Diff(a, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if _, err := s.Rollout(ctx, "none"); !errors.Is(err, rollout.ErrNotFound) {
			t.Errorf("one that there is not: %v", err)
		}
		// A second one of a workload only once the first has ended.
		second := state("c", "w", 2)
		if err := s.PutRollout(ctx, second); !errors.Is(err, rollout.ErrOpen) {
			t.Errorf("a second one: %v", err)
		}
		a.Stage, a.Ended = rollout.Aborted, at.AddDate(0, 0, 1)
		if err := errors.Join(s.PutRollout(ctx, a), s.PutRollout(ctx, second)); err != nil {
			t.Fatal(err)
		}
		// Nor does one that has ended go on beside it.
		a.Stage = rollout.Returning
		if err := s.PutRollout(ctx, a); !errors.Is(err, rollout.ErrOpen) {
			t.Errorf("an old one beside a new one: %v", err)
		}
		for workload, want := range map[string][]string{"": {"c", "b", "a"}, "w": {"c", "a"}, "none": {}} {
			list, err := s.Rollouts(ctx, workload)
			ids := []string{}
			for _, r := range list {
				ids = append(ids, r.ID)
			}
			if diff := cmp.Diff(want, ids); err != nil || diff != "" {
				t.Errorf("%q: %v\n%s", workload, err, diff)
			}
		}
	})
	t.Run("pairs and labels", func(t *testing.T) {
		s := open(t)
		yes := true
		want := []rollout.Pair{
			{Rollout: "a", Request: "2", Shadow: "s2", Time: at, Judged: true, Difference: -0.25, Segments: []string{"task=qa"}, Consistent: &yes,
				Old: rollout.Side{Total: time.Second, In: 1, Out: 2}, New: rollout.Side{Failed: "timeout"}},
			{Rollout: "a", Request: "1", Time: at},
		}
		for _, p := range append(want, rollout.Pair{Rollout: "b", Request: "2"}, rollout.Pair{Rollout: "a", Request: "2", Difference: 1}) {
			if err := s.AddPair(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		var got []rollout.Pair
		for p, err := range s.Pairs(ctx, "a") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for range s.Pairs(ctx, "a") {
			break // and nothing is held
		}
		for _, l := range []rollout.Label{
			{Rollout: "a", Request: "1", Winner: "tie", By: "ann"}, {Rollout: "a", Request: "2", Winner: "baseline", By: "ann"},
			{Rollout: "a", Request: "1", Winner: "candidate", By: "bob"}, {Rollout: "a", Request: "1", Winner: "baseline", By: "ann"},
		} {
			if err := s.PutLabel(ctx, l); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PutLabel(ctx, rollout.Label{Rollout: "a", Request: "9", Winner: "tie", By: "ann"}); !errors.Is(err, rollout.ErrNoPair) {
			t.Errorf("of no pair: %v", err)
		}
		labels, err := s.Labels(ctx, "a")
		if diff := cmp.Diff([]rollout.Label{
			{Rollout: "a", Request: "1", Winner: "baseline", By: "ann"}, {Rollout: "a", Request: "1", Winner: "candidate", By: "bob"},
			{Rollout: "a", Request: "2", Winner: "baseline", By: "ann"},
		}, labels); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
