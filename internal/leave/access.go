// Package leave says how applications go on without freehold: what each asks, and
// where, with which key; and what they do without then. It shows references of
// secrets, never secrets.
package leave

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"freehold/internal/config"
)

// Access is the way to the model of one workload without freehold.
type Access struct {
	Workload   string   `json:"workload"`
	Model      string   `json:"model"` // a name of ours
	Deployment int      `json:"-"`     // place among the model's
	Provider   string   `json:"provider"`
	ID         string   `json:"id"` // the provider's name of the model
	Dialect    string   `json:"dialect"`
	BaseURL    string   `json:"base_url"`
	Keys       []Key    `json:"keys"`
	Changes    []string `json:"changes"` // that an application needs
	Lost       []string `json:"lost"`    // that freehold does for it
	None       string   `json:"none,omitempty"`
}

// Key says where a key is read from, as config.yaml refers to it.
type Key struct {
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
}

var (
	envRef  = regexp.MustCompile(`^\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}$`)
	fileRef = regexp.MustCompile(`^\$\{file:([^}]+)\}$`)
)

// keysOf are the references of a provider's keys. One that is no single reference
// is neither of an environment nor of a file.
func keysOf(p *config.Provider) []Key {
	out := []Key{}
	for _, s := range p.Keys() {
		var k Key
		if m := envRef.FindStringSubmatch(s.Reference()); m != nil {
			k.Env = m[1]
		} else if m := fileRef.FindStringSubmatch(s.Reference()); m != nil {
			k.File = m[1]
		}
		out = append(out, k)
	}
	return out
}

// Of is the way to the first deployment of a workload that its data may go to and
// that is there without freehold.
func Of(cfg *config.Config, workload string, now time.Time) Access {
	w := cfg.Workloads[workload]
	out := Access{Workload: workload, Keys: []Key{}, Changes: []string{}, Lost: lost(cfg, w)}
	engines, forbidden := 0, 0
	for _, name := range slices.Concat([]string{w.Model}, w.Fallbacks) {
		m := cfg.Models[name]
		for i, d := range m.Deployments {
			p := cfg.Providers[d.Provider]
			if forbids(cfg, w, p, now) {
				forbidden++
				continue
			}
			if p.Local() {
				engines++
				continue
			}
			out.Model, out.Deployment, out.Provider, out.ID = name, i, p.Name, id(d, m)
			out.Dialect, out.BaseURL, out.Keys = string(p.Dialect), p.BaseURL, keysOf(p)
			out.Changes = changes(w, m, p, out.ID)
			if i > 0 || name != w.Model || engines > 0 {
				out.Changes = append(out.Changes, "another model or place answers than at first in freehold: "+name+" at "+p.Name)
			}
			return out
		}
	}
	switch {
	case engines > 0:
		out.None = "only an engine that freehold runs could answer: run it by yourself first"
	case forbidden > 0:
		out.None = "its data may go to none of its deployments"
	default:
		out.None = "it has no deployment"
	}
	return out
}

func id(d *config.Deployment, m *config.Model) string {
	if d.ID != "" {
		return d.ID
	}
	return m.Name
}

func forbids(cfg *config.Config, w *config.Workload, p *config.Provider, now time.Time) bool {
	for _, name := range w.Data {
		class := cfg.DataClasses[name]
		if class == nil {
			return true
		}
		rule := class.Class()
		if rule.Forbids(p.Place(), now) != "" {
			return true
		}
	}
	return false
}

// changes are what an application that sends the workload's requests must do by
// itself.
func changes(w *config.Workload, m *config.Model, p *config.Provider, id string) []string {
	out := []string{}
	add := func(when bool, format string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(id != w.Name && !slices.Contains(w.Aliases, id), "the model field says %s instead of %s", id, w.Name)
	if v := w.Variants[m.Name]; v != nil {
		add(true, "the variant of %s (workloads.%s.variants.%s) is applied by the application", m.Name, w.Name, m.Name)
	}
	for _, x := range []struct {
		where  string
		params config.Params
	}{{"workloads." + w.Name, w.Params}, {"models." + m.Name, m.Params}} {
		add(x.params.Set(), "the parameters of %s.params are set by the application", x.where)
	}
	add(len(p.Headers)+len(p.Query) > 0, "the headers and query parameters of providers.%s are sent by the application", p.Name)
	add(p.TLS != nil, "the certificates of providers.%s.tls are used by the application", p.Name)
	add(p.Proxy.IsSet(), "the application goes through the proxy of providers.%s", p.Name)
	add(p.Preset == "azure-openai", "the application uses Azure's client: AZURE_OPENAI_ENDPOINT, and an API version")
	return out
}

// lost is what freehold does for a workload that nobody does without it.
func lost(cfg *config.Config, w *config.Workload) []string {
	out := []string{}
	add := func(when bool, format string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(len(w.Fallbacks) > 0, "fallbacks: %s", strings.Join(w.Fallbacks, ", "))
	if m := cfg.Models[w.Model]; m != nil {
		add(len(m.Deployments) > 1, "other deployments of %s (%d)", w.Model, len(m.Deployments)-1)
	}
	add(w.Continue != config.ContinueOff, "continuing answers that are cut")
	add(len(w.Route) > 0, "rules (%d)", len(w.Route))
	add(w.Cascade != nil, "the cascade")
	add(w.Hedge != nil, "a second attempt beside a slow one")
	add(len(w.Data) > 0, "data classes: %s", strings.Join(w.Data, ", "))
	for _, name := range sorted(cfg.Detectors) {
		d := cfg.Detectors[name]
		add(len(d.Workloads) == 0 || slices.Contains(d.Workloads, w.Name), "detector %s (%s)", name, d.OnHit)
	}
	for _, b := range cfg.Budgets {
		add(b.Per != "workload" || b.Name == "" || b.Name == w.Name, "budget per %s every %s", b.Per, b.Every)
	}
	add(w.Capture != nil && w.Capture.Enabled, "capture of prompts and answers")
	return append(out, "the ledger, and virtual keys")
}
