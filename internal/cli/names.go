package cli

import (
	"context"
	"maps"
	"slices"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
)

// names are what requests can be sent to.
type names struct{ workloads, others []string }

// names are those of the configuration, or, where it is not valid, of the server
// that runs with an earlier version of it. Those of a gateway elsewhere are not
// known.
func (p *program) names(ctx context.Context, at gatewayFlags) (n names, err error) {
	if cfg := p.glance(); cfg != nil {
		return namesOf(cfg), nil
	}
	if at.url != "" {
		return n, nil
	}
	s := p.server(ctx)
	if s == nil {
		_, ds := p.load()
		return n, &app.ConfigError{Diagnostics: ds}
	}
	workloads, err := admin.Workloads.Call(ctx, s, admin.None{})
	if err != nil {
		return n, err
	}
	models, err := admin.Models.Call(ctx, s, admin.None{})
	if err != nil {
		return n, err
	}
	for i := range workloads.Workloads {
		w := &workloads.Workloads[i]
		n.workloads, n.others = append(n.workloads, w.Name), append(n.others, w.Aliases...)
	}
	for i := range models.Models {
		n.others = append(n.others, models.Models[i].Name)
	}
	return n, nil
}

func namesOf(cfg *config.Config) names {
	n := names{slices.Collect(maps.Keys(cfg.Workloads)), slices.Collect(maps.Keys(cfg.Models))}
	for _, w := range cfg.Workloads {
		n.others = append(n.others, w.Aliases...)
	}
	return n
}

// has reports whether a word is one of the names.
func (n names) has(word string) bool {
	return slices.Contains(n.workloads, word) || slices.Contains(n.others, word)
}

// usual is the name that is meant when none is given.
func (n names) usual() string {
	switch {
	case n.has("chat"):
		return "chat"
	case len(n.workloads) == 1:
		return n.workloads[0]
	}
	return ""
}
