package fleet

import (
	"fmt"
	"testing"

	"freehold/internal/health"
)

func testFleet() *Fleet {
	m := &Model{Name: "llama-3.1-70b"}
	owner := &Provider{Name: "openai", Owns: func(name string) bool { return len(name) > 3 && name[:4] == "gpt-" }}
	f := &Fleet{
		Settings:  Settings{RelayUnknown: true},
		Providers: map[string]*Provider{"openai": owner, "other": {Name: "other"}},
		Models:    map[string]*Model{m.Name: m},
		Workloads: map[string]*Route{"support": {Workload: "support", Kind: "workload", Models: []*Model{m}}},
		Aliases:   map[string]*Route{"gpt-4o-mini": {Workload: "support", Kind: "alias", Models: []*Model{m}}},
	}
	f.vendors.make = func(p *Provider, name string, remembered bool) *Model {
		return &Model{Name: name, Deployments: []*Deployment{{Name: name + "@" + p.Name, Health: &health.Deployment{}}}}
	}
	return f
}

func TestResolve(t *testing.T) {
	f := testFleet()
	for name, kind := range map[string]string{
		"support": "workload", "gpt-4o-mini": "alias", "llama-3.1-70b": "model", "gpt-4o": "vendor", "claude": "", "": "",
	} {
		r, ok := f.Resolve(name)
		if ok != (kind != "") || ok && r.Kind != kind {
			t.Errorf("%q: %+v, %v; want %q", name, r, ok, kind)
		}
	}
	a, _ := f.Resolve("gpt-4o")
	b, _ := f.Resolve("gpt-4o")
	if a.Models[0] != b.Models[0] {
		t.Error("a vendor's name got another deployment, and with it another breaker, the second time")
	}
	f.Settings.RelayUnknown = false
	if _, ok := f.Resolve("gpt-4o"); ok {
		t.Error("a vendor's name resolved under unknown_models: refuse")
	}
}

// A client that invents names cannot make the fleet grow without end.
func TestVendorsAreBounded(t *testing.T) {
	f := testFleet()
	for i := range 2 * maxVendors {
		if _, ok := f.Resolve(fmt.Sprintf("gpt-%d", i)); !ok {
			t.Fatal("not resolved")
		}
	}
	if n := len(f.vendors.models); n != maxVendors {
		t.Errorf("%d names are remembered, want %d", n, maxVendors)
	}
	if _, ok := f.Resolve("gpt-" + string(make([]byte, 300))); ok {
		t.Error("a name of 300 bytes resolved")
	}
}

func TestSuggest(t *testing.T) {
	f := testFleet()
	for name, want := range map[string]string{
		"suport": "support", "llama-3.1-70B": "llama-3.1-70b", "llama3.1-70b": "llama-3.1-70b", "something else": "", "": "",
	} {
		if got := f.Suggest(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
