package leave

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"freehold/internal/config"
)

// LiteLLM is a config.yaml for the proxy of LiteLLM with the same workloads, models,
// deployments and fallbacks, as https://docs.litellm.ai/docs/proxy/configs describes
// it (2026-10-13). Keys are references to the environment. What has no equivalent is
// said in comments at its head.
// A workload with data classes gets groups of its own, of deployments that its data
// may go to now.
func LiteLLM(cfg *config.Config, now time.Time) ([]byte, error) {
	l := litellm{cfg: cfg, now: now, said: map[string]bool{}, groups: map[string]bool{}}
	l.say("Made by freehold export litellm. Keys are read from the environment.")
	for _, name := range sorted(cfg.Models) {
		if cfg.Workloads[name] == nil { // a workload goes before a model of its name
			l.group(name, cfg.Models[name], nil)
		}
	}
	var fallbacks []yaml.MapSlice
	aliases := yaml.MapSlice{}
	for _, name := range sorted(cfg.Workloads) {
		w := cfg.Workloads[name]
		var others []string
		for _, m := range w.Fallbacks {
			if g := l.fallback(w, cfg.Models[m]); g != "" {
				others = append(others, g)
			}
		}
		l.group(name, cfg.Models[w.Model], w)
		switch {
		case l.groups[name] && len(others) > 0:
			fallbacks = append(fallbacks, yaml.MapSlice{{Key: name, Value: others}})
		case !l.groups[name] && len(others) > 0:
			aliases = append(aliases, yaml.MapItem{Key: name, Value: others[0]})
			l.say("Workload %s: its model has no deployment that could be carried over; %s answers", name, others[0])
		case !l.groups[name]:
			l.say("Not carried over, workload %s: nobody is left who may answer", name)
			continue
		}
		for _, a := range w.Aliases {
			aliases = append(aliases, yaml.MapItem{Key: a, Value: name})
		}
		for _, x := range lost(cfg, w) {
			if !strings.HasPrefix(x, "fallbacks") && !strings.HasPrefix(x, "other deployments") && !strings.HasPrefix(x, "the ledger") {
				l.say("Not carried over, workload %s: %s", name, x)
			}
		}
		for _, m := range sorted(w.Variants) {
			l.say("Not carried over, workload %s: the variant for %s", name, m)
		}
	}
	router := yaml.MapSlice{{Key: "enable_pre_call_checks", Value: true}, {Key: "num_retries", Value: cfg.Retries.Max}}
	if len(fallbacks) > 0 {
		router = append(router, yaml.MapItem{Key: "fallbacks", Value: fallbacks})
	}
	if len(aliases) > 0 {
		router = append(router, yaml.MapItem{Key: "model_group_alias", Value: aliases})
	}
	body, err := yaml.Marshal(yaml.MapSlice{
		{Key: "model_list", Value: l.models},
		{Key: "router_settings", Value: router},
		{Key: "general_settings", Value: yaml.MapSlice{{Key: "master_key", Value: "os.environ/LITELLM_MASTER_KEY"}}},
	})
	if err != nil {
		return nil, fmt.Errorf("write LiteLLM's configuration: %w", err)
	}
	return append([]byte(l.head.String()), body...), nil
}

type litellm struct {
	cfg    *config.Config
	now    time.Time
	groups map[string]bool // that there are
	head   strings.Builder
	said   map[string]bool
	models []yaml.MapSlice
}

func (l *litellm) say(format string, args ...any) {
	text := comment(fmt.Sprintf(format, args...))
	if !l.said[text] {
		l.said[text] = true
		l.head.WriteString("# " + text + "\n")
	}
}

// fallback is the group of a model as a workload falls back to it: the model's own,
// unless the workload's data may not go to all of it, or a workload has its name; "" where there is none.
func (l *litellm) fallback(w *config.Workload, m *config.Model) string {
	name := m.Name
	if l.cfg.Workloads[name] != nil {
		name = w.Name + ":" + m.Name
	}
	for _, d := range m.Deployments {
		if forbids(l.cfg, w, l.cfg.Providers[d.Provider], l.now) {
			name = w.Name + ":" + m.Name
		}
	}
	if name != m.Name {
		l.group(name, m, w)
	}
	if !l.groups[name] {
		return ""
	}
	return name
}

// group adds the deployments of a model under a name; those that a workload's data
// may go to, if w is not nil.
func (l *litellm) group(name string, m *config.Model, w *config.Workload) {
	for i, d := range m.Deployments {
		p := l.cfg.Providers[d.Provider]
		if w != nil && forbids(l.cfg, w, p, l.now) {
			continue
		}
		if p.Local() {
			l.say("Not carried over, model %s: the engine of provider %s, which freehold runs", m.Name, p.Name)
			continue
		}
		for _, key := range l.keys(p) {
			params := yaml.MapSlice{{Key: "model", Value: prefix(p, m) + id(d, m)}, {Key: "api_base", Value: base(p)}, {Key: "api_key", Value: key}}
			if v := p.Query["api-version"]; v.Reference() == "" && v.Reveal() != "" {
				params = append(params, yaml.MapItem{Key: "api_version", Value: v.Reveal()})
			}
			switch m.Balance {
			case config.BalanceWeighted:
				params = append(params, yaml.MapItem{Key: "weight", Value: d.Weight})
			case config.BalancePriority:
				params = append(params, yaml.MapItem{Key: "order", Value: i + 1})
			default:
				l.say("Not carried over, model %s: balance %s", m.Name, m.Balance)
			}
			l.groups[name] = true
			l.models = append(l.models, yaml.MapSlice{
				{Key: "model_name", Value: name}, {Key: "litellm_params", Value: params}, {Key: "model_info", Value: yaml.MapSlice{{Key: "mode", Value: string(m.Mode)}}},
			})
		}
		if len(p.Headers) > 0 {
			l.say("Not carried over, provider %s: its headers", p.Name)
		}
		if p.Preset == "azure-openai" && p.Query["api-version"].Reveal() == "" {
			l.say("Provider %s: add api_version to its litellm_params", p.Name)
		}
	}
}

// prefix is LiteLLM's word for who is asked, and how.
func prefix(p *config.Provider, m *config.Model) string {
	switch {
	case p.Dialect == config.DialectAnthropic:
		return "anthropic/"
	case p.Preset == "azure-openai":
		return "azure/"
	case m.Mode == config.ModeCompletion:
		return "text-completion-openai/"
	}
	return "openai/"
}

// base is the address as LiteLLM takes it: of Azure, that of the resource.
func base(p *config.Provider) string {
	if p.Preset == "azure-openai" {
		return strings.TrimSuffix(strings.TrimRight(p.BaseURL, "/"), "/openai")
	}
	return p.BaseURL
}

// keys are a provider's keys as LiteLLM refers to them.
func (l *litellm) keys(p *config.Provider) []string {
	var out []string
	for i, k := range keysOf(p) {
		name := k.Env
		if name == "" {
			name = variable(p.Name) + "_API_KEY"
			if i > 0 {
				name += fmt.Sprint("_", i+1)
			}
			from := "is written in freehold's config.yaml itself"
			if k.File != "" {
				from = "is in the file " + k.File
			}
			l.say("Set %s: the key of provider %s %s", name, p.Name, from)
		}
		out = append(out, "os.environ/"+name)
	}
	if len(out) == 0 {
		out = []string{"none"} // clients want one; the provider does not
	}
	return out
}

// variable is a name as one of an environment variable.
func variable(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(s))
}
