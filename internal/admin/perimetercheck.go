package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"freehold/internal/config"
	"freehold/internal/fleet"
	"freehold/internal/policy"
)

// Reach is what requests of one workload may reach, or those that name none: of
// one tenant or of none, with one data class more than the workload's own or
// without.
type Reach struct {
	Workload    string   `json:"workload"`
	Way         string   `json:"way,omitempty" doc:"where workload is empty: model, requests that name a model; vendor, those that name a vendor's; relay, raw paths"`
	Tenant      string   `json:"tenant,omitempty"`
	Added       string   `json:"added,omitempty" doc:"a data class that a key, a header or a detector adds"`
	Classes     []string `json:"classes" doc:"all that then govern the request"`
	Deployments []string `json:"deployments" doc:"that may be asked: the model's, then the fallbacks', those of rules, of a cascade, of a rollout and its judge. *@P: the names that the provider P owns; files@P: that path"`
	Forbidden   []string `json:"forbidden" doc:"that may not be asked, and why"`
}

// IndexReach is which of its stores requests of an index may reach: of one tenant or of
// none, with one data class more than the index's own or without.
type IndexReach struct {
	Index     string   `json:"index"`
	Tenant    string   `json:"tenant,omitempty"`
	Added     string   `json:"added,omitempty" doc:"a data class that a key or a header adds"`
	Classes   []string `json:"classes" doc:"all that then govern the request"`
	Stores    []string `json:"stores" doc:"of from and to, those that may be asked; one that is not under stores by its address"`
	Forbidden []string `json:"forbidden" doc:"those that may not be asked, and why"`
}

// ClassReach is where bytes of a data class may go, whatever the workload.
type ClassReach struct {
	Class     string   `json:"class"`
	Providers []string `json:"providers"`
	Forbidden []string `json:"forbidden" doc:"providers that may not be asked, and why"`
}

// PerimeterCheckIn is what is expected of a configuration.
type PerimeterCheckIn struct {
	Expect json.RawMessage `json:"expect,omitempty" doc:"the answer of an earlier check: what differs from it is a problem"`
}

// PerimeterCheckOut is where requests may go by the configuration alone,
// whatever is up or down.
type PerimeterCheckOut struct {
	OK bool `json:"ok"`
	// Problems make it not ok.
	Problems []string     `json:"problems"`
	Warnings []string     `json:"warnings"`
	Classes  []ClassReach `json:"classes"`
	Reach    []Reach      `json:"reach"`
	Indexes  []IndexReach `json:"indexes"`
}

// soon is how long before a contract ends a check warns of it.
const soon = 30 * 24 * time.Hour

func (s *Service) perimeterCheck(_ context.Context, _ Caller, in PerimeterCheckIn) (PerimeterCheckOut, error) {
	return CheckPerimeter(s.app.Config(), in.Expect, s.app.Clock())
}

// CheckPerimeter works out where each workload's requests may go. A class that
// can go nowhere, a workload that can reach nothing, unless that is expected, and a
// difference to what is expected are problems. It asks nobody.
func CheckPerimeter(cfg *config.Config, expect json.RawMessage, now time.Time) (PerimeterCheckOut, error) {
	out := PerimeterCheckOut{Problems: []string{}, Warnings: []string{}, Classes: []ClassReach{}, Reach: []Reach{}, Indexes: []IndexReach{}}
	before, err := expected(expect)
	if err != nil {
		return out, err
	}
	r := newReach(cfg, now)
	for _, class := range slices.Sorted(maps.Keys(cfg.DataClasses)) {
		c, err := r.class(class)
		if err != nil {
			return out, err
		}
		if len(c.Providers) == 0 && !before.nowhere(class) {
			out.Problems = append(out.Problems, "data class "+class+" can go nowhere: "+strings.Join(c.Forbidden, "; "))
		}
		out.Classes = append(out.Classes, c)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Workloads)) {
		reach, err := r.workload(cfg.Workloads[name])
		if err != nil {
			return out, err
		}
		out.Reach = append(out.Reach, reach...)
	}
	for _, way := range r.ways() {
		reach, err := r.combine("", nil, way)
		if err != nil {
			return out, err
		}
		out.Reach = append(out.Reach, reach...)
	}
	for i := range out.Reach {
		if w := &out.Reach[i]; w.Way == "" && len(w.Deployments) == 0 {
			text := w.subject() + " can reach nothing: " + strings.Join(w.Forbidden, "; ")
			if w.Added == "" && before.nothing(w.subject()) {
				continue
			} else if w.Added == "" {
				out.Problems = append(out.Problems, text)
			} else if by := r.detectors(w.Workload, w.Added); len(by) > 0 {
				out.Warnings = append(out.Warnings, text+"; what "+strings.Join(by, ", ")+" finds is refused")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Indexes)) {
		of, err := r.index(cfg.Indexes[name])
		if err != nil {
			return out, err
		}
		out.Indexes = append(out.Indexes, of...)
	}
	for i := range out.Indexes {
		x := &out.Indexes[i]
		if x.Added == "" && x.lacks() && !before.lacking(x.subject()) {
			out.Problems = append(out.Problems, x.subject()+" may not have its stores: "+strings.Join(x.Forbidden, "; "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Providers)) {
		if e := cfg.Providers[name].Contract.Expires.Time(); !e.IsZero() && now.Before(e) && e.Sub(now) < soon {
			out.Warnings = append(out.Warnings, "the contract with provider "+name+" ends on "+e.Format(time.DateOnly))
		}
	}
	if before != nil {
		out.Problems = append(out.Problems, out.differences(before)...)
	}
	out.OK = len(out.Problems) == 0
	return out, nil
}

func (w *Reach) subject() string {
	s := "workload " + w.Workload
	switch w.Way {
	case wayModel:
		s = "a model's name"
	case wayVendor:
		s = "the name of a vendor's model"
	case wayRelay:
		s = "a raw path"
	}
	if w.Tenant != "" {
		s += " of tenant " + w.Tenant
	}
	if w.Added != "" {
		s += " with data class " + w.Added
	}
	return s
}

// expected reads what is expected; nil: nothing in particular.
func expected(expect json.RawMessage) (*PerimeterCheckOut, error) {
	if len(expect) == 0 {
		return nil, nil
	}
	var before PerimeterCheckOut
	if err := json.Unmarshal(expect, &before); err != nil || before.Reach == nil {
		return nil, invalid("what is expected is no answer of a check", "freehold perimeter check --json > FILE makes one")
	}
	return &before, nil
}

// nowhere reports that a class was expected to be a dead end.
func (out *PerimeterCheckOut) nowhere(class string) bool {
	return out != nil && slices.ContainsFunc(out.Classes, func(c ClassReach) bool { return c.Class == class && len(c.Providers) == 0 })
}

// nothing reports that a workload was expected to reach nothing, as one that is not
// for a tenant does.
func (out *PerimeterCheckOut) nothing(subject string) bool {
	return out != nil && slices.ContainsFunc(out.Reach, func(w Reach) bool { return w.subject() == subject && len(w.Deployments) == 0 })
}

// differences are what may be reached and was not expected, and the other way
// round.
func (out *PerimeterCheckOut) differences(before *PerimeterCheckOut) []string {
	type edge struct{ from, to string }
	edges := func(o *PerimeterCheckOut) map[edge]bool {
		set := map[edge]bool{}
		for i := range o.Reach {
			set[edge{o.Reach[i].subject(), ""}] = true
			for _, d := range o.Reach[i].Deployments {
				set[edge{o.Reach[i].subject(), d}] = true
			}
		}
		for i := range o.Indexes {
			x := o.Indexes[i].subject()
			set[edge{x, ""}] = true
			for _, s := range o.Indexes[i].Stores {
				set[edge{x, "store " + s}] = true
			}
		}
		for i := range o.Classes {
			class := "data class " + o.Classes[i].Class
			set[edge{class, ""}] = true
			for _, p := range o.Classes[i].Providers {
				set[edge{class, "provider " + p}] = true
			}
		}
		return set
	}
	var list []string
	now := *out
	if before.Indexes == nil { // it is of a freehold that did not look at them
		now.Indexes = nil
	}
	was, is := edges(before), edges(&now)
	for e := range is {
		switch {
		case was[e]:
		case e.to == "":
			list = append(list, e.from+" is not expected")
		case was[edge{e.from, ""}]:
			list = append(list, e.from+" can reach "+e.to+", which is not expected")
		}
	}
	for e := range was {
		switch {
		case is[e]:
		case e.to == "":
			list = append(list, e.from+" is expected and not there")
		case is[edge{e.from, ""}]:
			list = append(list, e.from+" can no longer reach "+e.to)
		}
	}
	slices.Sort(list)
	return list
}

// reach works out what a configuration allows at a time.
type reach struct {
	cfg     *config.Config
	classes policy.Classes
	now     time.Time
}

func newReach(cfg *config.Config, now time.Time) *reach {
	return &reach{cfg, fleet.Classes(cfg), now}
}

// perimeter combines classes and a tenant; empty names are none.
func (r *reach) perimeter(tenant string, classes ...string) (none policy.Perimeter, err error) {
	var t *policy.Tenant
	if tenant != "" {
		c := r.cfg.Tenants[tenant]
		if c == nil {
			return none, fmt.Errorf("the tenant %s is no longer configured", tenant)
		}
		t = c.Policy()
	}
	return r.classes.For(t, slices.DeleteFunc(slices.Clone(classes), func(c string) bool { return c == "" })...)
}

func (r *reach) class(name string) (ClassReach, error) {
	out := ClassReach{Class: name, Providers: []string{}, Forbidden: []string{}}
	p, err := r.perimeter("", name)
	if err != nil {
		return out, err
	}
	for _, provider := range slices.Sorted(maps.Keys(r.cfg.Providers)) {
		if _, why := p.Permit(r.cfg.Providers[provider].Place(), r.now); why != "" {
			out.Forbidden = append(out.Forbidden, provider+": "+why)
		} else {
			out.Providers = append(out.Providers, provider)
		}
	}
	return out, nil
}

// exit is a way out: a deployment, or what stands for many of them.
type exit struct{ name, provider string }

// way are the exits of requests of one kind.
type way struct {
	kind  string // empty: of a workload
	exits []exit
}

// The ways of requests that name no workload, as the ledger calls their routes.
const (
	wayModel  = "model"
	wayVendor = "vendor"
	wayRelay  = "relay"
)

// ways are those that need no workload: every model answers to its own name,
// vendors' names and raw paths are relayed where the configuration says so.
func (r *reach) ways() []way {
	model, vendor, relay := way{kind: wayModel}, way{kind: wayVendor}, way{kind: wayRelay}
	for _, name := range slices.Sorted(maps.Keys(r.cfg.Models)) {
		model.exits = append(model.exits, r.exits(name)...)
	}
	// Of several providers that own a name, or take a path, the first is asked.
	var owned, taken []string
	for _, name := range slices.Sorted(maps.Keys(r.cfg.Providers)) {
		p := r.cfg.Providers[name]
		free := func(prefix string) bool {
			return !slices.ContainsFunc(owned, func(o string) bool { return strings.HasPrefix(prefix, o) })
		}
		if r.cfg.Server.UnknownModels == config.UnknownRelay && slices.ContainsFunc(p.Owns, free) {
			vendor.exits = append(vendor.exits, exit{"*@" + name, name})
		}
		owned = append(owned, p.Owns...)
		for _, path := range p.Relay {
			if !slices.Contains(taken, string(path)) {
				taken = append(taken, string(path))
				relay.exits = append(relay.exits, exit{string(path) + "@" + name, name})
			}
		}
	}
	return []way{model, vendor, relay}
}

// exits are a model's deployments, as the fleet names them.
func (r *reach) exits(model string) []exit {
	var out []exit
	seen := map[string]int{}
	for _, d := range r.cfg.Models[model].Deployments {
		name := model + "@" + d.Provider
		if seen[d.Provider]++; seen[d.Provider] > 1 {
			name = fmt.Sprintf("%s#%d", name, seen[d.Provider])
		}
		out = append(out, exit{name, d.Provider})
	}
	return out
}

// workload is what a workload may reach.
func (r *reach) workload(w *config.Workload) ([]Reach, error) {
	var by way
	for _, name := range r.models(w) {
		by.exits = append(by.exits, r.exits(name)...)
	}
	return r.combine(w.Name, w, by)
}

// combine is what a way leads to: by itself and for each tenant, with each data
// class more than the workload's own. Of a way without a workload, w is nil.
func (r *reach) combine(name string, w *config.Workload, by way) ([]Reach, error) {
	tenants := slices.Sorted(maps.Keys(r.cfg.Tenants))
	var own []string
	if w != nil {
		own = w.Data
	}
	if w == nil || w.Tenant != config.Required {
		tenants = append([]string{""}, tenants...)
	}
	var out []Reach
	for _, tenant := range tenants {
		for _, added := range append([]string{""}, slices.Sorted(maps.Keys(r.cfg.DataClasses))...) {
			if added != "" && slices.Contains(own, added) {
				continue
			}
			one := Reach{Workload: name, Way: by.kind, Tenant: tenant, Added: added, Deployments: []string{}, Forbidden: []string{}}
			p, err := r.perimeter(tenant, append(slices.Clone(own), added)...)
			if err != nil {
				return nil, err
			}
			one.Classes = orEmpty(p.Names())
			for _, e := range by.exits {
				if _, why := p.Permit(r.cfg.Providers[e.provider].Place(), r.now); why != "" {
					one.Forbidden = append(one.Forbidden, e.name+": "+why)
				} else {
					one.Deployments = append(one.Deployments, e.name)
				}
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// models are those that a workload may ask, each once.
func (r *reach) models(w *config.Workload) []string {
	list := append([]string{w.Model}, w.Fallbacks...)
	for _, rule := range w.Route {
		if !rule.Dry {
			list = append(append(list, rule.Model), rule.Fallbacks...)
		}
	}
	if w.Cascade != nil {
		list = append(list, w.Cascade.Model)
	}
	if ro := r.cfg.Rollouts[w.Name]; ro != nil {
		list = append(append(list, ro.To), ro.Judge.Models...)
	}
	if x := r.cfg.IndexOf(w.Name); x != nil {
		list = append(list, x.Embeddings.Model)
	}
	var out []string
	for _, m := range list {
		if m != "" && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// detectors are those that add a class to a workload's requests.
func (r *reach) detectors(workload, class string) []string {
	var out []string
	for name, d := range r.cfg.Detectors {
		if slices.Contains(d.Class, class) && (d.Workloads == nil || slices.Contains(d.Workloads, workload)) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
