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
// it (2026-10-13), and as LiteLLM 1.108.7 was seen to take it. Keys are references to
// the environment. What has no equivalent is said in comments at its head.
// A workload with data classes gets groups of its own, of deployments that its data
// may go to now.
func LiteLLM(cfg *config.Config, now time.Time) ([]byte, error) {
	l := litellm{cfg: cfg, now: now, said: map[string]bool{}, groups: map[string]bool{}, taken: map[string]bool{}}
	l.say("Made by freehold export litellm. Keys are read from the environment.")
	l.say("Set LITELLM_MASTER_KEY: the key that applications send to LiteLLM; it does not start without one")
	for name := range cfg.Models {
		l.taken[name] = true
	}
	for name, w := range cfg.Workloads {
		l.taken[name] = true
		for _, a := range w.Aliases {
			l.taken[a] = true
		}
	}
	for _, name := range sorted(cfg.Models) {
		if cfg.Workloads[name] == nil { // a workload goes before a model of its name
			l.group(name, cfg.Models[name], nil)
		}
	}
	for _, name := range sorted(cfg.Workloads) {
		l.workload(cfg.Workloads[name])
	}
	body, err := yaml.Marshal(yaml.MapSlice{
		{Key: "model_list", Value: l.models},
		{Key: "router_settings", Value: l.router()},
		{Key: "litellm_settings", Value: l.settings()},
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
	taken  map[string]bool // names that no group made up here may have
	head   strings.Builder
	said   map[string]bool

	models    []yaml.MapSlice
	fallbacks []yaml.MapSlice
	aliases   yaml.MapSlice
}

// workload adds a workload as a group of its name, of its model or else of the first
// fallback that has something to carry over.
func (l *litellm) workload(w *config.Workload) {
	name, others := w.Name, w.Fallbacks
	for l.group(name, l.cfg.Models[w.Model], w); !l.groups[name] && len(others) > 0; others = others[1:] {
		if l.group(name, l.cfg.Models[others[0]], w); l.groups[name] {
			l.say("Workload %s: its model has no deployment that could be carried over; %s answers", name, others[0])
		}
	}
	if x := l.cfg.IndexOf(name); x != nil {
		l.say("Workload %s makes the embeddings of the index %s: it is %s here, and is to be %s once that has been cut over (freehold vectors status %s says whether)", name, x.Name, w.Model, x.Embeddings.Model, x.Name)
	}
	if !l.groups[name] {
		l.say("Not carried over, workload %s: nobody is left who may answer", name)
		return
	}
	var next []string
	for _, m := range others {
		if g := l.fallback(w, l.cfg.Models[m]); g != "" {
			next = append(next, g)
		}
	}
	// LiteLLM looks fallbacks up by the name that was asked for, and follows an alias
	// once: each alias has the fallbacks, and leads to a group.
	for i, n := range append([]string{name}, w.Aliases...) {
		if i > 0 {
			l.aliases = append(l.aliases, yaml.MapItem{Key: n, Value: name})
		}
		if len(next) > 0 {
			l.fallbacks = append(l.fallbacks, yaml.MapSlice{{Key: n, Value: next}})
		}
	}
	for _, x := range lost(l.cfg, w) {
		if !strings.HasPrefix(x, "fallbacks") && !strings.HasPrefix(x, "other deployments") && !strings.HasPrefix(x, "the ledger") {
			l.say("Not carried over, workload %s: %s", name, x)
		}
	}
	if w.Params.Set() {
		l.say("Not carried over, workload %s: its params", name)
	}
	for _, m := range sorted(w.Variants) {
		l.say("Not carried over, workload %s: the variant for %s", name, m)
	}
}

func (l *litellm) router() yaml.MapSlice {
	out := yaml.MapSlice{
		{Key: "enable_pre_call_checks", Value: true},
		{Key: "enable_weighted_failover", Value: true}, // else a retry may ask the one that failed
		{Key: "num_retries", Value: l.cfg.Retries.Max},
	}
	if len(l.fallbacks) > 0 {
		out = append(out, yaml.MapItem{Key: "fallbacks", Value: l.fallbacks})
	}
	if len(l.aliases) > 0 {
		out = append(out, yaml.MapItem{Key: "model_group_alias", Value: l.aliases})
	}
	return out
}

// settings keep LiteLLM to what freehold asks: chat completions, where it would ask
// for OpenAI's responses API on behalf of Anthropic's clients, which servers that are
// only compatible lack; and providers alone, where it would fetch the tokenizers of
// some open models from a hub, which a machine inside may not reach.
func (l *litellm) settings() yaml.MapSlice {
	out := yaml.MapSlice{
		{Key: "use_chat_completions_url_for_anthropic_messages", Value: true},
		{Key: "disable_hf_tokenizer_download", Value: true},
	}
	if l.cfg.Server.DropUnsupported {
		out = append(out, yaml.MapItem{Key: "drop_params", Value: true})
	}
	return out
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
	own := l.cfg.Workloads[m.Name] != nil
	for _, d := range m.Deployments {
		own = own || forbids(l.cfg, w, l.cfg.Providers[d.Provider], l.now)
	}
	name := m.Name
	if own {
		for name = w.Name + ":" + m.Name; l.taken[name]; {
			name += "+" // names may have colons in them; groups of two workloads never mix
		}
		l.taken[name] = true
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
		l.lacks(p)
		if m.Params.Set() {
			l.say("Not carried over, model %s: its params", m.Name)
		}
		if p.Preset == "azure-openai" && p.Query["api-version"].Reveal() == "" {
			l.say("Provider %s: add api_version to its litellm_params", p.Name)
		}
	}
}

// lacks says what of a provider is not carried over.
func (l *litellm) lacks(p *config.Provider) {
	query := len(p.Query)
	if _, ok := p.Query["api-version"]; ok {
		query--
	}
	for _, x := range []struct {
		there bool
		what  string
	}{
		{len(p.Headers) > 0, "headers"}, {query > 0, "query parameters"},
		{p.TLS != nil, "certificates (tls)"}, {p.Proxy.IsSet(), "proxy"},
	} {
		if x.there {
			l.say("Not carried over, provider %s: its %s", p.Name, x.what)
		}
	}
}

// prefix is LiteLLM's word for who is asked, and how.
func prefix(p *config.Provider, m *config.Model) string {
	switch {
	case p.Dialect == config.DialectAnthropic:
		return "anthropic/"
	case p.Preset == "azure-openai" && m.Mode == config.ModeCompletion:
		return "azure_text/" // azure/ would ask for a chat
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
