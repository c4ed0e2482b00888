package app

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"

	"freehold/internal/config"
	"freehold/internal/feedback"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/history"
	"freehold/internal/rollout/aside"
	"freehold/internal/rollout/runner"
	"freehold/internal/store/sqlite"
)

// openRollouts takes up the rollouts of the state. g is nil where nothing is
// served.
func (a *App) openRollouts(ctx context.Context, g *gateway.Gateway) error {
	if g != nil {
		a.Aside = &aside.Asker{Send: g.Ask, Bounds: g, Fleet: a.Fleet, Clock: a.Clock, NewID: newID, Codec: a.codecs["openai"], Classify: a.tasks.classify}
	}
	a.Rollouts = runner.New(runner.Options{
		Store: sqlite.NewRollouts(a.DB), History: a.History, Ledger: a.Ledger, Feedback: a.Feedback, Log: a.Log, Clock: a.Clock, NewID: newID, Pick: fleet.Pick,
		Fleet: a.Fleet, InUse: a.modelOf, Approvals: a.approvals, Write: a.writeModel, Texts: a.Captures, Aside: a.Aside,
	})
	return a.Rollouts.Load(ctx)
}

// rated tells rollouts of a person's score.
func (a *App) rated(f feedback.Feedback) { a.Rollouts.Rated(context.Background(), f.Request, f.Score) }

// modelOf is the model that the configuration names for a workload.
func (a *App) modelOf(workload string) string {
	if w := a.Config().Workloads[workload]; w != nil {
		return w.Model
	}
	return ""
}

// approvals is how many people the configuration wants for a workload's cutover.
func (a *App) approvals(workload string) int {
	if w := a.Config().Workloads[workload]; w != nil {
		return w.Approvals
	}
	return 0
}

// writeModel makes a model a workload's own in the configuration.
func (a *App) writeModel(ctx context.Context, workload, model string, who history.Who, why string) error {
	value, err := json.Marshal(model)
	if err != nil {
		return err
	}
	_, err = a.Edit(ctx, modelPath(workload), value, who, why)
	return err
}

func modelPath(workload string) string { return "workloads." + pathPart(workload) + ".model" }

// HeldModel reports whether a workload's model is held apart from the file, which
// names another, and the patch by which it would be in it; "" where the file
// cannot be read.
func (a *App) HeldModel(ctx context.Context, workload string) (held bool, patch string, err error) {
	rows, err := a.overlay(ctx)
	if err != nil {
		return false, "", err
	}
	rows = slices.DeleteFunc(rows, func(c config.Change) bool { return c.Path != modelPath(workload) })
	if len(rows) == 0 {
		return false, "", nil
	}
	src, err := Env(a.embedded, nil).ReadFile(a.ConfigPath)
	if err == nil {
		patch, err = config.Patch(a.ConfigPath, src, rows)
	}
	if err != nil { // what is held is in effect all the same
		a.Log.Debug("no patch can be made of what is held", "error", err)
		return true, "", nil
	}
	return patch != "", patch, nil
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// pathPart is a name as it stands in the path of a value.
func pathPart(name string) string {
	if bare.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}
