package admin

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"freehold/internal/config"
	"freehold/internal/drill"
	"freehold/internal/drill/runner"
	"freehold/internal/fleet"
	"freehold/internal/history"
)

// drillFacts are what configuration and history say about a drill now.
func (s *Service) drillFacts(ctx context.Context, d *drill.Drill) (drill.Facts, error) {
	f, cfg := s.app.Fleet(), s.app.Config()
	out := drill.Facts{Config: f.Version, Vendors: []drill.Place{}, StandIns: []drill.StandIn{}, Residual: residual(f, cfg, d)}
	for _, name := range d.Plan.Providers {
		out.Vendors = append(out.Vendors, placeFacts(cfg, name))
	}
	if w := f.Workload(d.Plan.Workload); w != nil {
		out.Service = drill.Service{Workload: w.Workload, Aliases: orEmpty(f.AliasesOf(w.Workload)), Model: w.Models[0].Name, Fallbacks: []string{}, Classes: orEmpty(w.Classes)}
		for _, m := range w.Models[1:] {
			out.Service.Fallbacks = append(out.Service.Fallbacks, m.Name)
		}
	}
	out.StandIns = s.standIns(f, cfg, d)
	records, err := s.app.History.List(ctx, history.Filter{Kinds: []history.Kind{runner.KindEnd}, Since: d.Started})
	if err != nil {
		return out, err
	}
	for _, r := range records {
		if r.Details["drill"] == d.ID {
			out.Record = &drill.Record{Seq: r.Seq, Time: r.Time, Hash: r.Hash}
		}
	}
	return out, nil
}

// placeFacts is what is known of a provider. One that the configuration has no
// more is a name only.
func placeFacts(cfg *config.Config, name string) drill.Place {
	out := drill.Place{Provider: name}
	p := cfg.Providers[name]
	if p == nil {
		return out
	}
	out.Preset, out.Hosting, out.Region, out.Jurisdiction = p.Preset, string(p.Hosting), p.Region, p.Jurisdiction
	out.Inside, out.Own = p.Inside, p.Local()
	out.DPA, out.ZeroRetention, out.Training = string(p.Contract.DPA), string(p.Contract.ZeroRetention), string(p.Contract.Training)
	out.Expires = string(p.Contract.Expires)
	return out
}

// standIns are the deployments of others that the drill's workloads lead to, and
// those that answered.
func (s *Service) standIns(f *fleet.Fleet, cfg *config.Config, d *drill.Drill) []drill.StandIn {
	answered := map[string]int{}
	if d.Report != nil {
		for _, a := range d.Report.By {
			answered[a.Deployment] += a.Requests
		}
	}
	out := []drill.StandIn{}
	seen := map[*fleet.Deployment]bool{}
	for _, name := range reaching(f, &d.Plan) {
		w := f.Workload(name)
		perimeter, err := f.Classes.For(nil, w.Classes...)
		for _, m := range w.All() {
			for _, x := range m.Deployments {
				if seen[x] || slices.Contains(d.Plan.Providers, x.Provider.Name) {
					continue
				}
				seen[x] = true
				class := Class(m.Openness, x.Provider.Hosting)
				one := drill.StandIn{
					Place: placeFacts(cfg, x.Provider.Name), Model: m.Name, Deployment: x.Name, Openness: m.Openness, Class: class, ClassName: ClassName(class),
					Requests: answered[x.Name],
				}
				if err != nil {
					one.Forbidden = err.Error()
				} else {
					_, one.Forbidden = perimeter.Permit(x.Provider.Place, s.app.Clock())
				}
				out = append(out, one)
			}
		}
	}
	return out
}

// residual lists what of the configuration needs the drill's providers all the
// same.
func residual(f *fleet.Fleet, cfg *config.Config, d *drill.Drill) []drill.Residual {
	r := residue{providers: d.Plan.Providers, out: []drill.Residual{}}
	for _, name := range slices.Sorted(maps.Keys(f.Models)) {
		m := f.Models[name]
		if p := r.only(m); p != "" && m.Openness == "proprietary-tuned" {
			r.add("fine-tuned model "+name+", whose weights cannot be had", "models."+name, p)
		}
	}
	for _, name := range f.WorkloadNames() {
		w := f.Workload(name)
		r.workload(w)
		if w.Cascade != nil {
			if p := r.only(w.Cascade.Model); p != "" {
				r.add("the cascade of workload "+name+" asks model "+w.Cascade.Model.Name+" first", "workloads."+name+".cascade", p)
			}
		}
		for i, rule := range w.Rules {
			for _, m := range rule.Models[:min(1, len(rule.Models))] {
				if p := r.only(m); p != "" {
					r.add("a rule of workload "+name+" leads to model "+m.Name, fmt.Sprintf("workloads.%s.route.%d", name, i), p)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Rollouts)) {
		for _, judge := range cfg.Rollouts[name].Judge.Models {
			if m := f.Models[judge]; m != nil {
				if p := r.only(m); p != "" {
					r.add("model "+judge+" judges rollouts of workload "+name, "rollouts."+name+".judge", p)
				}
			}
		}
	}
	for _, name := range r.providers {
		r.provider(f, cfg, name)
	}
	return r.out
}

type residue struct {
	providers []string
	out       []drill.Residual
}

func (r *residue) add(what, where, provider string) {
	r.out = append(r.out, drill.Residual{What: what, Where: where, Provider: provider})
}

// only is one of the providers where a model has no deployment anywhere else, ""
// where it has.
func (r *residue) only(m *fleet.Model) string {
	at := ""
	for _, d := range m.Deployments {
		if !slices.Contains(r.providers, d.Provider.Name) {
			return ""
		}
		at = d.Provider.Name
	}
	return at
}

// workload adds a workload that nobody else could answer, and one whose
// embeddings nobody else can make: those of another model are no substitute.
func (r *residue) workload(w *fleet.Route) {
	first := w.Models[0]
	p := r.only(first)
	if p == "" {
		return
	}
	if first.Mode == "embedding" {
		r.add("embeddings of workload "+w.Workload+": stored vectors are of model "+first.Name+" and must be made anew for another", "workloads."+w.Workload+".model", p)
		return
	}
	if !slices.ContainsFunc(w.Models, func(m *fleet.Model) bool { return r.only(m) == "" }) {
		r.add("workload "+w.Workload+" has no model elsewhere", "workloads."+w.Workload, p)
	}
}

// provider adds what needs a provider apart from models.
func (r *residue) provider(f *fleet.Fleet, cfg *config.Config, name string) {
	p := cfg.Providers[name]
	if p == nil {
		return
	}
	for _, path := range p.Relay {
		r.add("requests to /v1/"+string(path)+" are relayed there as they are", "providers."+name+".relay", name)
	}
	if f.Settings.RelayUnknown && f.Providers[name].Owns != nil && len(p.Owns) > 0 {
		r.add("requests that name the vendor's own models (such as "+p.Owns[0]+"...) go there", "server.unknown_models", name)
	}
	at, err := url.Parse(p.BaseURL)
	if err != nil || at.Host == "" {
		return
	}
	for _, d := range slices.Sorted(maps.Keys(cfg.Detectors)) {
		if e := cfg.Detectors[d].External; e != nil {
			if u, err := url.Parse(e.URL); err == nil && u.Hostname() == at.Hostname() {
				r.add("detector "+d+" is on the same host", "detectors."+d+".external", name)
			}
		}
	}
}
