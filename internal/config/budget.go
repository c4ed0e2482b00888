package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // budgets name time zones, and not every machine has them

	"github.com/shopspring/decimal"

	"freehold/internal/suggest"
)

// Budget is a limit of what may be spent.
type Budget struct {
	// What is limited: each key, workload, model or tenant by itself, the one that name says, or all requests together.
	Per BudgetPer `yaml:"per" jsonschema:"required"`
	// The one key, workload, model or tenant that is limited; absent means each by itself. All keys of one name share its budget.
	Name string `yaml:"name"`
	// How long a period is. Requests count in the period in which they arrive.
	Every BudgetEvery `yaml:"every" jsonschema:"required"`
	// What may be spent in one period, in money (500 USD) or in tokens, read and written (2M tokens).
	Limit BudgetLimit `yaml:"limit" jsonschema:"required"`
	// What becomes of requests once it is spent: block (429), fallback (deployments that cost nothing, or fit, answer) or warn.
	OnExceed BudgetAction `yaml:"on_exceed" jsonschema:"default=block"`
	// Reserve the most that a request can cost before it is sent, so that the limit is never exceeded; what has no known price is refused.
	Strict bool `yaml:"strict" jsonschema:"default=false"`
	// With strict: the answer's limit, in tokens, for requests that set none. Absent takes the provider's default_max_tokens, else the longest answer of the model.
	MaxTokens int `yaml:"max_tokens" jsonschema:"minimum=1"`
	// Where days and months begin: a name such as Europe/Berlin. Absent takes server.timezone.
	Timezone string `yaml:"timezone"`
}

func (b *Budget) defaults() { b.OnExceed = BudgetBlock }

// Location is the budget's time zone.
func (b *Budget) Location() (*time.Location, error) {
	if b.Timezone == "" || b.Timezone == "Local" {
		return nil, fmt.Errorf("unknown time zone %q", b.Timezone)
	}
	return time.LoadLocation(b.Timezone)
}

// BudgetLimit is an amount of US dollars, or of tokens.
type BudgetLimit struct {
	Amount decimal.Decimal
	Tokens bool
}

const (
	maxBudgetUSD    = 9_000_000
	maxBudgetTokens = 1_000_000_000_000_000
)

var budgetText = regexp.MustCompile(`^([0-9]{1,16}(?:\.[0-9]{1,12})?)\s*(USD|([kMG]?)\s*tokens)$`)

// parseBudgetLimit reads 500 USD, 2M tokens or 250000 tokens.
func parseBudgetLimit(s string) (BudgetLimit, error) {
	m := budgetText.FindStringSubmatch(s)
	if m == nil {
		return BudgetLimit{}, fmt.Errorf("%q is not a limit", s)
	}
	n, err := decimal.NewFromString(m[1])
	if err != nil {
		return BudgetLimit{}, fmt.Errorf("%q is not a limit", s)
	}
	if m[2] == "USD" {
		if n.GreaterThan(decimal.NewFromInt(maxBudgetUSD)) {
			return BudgetLimit{}, fmt.Errorf("%q is more than a budget can be, %d USD", s, maxBudgetUSD)
		}
		return BudgetLimit{Amount: n}, nil
	}
	n = n.Shift(map[string]int32{"": 0, "k": 3, "M": 6, "G": 9}[m[3]])
	switch {
	case !n.IsInteger():
		return BudgetLimit{}, fmt.Errorf("%q is not a whole number of tokens", s)
	case n.GreaterThan(decimal.NewFromInt(maxBudgetTokens)):
		return BudgetLimit{}, fmt.Errorf("%q is more than a budget can be, %d tokens", s, int64(maxBudgetTokens))
	}
	return BudgetLimit{Amount: n, Tokens: true}, nil
}

// String is the form of the file.
func (l BudgetLimit) String() string {
	if l.Tokens {
		return l.Amount.String() + " tokens"
	}
	return l.Amount.String() + " USD"
}

// budgets checks the list of budgets.
func (c *checker) budgets() {
	type identity struct {
		per      BudgetPer
		name     string
		every    BudgetEvery
		tokens   bool
		zone     string
		onExceed BudgetAction
	}
	seen := map[identity]bool{}
	for i := range c.cfg.Budgets {
		b := &c.cfg.Budgets[i]
		at := func(key ...string) []string { return append([]string{"budgets", fmt.Sprint(i)}, key...) }
		if c.told(at()...) {
			continue
		}
		if b.Timezone == "" {
			b.Timezone = c.cfg.Server.Timezone
		} else if _, err := b.Location(); err != nil {
			c.rep.errorf(c.pos(at("timezone")...), "write a name of the time zone database: Europe/Berlin, America/New_York, UTC", "unknown time zone %q", b.Timezone)
		}
		if b.Strict && b.OnExceed == BudgetWarn {
			c.rep.errorf(c.pos(at("strict")...), "take strict away, or let on_exceed be block or fallback", "a strict budget cannot only warn")
		}
		if b.MaxTokens > 0 && !b.Strict {
			c.rep.warnf(c.pos(at("max_tokens")...), "set strict: true", "%s has no effect: the budget is not strict", label(at("max_tokens")))
		}
		c.budgetName(b, at("name"))
		id := identity{b.Per, b.Name, b.Every, b.Limit.Tokens, b.Timezone, b.OnExceed}
		if b.Per == "" || b.Every == "" || b.Limit.Amount.IsZero() {
			continue // it is told what it lacks, or nothing may be spent anyway
		}
		if seen[id] {
			c.rep.errorf(c.keyPos(at()...), "keep the lower limit", "this budget is already given: the same requests, period, unit and on_exceed")
		}
		seen[id] = true
	}
}

// budgetName checks that what a budget names is there. Keys are issued while
// freehold runs, and are not known here.
func (c *checker) budgetName(b *Budget, path []string) {
	if b.Name == "" {
		return
	}
	known := func(kind string, names []string) {
		if !slices.Contains(names, b.Name) {
			c.rep.errorf(c.pos(path...), suggest.Hint(b.Name, names), "unknown %s %q", kind, b.Name)
		}
	}
	switch b.Per {
	case BudgetPerAll:
		c.rep.errorf(c.pos(path...), "take name away, or write per: workload", "a budget of all requests has no name")
	case BudgetPerWorkload:
		known("workload", slices.Sorted(maps.Keys(c.cfg.Workloads)))
	case BudgetPerTenant:
		known("tenant", slices.Sorted(maps.Keys(c.cfg.Tenants)))
	case BudgetPerModel:
		for _, p := range c.cfg.Providers {
			if c.cfg.Server.UnknownModels == UnknownRelay && slices.ContainsFunc(p.Owns, func(prefix string) bool { return strings.HasPrefix(b.Name, prefix) }) {
				return // a vendor's own name
			}
		}
		known("model", slices.Sorted(maps.Keys(c.cfg.Models)))
	}
}
