package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"
)

// Place is a model at a provider, as a catalog knows it.
type Place struct{ Preset, ID string }

// Listed is what a catalog knows of answers at a place. A price that is not
// valid, and a number that is 0, is unknown.
type Listed struct {
	Output    decimal.NullDecimal // USD for one token
	MaxTokens int64               // that a strict budget sets as limit where nobody says one
}

// defaultAnswer is the limit that a strict budget sets where nobody knows one,
// as the gateway has it.
const defaultAnswer = 4096

// strictBudgets warns of strict budgets with room for no request that sets no
// limit to its answer: what they then reserve is more than the whole limit, or
// not known.
func (c *checker) strictBudgets() {
	limit, strict := int64(0), false
	for i := range c.cfg.Budgets {
		b := &c.cfg.Budgets[i]
		strict = strict || b.Strict
		if n := int64(b.MaxTokens); b.Strict && n > 0 && (limit == 0 || n < limit) {
			limit = n // of several budgets the lowest holds
		}
	}
	if !strict || c.env.Catalog == nil {
		return
	}
	offers := c.offers(limit)
	for i := range c.cfg.Budgets {
		b := &c.cfg.Budgets[i]
		if !b.Strict || b.OnExceed == BudgetWarn || b.Limit.Amount.IsZero() {
			continue
		}
		path := []string{"budgets", fmt.Sprint(i), "limit"}
		for _, g := range c.counted(b) {
			if why, hint := b.hopeless(g, offers); why != "" {
				c.rep.warnf(c.pos(path...), hint, "the strict budget refuses requests to %s%s", g.name, why)
			}
		}
	}
}

// offer is a deployment as a strict budget sees it.
type offer struct {
	name   string
	free   bool
	output decimal.NullDecimal // USD for one token
	answer int64               // tokens that a request without a limit reserves for its answer
}

// group is a workload or model that a budget counts, and the models that may
// answer for it.
type group struct {
	name   string
	models []string
}

// hopeless says why the budget has no room for a request of the group that sets
// no limit, whoever answers; "" where it has, or where that cannot be told.
func (b *Budget) hopeless(g group, offers map[string][]offer) (why, hint string) {
	least, unpriced := int64(0), ""
	for _, m := range g.models {
		if len(offers[m]) == 0 {
			return "", "" // it sets limits of its own, or is not understood
		}
		for _, o := range offers[m] {
			most := decimal.NewFromInt(o.answer)
			if !b.Limit.Tokens {
				switch {
				case o.free:
					return "", ""
				case !o.output.Valid:
					unpriced = o.name
					continue
				}
				most = most.Mul(o.output.Decimal)
			}
			if most.LessThanOrEqual(b.Limit.Amount) {
				return "", ""
			}
			if least == 0 || o.answer < least {
				least = o.answer
			}
		}
	}
	if least == 0 {
		return ", all of them: the price of " + unpriced + " is not known", `set price: of the model or deployment; price: {input: "0", output: "0"} if it costs nothing`
	}
	return fmt.Sprintf(" that set no max_tokens: each reserves %d tokens for its answer alone", least), "set max_tokens: of the budget, or raise the limit"
}

// counted are the models and workloads that a budget counts.
func (c *checker) counted(b *Budget) []group {
	var out []group
	if b.Per == BudgetPerModel {
		for _, name := range slices.Sorted(maps.Keys(c.cfg.Models)) {
			if b.Name == "" || b.Name == name {
				out = append(out, group{"model " + name, []string{name}})
			}
		}
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Workloads)) {
		w := c.cfg.Workloads[name]
		if b.Per == BudgetPerWorkload && b.Name != "" && b.Name != name || w.Params.limits() {
			continue
		}
		models := append([]string{w.Model}, w.Fallbacks...)
		for _, r := range w.Route {
			if r != nil {
				models = append(append(models, r.Model), r.Fallbacks...)
			}
		}
		out = append(out, group{"workload " + name, models})
	}
	return out
}

// limits reports parameters that give requests a limit.
func (p *Params) limits() bool {
	return p.Defaults["max_tokens"] != nil || p.Defaults["max_completion_tokens"] != nil
}

// offers are the deployments of each model; none of one that gives requests a
// limit, or no answers.
func (c *checker) offers(limit int64) map[string][]offer {
	var places []Place
	for _, m := range c.cfg.Models {
		for _, d := range m.Deployments {
			if p := c.cfg.Providers[d.Provider]; p != nil {
				places = append(places, Place{p.Preset, d.ID})
			}
		}
	}
	listed := c.env.Catalog.Answers(places)
	out := map[string][]offer{}
	for name, m := range c.cfg.Models {
		if m.Mode == ModeEmbedding || m.Params.limits() {
			continue
		}
		for i, d := range m.Deployments {
			p := c.cfg.Providers[d.Provider]
			if p == nil {
				continue // told already
			}
			l := listed[Place{p.Preset, d.ID}]
			o := offer{name: m.DeploymentName(i), output: l.Output, answer: defaultAnswer}
			if d.Price != nil {
				if o.output = (decimal.NullDecimal{}); d.Price.Output != nil {
					o.output = decimal.NewNullDecimal(d.Price.Output.Shift(-6))
				}
			}
			o.free = p.Local() && d.Price == nil || o.output.Valid && o.output.Decimal.IsZero()
			if l.MaxTokens > 0 {
				o.answer = l.MaxTokens
			}
			if limit > 0 {
				o.answer = limit
			}
			out[name] = append(out[name], o)
		}
	}
	return out
}
