package app

import (
	"context"
	"time"

	"freehold/internal/budget"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
)

// A conversation stays on its deployment for as long as prompt caches usually
// do, and so many of them are remembered (some 10 MB when all are in use).
const (
	conversations    = 1 << 15
	conversationStay = 15 * time.Minute
)

// Planner is a gateway with what decisions need and no more: it explains
// requests. To serve them, what is missing is added. All planners of an App
// share what they remember.
func (a *App) Planner(ctx context.Context) (*gateway.Gateway, error) {
	budgets, err := a.BudgetsNow(ctx)
	if err != nil {
		return nil, err
	}
	return a.planner(budgets), nil
}

func (a *App) planner(budgets *budget.Keeper) *gateway.Gateway {
	g := &gateway.Gateway{Log: a.Log, Clock: a.Clock, Pick: fleet.Pick, Affinity: a.affinity, Escalated: a.escalated, Classify: a.tasks.classify, Budgets: budgets, Spend: a.spentToday(budgets)}
	if a.Rollouts != nil {
		g.Rollouts = a.Rollouts
	}
	return g
}
