package fleet

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"freehold/internal/llm"
	"freehold/internal/suggest"
)

// Resolve finds what a request's model field means: a workload, an alias of
// one, a model of ours, or a vendor's own model name. ok is false when it
// means nothing; Suggest then helps.
func (f *Fleet) Resolve(name string) (r *Route, ok bool) {
	if r, ok = f.Workloads[name]; ok {
		return f.standing(r), true
	}
	if r, ok = f.Aliases[name]; ok {
		return f.standing(r), true
	}
	if m, ok := f.Models[name]; ok {
		return f.direct("model", m), true
	}
	if f.Settings.RelayUnknown {
		if m := f.vendorModel(name); m != nil {
			return f.direct("vendor", m), true
		}
	}
	return nil, false
}

// direct is the route of a model that is asked for by its own name.
func (f *Fleet) direct(kind string, m *Model) *Route {
	return &Route{
		Kind: kind, Models: []*Model{m}, Balanced: m.Balanced(), Continue: ContinueAny, Hold: HoldTools,
		FallbackOnContext: true, Detectors: f.Detectors,
	}
}

// vendors remembers the models made for vendor names, so that one name keeps
// one deployment and with it one breaker. It is bounded: beyond maxVendors a
// name gets a deployment for the one request only.
type vendors struct {
	make   func(p *Provider, name string, remembered bool) *Model
	mu     sync.RWMutex
	models map[string]*Model
}

const maxVendors = 1024

// vendorModel returns the model that stands for a vendor's own name, or nil.
func (f *Fleet) vendorModel(name string) *Model {
	f.vendors.mu.RLock()
	m := f.vendors.models[name]
	f.vendors.mu.RUnlock()
	if m != nil {
		return m
	}
	var owner *Provider
	for _, n := range f.ProviderNames() {
		if p := f.Providers[n]; p.Owns != nil && p.Owns(name) {
			owner = p
			break
		}
	}
	if owner == nil || len(name) > 256 {
		return nil
	}
	f.vendors.mu.Lock()
	defer f.vendors.mu.Unlock()
	if have := f.vendors.models[name]; have != nil {
		return have
	}
	room := len(f.vendors.models) < maxVendors
	m = f.vendors.make(owner, name, room)
	if f.vendors.models == nil {
		f.vendors.models = map[string]*Model{}
	}
	if room {
		f.vendors.models[name] = m
	}
	return m
}

// ProviderNames lists the providers by name.
func (f *Fleet) ProviderNames() []string { return slices.Sorted(maps.Keys(f.Providers)) }

// WorkloadNames lists the workloads by name.
func (f *Fleet) WorkloadNames() []string { return slices.Sorted(maps.Keys(f.Workloads)) }

// ModelNames lists the models by name.
func (f *Fleet) ModelNames() []string { return slices.Sorted(maps.Keys(f.Models)) }

// Deployments lists every configured deployment, by model and in order.
func (f *Fleet) Deployments() []*Deployment {
	var out []*Deployment
	for _, n := range f.ModelNames() {
		out = append(out, f.Models[n].Deployments...)
	}
	return out
}

// Relay returns the provider that takes a raw path family ("files"), or nil.
func (f *Fleet) Relay(family string) *Provider {
	for _, n := range f.ProviderNames() {
		if p := f.Providers[n]; slices.Contains(p.Relay, family) {
			return p
		}
	}
	return nil
}

// Suggest returns the known name nearest to one that Resolve does not know,
// or "" when none is near.
func (f *Fleet) Suggest(name string) string {
	return suggest.Nearest(name, slices.Concat(f.WorkloadNames(), slices.Sorted(maps.Keys(f.Aliases)), f.ModelNames()))
}

// pathsFor fills the model id into a provider's paths.
func pathsFor(p *Provider, id string) map[llm.Operation]string {
	out := make(map[llm.Operation]string, len(p.Paths))
	for op, path := range p.Paths {
		out[op] = strings.ReplaceAll(path, "{model}", url.PathEscape(id))
	}
	return out
}

// AliasesOf lists the aliases of a workload by name.
func (f *Fleet) AliasesOf(workload string) []string {
	var out []string
	for _, a := range slices.Sorted(maps.Keys(f.Aliases)) {
		if f.Aliases[a].Workload == workload {
			out = append(out, a)
		}
	}
	return out
}
