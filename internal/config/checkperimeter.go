package config

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"freehold/internal/detect"
	"freehold/internal/suggest"
)

// names of the list at path must be among known.
func (c *checker) known(what string, list []string, known []string, path ...string) {
	for i, n := range list {
		if !slices.Contains(known, n) {
			at := append(slices.Clone(path), fmt.Sprint(i))
			if !c.has(at...) {
				at = path
			}
			c.rep.errorf(c.pos(at...), suggest.Hint(n, known), "%s: unknown %s %q", label(path), what, n)
		}
	}
}

func (c *checker) perimeter() {
	classes, providers := slices.Sorted(maps.Keys(c.cfg.DataClasses)), slices.Sorted(maps.Keys(c.cfg.Providers))
	for _, name := range providers {
		if e := c.cfg.Providers[name].Contract.Expires.Time(); !e.IsZero() && !c.now().Before(e) {
			c.rep.warnf(c.pos("providers", name, "contract", "expires"), "renew it, or take its facts away", "the contract with provider %s has expired: no data class that demands one can use it", name)
		}
	}
	keys, headers := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Tenants)) {
		t := c.cfg.Tenants[name]
		at := func(key ...string) []string { return append([]string{"tenants", name}, key...) }
		c.known("data class", t.Classes, classes, at("classes")...)
		c.known("provider", t.Providers.Allow, c.places(), at("providers", "allow")...)
		c.known("provider", t.Providers.Deny, c.places(), at("providers", "deny")...)
		for i, k := range t.Keys {
			p := c.pos(at("keys", fmt.Sprint(i))...)
			if strings.Contains(strings.TrimSuffix(k, "*"), "*") {
				c.rep.errorf(p, "write a name, or its beginning with * at the end", "%s: %q has a * in its middle", label(at("keys")), k)
			}
			if other := keys[k]; other != "" {
				c.rep.errorf(p, "a key is one tenant's", "%s: %q is a key of tenant %s already", label(at("keys")), k, other)
			}
			keys[k] = name
		}
		if len(t.Keys) > 0 && c.cfg.Server.Auth == AuthNone {
			c.rep.warnf(c.pos(at("keys")...), "set server.auth: keys", "nobody shows a key while server.auth is none")
		}
		c.tenantHeader(t, headers, at)
		if len(t.Keys) == 0 && t.Header == nil && !c.told(at()...) {
			c.rep.errorf(c.keyPos(at()...), "add keys: [NAME] or header: {name: x-tenant, value: NAME}", "no request can be tenant %s's", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Workloads)) {
		if c.cfg.Workloads[name].Tenant == Required && len(c.cfg.Tenants) == 0 {
			c.rep.errorf(c.pos("workloads", name, "tenant"), "describe them under tenants:", "workloads.%s needs a tenant, and there is none", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Detectors)) {
		c.detector(c.cfg.Detectors[name], classes)
	}
}

func (c *checker) tenantHeader(t *Tenant, taken map[string]string, at func(...string) []string) {
	h := t.Header
	if h == nil || h.Name == "" {
		return
	}
	p := c.pos(at("header", "name")...)
	switch name := textproto.CanonicalMIMEHeaderKey(h.Name); {
	case !headerName(h.Name):
		c.rep.errorf(p, "such as x-tenant", "%s: %q is not the name of a header", label(at("header")), h.Name)
	case slices.Contains([]string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie", "Host", "Content-Length", "Content-Type", "Connection", "Transfer-Encoding"}, name),
		strings.HasPrefix(name, "X-Freehold-"):
		c.rep.errorf(p, "such as x-tenant", "%s: the header %s has another meaning", label(at("header")), h.Name)
	default:
		id := name + ": " + h.Value
		if other := taken[id]; other != "" {
			c.rep.errorf(p, "one value is one tenant's", "%s: %s is tenant %s already", label(at("header")), id, other)
		}
		taken[id] = t.Name
	}
}

// headerName reports a header name: net/http reads no other.
func headerName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != "" && http.CanonicalHeaderKey(s) != ""
}

func (c *checker) detector(d *Detector, classes []string) {
	at := func(key ...string) []string { return append([]string{"detectors", d.Name}, key...) }
	if c.told(at()...) {
		return
	}
	c.known("data class", d.Class, classes, at("class")...)
	c.known("workload", d.Workloads, slices.Sorted(maps.Keys(c.cfg.Workloads)), at("workloads")...)
	for _, name := range slices.Sorted(maps.Keys(d.Patterns)) {
		p := c.pos(at("patterns", name)...)
		if slices.Contains(DetectorKind("").values(), name) {
			c.rep.errorf(c.keyPos(at("patterns", name)...), "give it another name", "%s: %s is a kind already", label(at("patterns")), name)
		}
		if !patternName(name) {
			c.rep.errorf(c.keyPos(at("patterns", name)...), "begin with a small letter; use small letters, digits and dashes", "%s: %q is no name for a kind", label(at("patterns")), name)
		}
		if _, err := detect.Pattern(d.Patterns[name]); err != nil {
			c.rep.errorf(p, "the syntax is RE2's: no look-around, no back references", "%s: %v", label(at("patterns", name)), err)
		}
	}
	if d.External != nil {
		c.external(d, at)
	}
	switch {
	case d.External == nil && len(d.Kinds) == 0 && len(d.Patterns) == 0:
		c.rep.errorf(c.keyPos(at()...), "add kinds: [email, iban] or patterns: {NAME: EXPRESSION}", "%s looks for nothing", label(at()))
	case d.OnHit == HitTighten && len(d.Class) == 0:
		c.rep.errorf(c.pos(at("on_hit")...), "add class: NAME", "%s tightens and names no data class", label(at()))
	case d.OnHit != HitTighten && len(d.Class) > 0:
		c.rep.errorf(c.pos(at("class")...), "only on_hit: tighten adds one", "%s has a class and does not tighten", label(at()))
	}
	if d.OnHit == HitRedact && slices.Contains(d.Kinds, KindOpaque) {
		c.rep.errorf(c.pos(at("kinds")...), "tighten or block on it", "%s cannot redact what it cannot read: opaque", label(at()))
	}
	if len(c.cfg.Detectors) > detect.MaxRules {
		c.rep.errorf(c.keyPos("detectors"), "put kinds into one", "there are more than %d detectors", detect.MaxRules)
	}
}

// external checks a detector over HTTP.
func (c *checker) external(d *Detector, detector func(...string) []string) {
	e := d.External
	at := func(key ...string) []string { return append(detector("external"), key...) }
	if len(d.Kinds) > 0 || len(d.Patterns) > 0 {
		c.rep.errorf(c.keyPos(at()...), "make two detectors of it; what counts of its findings is external.kinds", "%s stands beside kinds or patterns", label(at()))
	}
	if e.URL != "" {
		if u := c.url(e.URL, at("url")...); u != nil {
			c.inNetworks(u, e.Networks, at("url"))
		}
	}
	c.certificates(e.TLS, at("tls"))
	if !e.Inside {
		c.rep.errorf(c.keyPos(at()...), "say inside: true if it stands within your own perimeter; no other place may see every text", "%s is not inside", label(at()))
	}
	for i, k := range e.Kinds {
		if !patternName(k) {
			c.rep.errorf(c.pos(at("kinds", fmt.Sprint(i))...), "write PERSON as person, US_SSN as us-ssn", "%s: %q is no name for a kind", label(at("kinds")), k)
		}
	}
}

func patternName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && s[0] > '9' && s[0] != '-' && len(s) <= 40
}
