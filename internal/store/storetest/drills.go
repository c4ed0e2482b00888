package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/drill"
	"freehold/internal/history"
)

// Drills checks that a store keeps to [drill.Store].
func Drills(t *testing.T, open func(t *testing.T) drill.Store) {
	ctx, s := t.Context(), open(t)
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	a := drill.Drill{ID: "a", Plan: drill.Plan{Kind: drill.Down, Providers: []string{"p"}, For: time.Minute, Share: 0.05, Errors: 1},
		State: drill.Running, Started: at, Until: at.Add(time.Minute), By: history.Who{Via: "os", Name: "ann"}, Config: "c1"}
	b := a
	b.ID, b.Started = "b", at.Add(time.Hour)
	if err := errors.Join(s.PutDrill(ctx, a), s.PutDrill(ctx, b)); err != nil {
		t.Fatal(err)
	}
	a.State, a.Ended, a.Cause = drill.Finished, at.Add(time.Minute), "its time was up"
	a.Report = &drill.Report{Requests: 3, Hit: 1, By: []drill.Answered{{Model: "m", Deployment: "m@q", Requests: 1}}, Outside: []string{}, Quality: []drill.Quality{}, Verdict: drill.Passed}
	if err := s.PutDrill(ctx, a); err != nil {
		t.Fatal(err)
	}
	got, err := s.Drill(ctx, "a")
	if diff := cmp.Diff(a, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := s.Drill(ctx, "none"); !errors.Is(err, drill.ErrNotFound) {
		t.Errorf("one that there is not: %v", err)
	}
	all, err := s.Drills(ctx)
	if diff := cmp.Diff([]drill.Drill{b, a}, all); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
