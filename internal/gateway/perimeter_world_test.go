package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"freehold/internal/fleet"
)

// world is a random configuration, and what a careful person would say of it:
// by facts of its own, apart from the code that decides.
type world struct {
	text      string
	providers []provider
	classes   []class
	tenants   []tenantOf
	workloads []workloadOf
	detectors []detectorOf
	raw       string // the provider that raw paths go to
	fleet     *fleet.Fleet
}

type provider struct {
	name, law, region string
	inside            bool
	dpa               string // yes, no or empty
	expired           bool
}

type class struct {
	name         string
	inside       bool
	laws, places []string // nil: any
	only         []string
	dpa          bool
}

type tenantOf struct {
	name        string
	class       string
	allow, deny []string
}

type workloadOf struct {
	name   string
	models []string
	class  string
}

type detectorOf struct {
	name, kind, hit string
	class           string   // of tighten
	workloads       []string // nil: every request
}

// sample is a text that a detector finds, in forms that are read alike. core is
// what no form of it may leave once it is redacted.
type sample struct {
	kind, core string
	forms      []string
}

var samples = []sample{
	{"email", "ob@x.de", []string{"bob@x.de", "b\u200bob@x.de", "ｂｏｂ＠x.de", `\u0062ob@x.de`}},
	{"secret", "IOSFODNN7", []string{"AKIAIOSFODNN7EXAMPLE", "AKIA\u00adIOSFODNN7EXAMPLE"}},
	{"card", "4111", []string{"4111111111111111", "4111-1111-1111-1111", `\u0034111111111111111`}},
	{"iban", "893704", []string{"DE89370400440532013000", "DE89 3704 0044 0532 0130 00"}},
}

var laws, regions = []string{"", "EU", "US"}, []string{"", "eu-central-1", "us-east-1"}

func some[T any](r *rand.Rand, list []T) []T {
	var out []T
	for _, v := range list {
		if r.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	return out
}

func one[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// drawWorld makes a configuration. Each model i is served by some providers.
func drawWorld(r *rand.Rand, urls []string) *world {
	w := &world{}
	var b strings.Builder
	b.WriteString("server: {listen: 127.0.0.1:0}\nretries: {max: 1, base: 1ns, cap: 1ns}\nproviders:\n")
	var names []string
	for i := range 4 {
		p := provider{name: fmt.Sprintf("p%d", i), law: one(r, laws), region: one(r, regions), inside: r.IntN(3) == 0, dpa: one(r, []string{"", "yes", "no"}), expired: r.IntN(4) == 0}
		fmt.Fprintf(&b, "  %s: {dialect: %s, base_url: %q, inside: %v, probe: {enabled: false}", p.name, one(r, []string{"openai", "anthropic"}), urls[i], p.inside)
		if w.raw == "" && r.IntN(3) == 0 || i == 3 && w.raw == "" {
			w.raw = p.name
			b.WriteString(", relay: [files]")
		}
		if p.law != "" {
			fmt.Fprintf(&b, ", jurisdiction: %s", p.law)
		}
		if p.region != "" {
			fmt.Fprintf(&b, ", region: %s", p.region)
		}
		if p.dpa != "" {
			year := 2099
			if p.expired {
				year = 2001
			}
			fmt.Fprintf(&b, ", contract: {dpa: %s, expires: %d-01-01}", p.dpa, year)
		}
		b.WriteString("}\n")
		w.providers, names = append(w.providers, p), append(names, p.name)
	}
	b.WriteString("models:\n")
	for i := range 3 {
		fmt.Fprintf(&b, "  m%d: {balance: %s, deployments: [", i, one(r, []string{"priority", "weighted"}))
		for _, p := range append(some(r, names), one(r, names)) {
			fmt.Fprintf(&b, "{provider: %s, id: m%d, continuation: prefill}, ", p, i)
		}
		b.WriteString("]}\n")
	}
	fmt.Fprintf(&b, "  e: {mode: embedding, deployments: [{provider: %s, id: e}, {provider: %s, id: f}]}\n", one(r, names), one(r, names))
	b.WriteString("data_classes:\n")
	for i := range 4 {
		c := class{name: fmt.Sprintf("c%d", i)}
		fmt.Fprintf(&b, "  %s: {", c.name)
		switch i {
		case 0:
			c.inside = true
			b.WriteString("inside: true")
		case 1:
			c.laws = []string{"EU"}
			b.WriteString("jurisdictions: [EU]")
		case 2:
			c.only = some(r, names)
			if c.only == nil {
				c.only = []string{}
			}
			fmt.Fprintf(&b, "providers: [%s]", strings.Join(c.only, ", "))
		case 3:
			c.places, c.dpa = []string{"eu-central-1"}, r.IntN(2) == 0
			b.WriteString("regions: [eu-central-1]")
			if c.dpa {
				b.WriteString(", contract: {dpa: yes}")
			}
		}
		b.WriteString("}\n")
		w.classes = append(w.classes, c)
	}
	b.WriteString("detectors:\n")
	for i := range 1 + r.IntN(5) {
		d := detectorOf{name: fmt.Sprintf("d%d", i), kind: one(r, samples).kind, hit: one(r, []string{"tighten", "tighten", "redact", "block"})}
		fmt.Fprintf(&b, "  %s: {kinds: [%s], on_hit: %s", d.name, d.kind, d.hit)
		if d.hit == "tighten" {
			d.class = one(r, w.classes).name
			fmt.Fprintf(&b, ", class: %s", d.class)
		}
		if r.IntN(3) == 0 {
			d.workloads = []string{one(r, []string{"w0", "w1"})}
			fmt.Fprintf(&b, ", workloads: [%s]", d.workloads[0])
		}
		b.WriteString("}\n")
		w.detectors = append(w.detectors, d)
	}
	b.WriteString("tenants:\n")
	for i := range 2 {
		t := tenantOf{name: fmt.Sprintf("t%d", i), deny: some(r, names)}
		fmt.Fprintf(&b, "  %s: {header: {name: x-tenant, value: %s}, providers: {deny: [%s]", t.name, t.name, strings.Join(t.deny, ", "))
		if r.IntN(2) == 0 {
			t.allow = append(some(r, names), "p0")
			fmt.Fprintf(&b, ", allow: [%s]", strings.Join(t.allow, ", "))
		}
		b.WriteString("}")
		if r.IntN(2) == 0 {
			t.class = one(r, w.classes).name
			fmt.Fprintf(&b, ", classes: [%s]", t.class)
		}
		b.WriteString("}\n")
		w.tenants = append(w.tenants, t)
	}
	b.WriteString("workloads:\n")
	for i := range 2 {
		x := workloadOf{name: fmt.Sprintf("w%d", i), models: []string{"m0", "m1", "m2"}}
		fmt.Fprintf(&b, "  %s: {model: m%d, fallbacks: [m%d], hedge: {after: 1ns, max_share: %s}", x.name, i, 2-i, one(r, []string{"0.01", "1"}))
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, ", cascade: {model: m%d, by: %s}", 1-i, one(r, []string{"agreement", "logprobs"}))
		}
		if r.IntN(2) == 0 {
			x.class = one(r, w.classes).name
			fmt.Fprintf(&b, ", data: %s", x.class)
		}
		b.WriteString("}\n")
		w.workloads = append(w.workloads, x)
	}
	w.text = b.String()
	return w
}

// permits says what a careful person would: may the provider see a request of
// these classes and this tenant?
func (w *world) permits(name string, classes []string, tenant string) bool {
	p := w.providers[slices.IndexFunc(w.providers, func(p provider) bool { return p.name == name })]
	for _, t := range w.tenants {
		if t.name != tenant {
			continue
		}
		if t.class != "" {
			classes = append(slices.Clone(classes), t.class)
		}
		if slices.Contains(t.deny, name) || t.allow != nil && !slices.Contains(t.allow, name) {
			return false
		}
	}
	for _, c := range w.classes {
		if !slices.Contains(classes, c.name) {
			continue
		}
		if c.inside && !p.inside || c.laws != nil && !slices.Contains(c.laws, p.law) || c.places != nil && !slices.Contains(c.places, p.region) ||
			c.only != nil && !slices.Contains(c.only, name) || c.dpa && (p.dpa != "yes" || p.expired) {
			return false
		}
	}
	return true
}
