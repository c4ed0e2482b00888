package app

import (
	"fmt"
	"slices"
	"time"

	"freehold/internal/engine"
	"freehold/internal/fleet"
)

// ready says why requests cannot be served now, or nil.
func (a *App) ready() error {
	if err := a.Ledger.Check(); err != nil {
		return err
	}
	over, err := enginesServe(a.Fleet(), a.begun.Load(), a.Clock())
	if over {
		a.begun.Store(true)
	}
	return err
}

// enginesServe says why local engines keep requests from being answered, or
// nil; over, that the start of the program is over.
//
// The start is over when each workload can be answered: an engine that alone
// may answer one has loaded, or its first try has failed. From then on no
// engine takes the others' workloads down with it, be it that it failed or that
// a reload has just brought it: the program is ready as long as one workload,
// or a provider that is no engine, can answer.
func enginesServe(f *fleet.Fleet, begun bool, now time.Time) (over bool, err error) {
	some := false
	for _, p := range f.Providers {
		some = some || !p.Engine
	}
	for _, name := range asked(f) {
		r, _ := f.Resolve(name)
		st, waits := onlyEngines(f, r, now)
		if !waits {
			some = true
			continue
		}
		// The reason for a state is not for whoever may ask: it can name files.
		why := fmt.Errorf("nobody but engine %s can answer %s, and it is %s (freehold engine list says more)", st.Name, name, st.State)
		if !begun && firstTry(st) {
			return false, why
		}
		if err == nil {
			err = why
		}
	}
	if some {
		err = nil
	}
	return true, err
}

// asked are the names that must be answered: the workloads, and the models that
// no workload uses.
func asked(f *fleet.Fleet) []string {
	names := f.WorkloadNames()
	used := map[*fleet.Model]bool{}
	for _, r := range f.Workloads {
		for _, m := range r.Reach() {
			used[m] = true
		}
	}
	return append(names, slices.DeleteFunc(f.ModelNames(), func(n string) bool { return used[f.Models[n]] })...)
}

// onlyEngines reports whether whoever may answer a route is an engine that is
// not ready, and how one of them is: one in its first try, if there is one.
func onlyEngines(f *fleet.Fleet, r *fleet.Route, now time.Time) (st engine.Status, yes bool) {
	perimeter, err := f.Classes.Perimeter(r.Classes...)
	if err != nil {
		return engine.Status{}, false
	}
	for _, m := range r.Models {
		for _, d := range m.Deployments {
			if _, why := perimeter.Permit(d.Provider.Place, now); why != "" {
				continue
			}
			e, ok := d.Sender.(interface{ status() engine.Status })
			if !ok {
				return engine.Status{}, false
			}
			is := e.status()
			if is.State == engine.Ready {
				return engine.Status{}, false
			}
			if !yes || firstTry(is) && !firstTry(st) {
				st, yes = is, true
			}
		}
	}
	return st, yes
}

// firstTry reports whether an engine is on its way for the first time.
func firstTry(st engine.Status) bool {
	switch st.State {
	case engine.Installing, engine.Downloading, engine.Starting, engine.Loading:
		return st.Restarts == 0
	}
	return false
}
