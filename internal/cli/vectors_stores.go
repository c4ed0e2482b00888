package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"freehold/internal/app"
	"freehold/internal/config"
	"freehold/internal/fleet"
	"freehold/internal/policy"
	"freehold/internal/suggest"
	"freehold/internal/vector"
	stores "freehold/internal/vector/address"
	"freehold/internal/vector/connect"
	"freehold/internal/vector/plan"
)

// vectorEnd is a store as it was named.
type vectorEnd struct {
	at    stores.Address
	store *config.Store // what config.yaml says of it; nil: nothing
}

// vectorConfig is config.yaml, for its stores and data classes; nil where there is none.
// One that is refused is an error: its rules would be missed.
func (p *program) vectorConfig() (*config.Config, error) {
	if p.configPath() == defaultConfig && !exists(defaultConfig) {
		return nil, nil
	}
	cfg, ds := p.lenient()
	if cfg == nil {
		return nil, &app.ConfigError{Diagnostics: ds}
	}
	return cfg, nil
}

// vectorEnd reads the name of a store under stores:, with options behind it, or a URL.
func (p *program) vectorEnd(cfg *config.Config, flag, text string) (e vectorEnd, err error) {
	name, options, _ := strings.Cut(text, "?")
	if !strings.Contains(name, ":") {
		if cfg == nil {
			return e, usagef("--%s: %q is no URL, and there is no config.yaml with stores: in which it could be named", flag, text)
		}
		if e.store = cfg.Stores[name]; e.store == nil {
			names := slices.Sorted(maps.Keys(cfg.Stores))
			return e, usagef("--%s: %q is neither a URL nor the name of a store under stores: in %s%s", flag, name, p.configPath(), didYouMean(name, names))
		}
		if text = e.store.URL; options != "" {
			text += map[bool]string{true: "&", false: "?"}[strings.Contains(text, "?")] + options
		}
	}
	if e.at, err = stores.Parse(text); err != nil {
		return e, usagef("--%s: %v", flag, err)
	}
	switch {
	case e.store != nil:
		e.at.Path = e.store.Address.Path
	case cfg != nil:
		e.store = cfg.StoreAt(&e.at)
	}
	if e.store != nil {
		e.at.TLS = e.at.TLS || e.store.Address.TLS
	}
	return e, nil
}

func didYouMean(name string, names []string) string {
	if hint := suggest.Hint(name, names); hint != "" {
		return "; " + hint
	}
	return ""
}

// storeOptions are what opens the store beside its address.
func (p *program) storeOptions(e *vectorEnd, ids string) (connect.Options, error) {
	out := connect.Options{Getenv: p.getenv, IDs: ids}
	if e.store == nil {
		return out, nil
	}
	out.Networks = e.store.Networks
	out.Key = e.store.APIKey.Reveal()
	if strings.Contains(out.Key, app.Unset) && e.at.Key == "" {
		return out, fmt.Errorf("the key of the store %s, %s, is not there: set it where this command runs", e.store.Name, e.store.APIKey.Reference())
	}
	return out, nil
}

// end is the store as policy knows it.
func (e *vectorEnd) end(cfg *config.Config) plan.End {
	switch {
	case e.store != nil:
		return plan.End{Place: e.store.Place(), Known: true}
	case e.at.Store == stores.File && cfg != nil:
		return plan.End{Place: cfg.ThisMachine(), Known: true}
	case e.at.Store == stores.File:
		return plan.End{Place: policy.Place{Provider: "file", Inside: true, Own: true}, Known: true}
	}
	return plan.End{Place: policy.Place{Provider: e.at.String()}}
}

// perimeterOf is whether records of these classes may go to the target, as config.yaml
// has it now. The classes that it gives the source hold in any case.
func (p *program) perimeterOf(e *ends, data []string) (plan.Perimeter, error) {
	if e.from.store != nil {
		data = slices.Concat(data, e.from.store.Data)
	}
	rules := plan.Rules{Data: data, Source: e.from.end(e.cfg), Target: e.to.end(e.cfg), Now: p.clock(), Classes: policy.Classes{}}
	if e.cfg != nil {
		rules.Classes = fleet.Classes(e.cfg)
	}
	out, err := rules.Judge()
	if err != nil {
		return out, usagef("%v", err)
	}
	if e.cfg == nil {
		out.Why = "there is no config.yaml"
	}
	return out, nil
}

// permitted refuses what the perimeter forbids and the plan does not allow.
func (p *program) permitted(e *ends, pl *plan.Plan, data []string) error {
	now, err := p.perimeterOf(e, slices.Concat(pl.Data, data))
	if err != nil {
		return err
	}
	if err := pl.Check(&now); err != nil {
		return err
	}
	if now.Verdict == plan.Forbidden {
		fmt.Fprintln(p.err, wrap("warning: the perimeter forbids this copy ("+tame(now.Why)+"), and the plan allows it", p.width(), "\n  "))
	}
	return nil
}

// openEnd opens one end, by a way that reads it or writes it, too.
func openEnd[S vector.Source](ctx context.Context, p *program, e *vectorEnd, ids string, open func(context.Context, stores.Address, connect.Options) (S, error)) (S, error) {
	var none S
	o, err := p.storeOptions(e, ids)
	if err != nil {
		return none, err
	}
	s, err := open(ctx, e.at, o)
	if err != nil {
		return none, err
	}
	return s, nil
}
