package app

import (
	"context"

	"freehold/internal/drill"
	drills "freehold/internal/drill/runner"
	"freehold/internal/gateway"
	"freehold/internal/store/sqlite"
)

// openDrills makes what runs drills. send is nil where nothing is served.
func (a *App) openDrills(send func(context.Context, *gateway.Call) gateway.Answer) {
	a.Drills = drills.New(drills.Options{
		Store: sqlite.NewDrills(a.DB), History: a.History, Ledger: a.Ledger, Log: a.Log, Clock: a.Clock, NewID: newID, Fleet: a.Fleet,
		Quality: a.standIn, Send: send,
	})
}

// standIn is what the last rollout between two models has found of the second.
func (a *App) standIn(ctx context.Context, from, to string) (q drill.Quality, ok bool) {
	all, err := sqlite.NewRollouts(a.DB).Rollouts(ctx, "")
	if err != nil {
		a.Log.Error("what rollouts have found cannot be read", "error", err)
		return q, false
	}
	for _, s := range all {
		if s.From != from || s.To != to {
			continue
		}
		status, err := a.Rollouts.Status(ctx, s.Workload, s.ID)
		if err != nil {
			a.Log.Error("what a rollout has found cannot be read", "rollout", s.ID, "error", err)
			return q, false
		}
		if r := status.Report.Quality; r.Pairs > 0 {
			return drill.Quality{From: from, To: to, Rollout: s.ID, At: s.Entered, Pairs: r.Pairs, Mean: r.Mean, Low: r.Low, High: r.High, Conclusion: string(r.Outcome)}, true
		}
	}
	return q, false
}
