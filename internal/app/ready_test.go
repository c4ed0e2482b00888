package app

import (
	"strings"
	"testing"
	"time"

	"freehold/internal/engine"
	"freehold/internal/fleet"
	"freehold/internal/policy"
)

// still is an engine in one state.
type still struct {
	fleet.Sender
	st engine.Status
}

func (s still) status() engine.Status { return s.st }

// TestEnginesServe holds when a start is over, and that later no engine takes
// others' workloads down.
func TestEnginesServe(t *testing.T) {
	loading := engine.Status{State: engine.Loading}
	again := engine.Status{State: engine.Loading, Restarts: 1}
	failed := engine.Status{State: engine.Failed}
	backoff := engine.Status{State: engine.Backoff}
	ready := engine.Status{State: engine.Ready, Restarts: 3}
	none := engine.Status{} // no engine: a provider elsewhere

	for name, c := range map[string]struct {
		// workloads by name: the states of those that may answer, in order
		workloads map[string][]engine.Status
		models    map[string]engine.Status // that no workload uses
		inside    bool                     // the workloads' data must stay inside
		start     string                   // what is said while the program starts
		later     string                   // and when it has started
	}{
		"no engine":                        {workloads: map[string][]engine.Status{"w": {none}}},
		"nothing at all":                   {},
		"loaded":                           {workloads: map[string][]engine.Status{"w": {ready}}},
		"loads":                            {workloads: map[string][]engine.Status{"w": {loading}}, start: "engine e can answer w, and it is loading", later: "it is loading"},
		"loads, as a model of its own":     {models: map[string]engine.Status{"m": loading}, start: "can answer m, and it is loading", later: "it is loading"},
		"loads beside another workload":    {workloads: map[string][]engine.Status{"a": {ready}, "w": {loading}}, start: "can answer w, and it is loading"},
		"loads beside another provider":    {workloads: map[string][]engine.Status{"w": {loading}}, models: map[string]engine.Status{"m": none}, start: "can answer w, and it is loading"},
		"loads, with a fallback elsewhere": {workloads: map[string][]engine.Status{"w": {loading, none}}},
		"loads, with a loaded fallback":    {workloads: map[string][]engine.Status{"w": {loading, ready}}},
		"loads, the fallback may not":      {workloads: map[string][]engine.Status{"w": {loading, none}}, inside: true, start: "can answer w, and it is loading"},
		"failed, its fallback loads":       {workloads: map[string][]engine.Status{"w": {failed, loading}}, start: "it is loading", later: "it is loading"},
		"failed":                           {workloads: map[string][]engine.Status{"w": {failed}}, start: "it is failed", later: "it is failed"},
		"failed beside another workload":   {workloads: map[string][]engine.Status{"a": {ready}, "w": {failed}}},
		"failed beside one that loads":     {workloads: map[string][]engine.Status{"a": {failed}, "w": {loading}}, start: "can answer w, and it is loading", later: "can answer a, and it is failed"},
		"died":                             {workloads: map[string][]engine.Status{"w": {again}}, start: "it is loading", later: "it is loading"},
		"died beside another workload":     {workloads: map[string][]engine.Status{"a": {ready}, "w": {again}}},
		"its first try failed":             {workloads: map[string][]engine.Status{"a": {ready}, "w": {backoff}}},
	} {
		f := &fleet.Fleet{
			Providers: map[string]*fleet.Provider{}, Models: map[string]*fleet.Model{}, Workloads: map[string]*fleet.Route{},
			Classes: policy.Classes{"inside": {Name: "inside", Inside: true}},
		}
		deployment := func(st engine.Status) *fleet.Deployment {
			if st == none {
				f.Providers["cloud"] = &fleet.Provider{Name: "cloud", Place: policy.Place{Provider: "cloud"}}
				return &fleet.Deployment{Provider: f.Providers["cloud"]}
			}
			f.Providers["local"] = &fleet.Provider{Name: "local", Engine: true, Place: policy.Place{Provider: "local", Inside: true}}
			st.Name = "e"
			return &fleet.Deployment{Provider: f.Providers["local"], Sender: still{st: st}}
		}
		for w, states := range c.workloads {
			r := &fleet.Route{Workload: w}
			if c.inside {
				r.Classes = []string{"inside"}
			}
			for i, st := range states {
				m := &fleet.Model{Name: w + string(rune('0'+i)), Deployments: []*fleet.Deployment{deployment(st)}}
				f.Models[m.Name] = m
				r.Models = append(r.Models, m)
			}
			f.Workloads[w] = r
		}
		for m, st := range c.models {
			f.Models[m] = &fleet.Model{Name: m, Deployments: []*fleet.Deployment{deployment(st)}}
		}
		for begun, want := range map[bool]string{false: c.start, true: c.later} {
			over, err := enginesServe(f, begun, time.Time{})
			said := ""
			if err != nil {
				said = err.Error()
			}
			if want == "" && said != "" || !strings.Contains(said, want) {
				t.Errorf("%s: begun %v: %q, want %q", name, begun, said, want)
			}
			if wantOver := begun || !strings.Contains(c.start, "loading") || name == "died"; over != wantOver {
				t.Errorf("%s: begun %v: the start is over: %v, want %v", name, begun, over, wantOver)
			}
		}
	}
}
