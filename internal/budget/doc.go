// Package budget holds spending to limits: per key, workload, model, tenant or
// all together, by the hour, day or month, in money or in tokens.
//
// A [Rule] limits what a [Meter] counts. A meter counts by period and by scope
// (one key, one workload, ...), which together are an [Account]. What accounts
// have spent is what the ledger has on record of the requests that arrived in
// their period: it is read from there when a meter is new, at the start and
// after a reload, and counted on from each request's end ([Request.Settle]),
// in one step with the record of it. So there is one truth, and nothing of it
// is lost when the process is killed.
//
// A strict rule also reserves, before an attempt is sent, the most that it can
// use ([Need]), of all accounts that it counts in or of none: what is spent and
// reserved together never exceeds the limit, whoever asks at the same time. A
// rule that is not strict looks at what is spent only, when a request is
// planned: it can be exceeded by what was under way by then.
//
// Amounts are whole numbers: of trillionths of a US dollar, or of tokens.
package budget

import (
	"math"
	"math/big"
	"strings"
	"time"
)

// Per is what a budget is for.
type Per string

// What budgets are for.
const (
	PerKey      Per = "key"
	PerWorkload Per = "workload"
	PerModel    Per = "model"
	PerTenant   Per = "tenant"
	PerAll      Per = "all"
)

// Unit is what a budget counts.
type Unit string

// Units.
const (
	USD    Unit = "usd"
	Tokens Unit = "tokens"
)

// Action is what becomes of a request that a budget has no room for.
type Action string

// Actions.
const (
	Block    Action = "block"    // it is refused
	Fallback Action = "fallback" // deployments that cost less, or nothing, answer
	Warn     Action = "warn"     // it is answered, and said
	Watch    Action = ""         // nothing: the rule has no limit, and only counts
)

// PerUSD is how many parts of an amount of money are one US dollar.
const PerUSD = 1_000_000_000_000

// MaxLimit is the highest limit in US dollars: about what an amount has room for.
const MaxLimit = 9_000_000

// Meter says what is counted. Accounts of equal meters are the same.
type Meter struct {
	Per   Per
	Name  string // the one scope that is counted; empty: each by itself
	Every Every
	Zone  string // in which days and months begin: a name of the time zone database
	Unit  Unit
}

// String is the meter's name, as metrics have it.
func (m Meter) String() string {
	var b strings.Builder
	b.WriteString(string(m.Per))
	if m.Name != "" {
		b.WriteString(":" + m.Name)
	}
	b.WriteString(":" + string(m.Every))
	if m.Zone != "" && m.Zone != "UTC" {
		b.WriteString("@" + m.Zone)
	}
	return b.String()
}

// Rule is a limit.
type Rule struct {
	Meter
	Location *time.Location // of Zone
	Limit    int64
	OnExceed Action
	Strict   bool
	// Cap is the answer's limit, in tokens, of requests that set none, where
	// the rule is strict; 0: the deployment's own.
	Cap int64
}

// Subject is who asks for what.
type Subject struct {
	Key, KeyName string // what the key is counted by, and its name; empty without keys
	Workload     string // empty where a model was asked for by its own name
	Tenant       string
}

// scope is the scope that an attempt of the subject at a model counts in; ok is
// false where the meter does not count it.
func (m *Meter) scope(s *Subject, model string) (scope string, ok bool) {
	switch m.Per {
	case PerAll:
		return "", true
	case PerKey:
		if m.Name != "" && m.Name == s.KeyName {
			return m.Name, true
		}
		scope = s.Key
	case PerWorkload:
		scope = s.Workload
	case PerModel:
		scope = model
	case PerTenant:
		scope = s.Tenant
	}
	return scope, scope != "" && (m.Name == "" || m.Name == scope)
}

// Need is the most that an attempt can use.
type Need struct {
	Money, Tokens int64
	// Unpriced and Uncounted say why that is not known, of money and of tokens.
	Unpriced, Uncounted string
	// Free: it costs no money, whatever it uses.
	Free bool
}

// of is the need in a unit, and why it is not known.
func (n *Need) of(u Unit) (amount int64, unknown string) {
	if u == Tokens {
		return n.Tokens, n.Uncounted
	}
	if n.Free {
		return 0, ""
	}
	return n.Money, n.Unpriced
}

// Use is what an attempt has used.
type Use struct {
	Model  string
	Money  int64
	Priced bool // Money is known
	Tokens int64
}

func (u *Use) of(unit Unit) int64 {
	if unit == Tokens {
		return u.Tokens
	}
	if !u.Priced {
		return 0
	}
	return u.Money
}

// plus is a + b of amounts, or the nearest to it that there is room for.
func plus(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

// Format writes an amount with its unit: exact, without zeros that say nothing.
func Format(u Unit, n int64) string { return Number(u, n) + " " + u.Name() }

// Name is the unit as people write it.
func (u Unit) Name() string {
	if u == Tokens {
		return "tokens"
	}
	return "USD"
}

// Number writes an amount as a decimal number of US dollars or tokens.
func Number(u Unit, n int64) string {
	r := big.NewRat(n, 1)
	if u == USD {
		r = big.NewRat(n, PerUSD)
	}
	s := r.FloatString(12)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
