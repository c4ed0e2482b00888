package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"freehold/internal/suggest"
)

// checker looks at the whole: names that must exist, rules that contradict
// each other, rules that can never hold.
type checker struct {
	cfg      *Config
	rep      *report
	env      Env
	root     *entry
	files    map[string]bool
	literals []*node
}

func (c *checker) run() {
	c.server()
	c.state()
	c.captureKey()
	c.file(c.pos("catalog"), c.cfg.Catalog.Prices, c.cfg.Catalog.Models)
	c.clear(c.root, nil)
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Providers)) {
		c.provider(c.cfg.Providers[name])
	}
	c.shares()
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Models)) {
		c.model(c.cfg.Models[name])
	}
	c.ports()
	for _, name := range slices.Sorted(maps.Keys(c.cfg.DataClasses)) {
		c.dataClass(c.cfg.DataClasses[name])
	}
	c.stores()
	c.indexes()
	c.perimeter()
	c.names()
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Workloads)) {
		c.workload(c.cfg.Workloads[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Rollouts)) {
		c.rollout(c.cfg.Rollouts[name], slices.Sorted(maps.Keys(c.cfg.Workloads)))
	}
	c.budgets()
	c.strictBudgets()
	c.breaker()
}

// entry is the place of a key, by exact keys; nil where the file is silent.
func (c *checker) entry(path ...string) *entry {
	e := c.root
	for _, k := range path {
		if e = e.value.get(k); e == nil {
			return nil
		}
	}
	return e
}

func (c *checker) has(path ...string) bool { return c.entry(path...) != nil }

// pos is where the value at path stands; failing that, its nearest parent's key.
func (c *checker) pos(path ...string) Pos {
	for n := len(path); n > 0; n-- {
		if e := c.entry(path[:n]...); e != nil {
			if n == len(path) {
				return e.pos
			}
			return e.place()
		}
	}
	return Pos{1, 1}
}

// told reports an entry that is no map at all, which the decoder has said.
func (c *checker) told(path ...string) bool {
	e := c.entry(path...)
	return e != nil && e.value.kind != kindMap && e.value.kind != kindNull
}

// keyPos is where the key at path stands.
func (c *checker) keyPos(path ...string) Pos {
	if e := c.entry(path...); e != nil {
		return e.place()
	}
	return c.pos(path...)
}

func (c *checker) server() {
	s := &c.cfg.Server
	host, port, err := net.SplitHostPort(s.Listen)
	switch {
	case err != nil || !validPort(port):
		c.rep.errorf(c.pos("server", "listen"), "write 127.0.0.1:4000", "server.listen: %q is not HOST:PORT", s.Listen)
	case s.Auth == AuthNone && !loopback(host):
		c.rep.errorf(c.pos("server", "listen"), "set server.auth: keys and make a key with freehold keys create, or listen on 127.0.0.1", "server.listen: %s can be reached from outside, and server.auth is none", s.Listen)
	}
	if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
		c.rep.errorf(c.pos("server", "timezone"), "write a name of the IANA database: Europe/Berlin, America/New_York, UTC", "server.timezone: %q is not a time zone", s.Timezone)
	}
	if t := s.TLS; t != nil {
		c.pair(t.Cert, t.Key, []string{"server", "tls"})
	}
	if s.Telemetry.OTLP != "" {
		c.url(s.Telemetry.OTLP, "server", "telemetry", "otlp")
	}
}

func validPort(p string) bool {
	_, err := netip.ParseAddrPort("127.0.0.1:" + p)
	return err == nil
}

// loopback reports a host that only this machine can reach.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func (c *checker) state() {
	scheme, rest, ok := strings.Cut(c.cfg.State, ":")
	if !ok || scheme != "sqlite" || rest == "" {
		c.rep.errorf(c.pos("state"), "write sqlite:freehold.db", "state must be sqlite:FILE")
	}
}

// minCaptureKey is the least length of capture.key. What encodes 32 bytes is
// longer; a passphrase that is shorter could be guessed.
const minCaptureKey = 20

func (c *checker) captureKey() {
	if key := c.cfg.Capture.Key.Reveal(); key != "" && len(key) < minCaptureKey {
		c.rep.errorf(c.pos("capture", "key"), "openssl rand -base64 32 makes one", "capture.key has fewer than %d characters", minCaptureKey)
	}
}

func (c *checker) breaker() {
	b, r := c.cfg.Breaker, c.cfg.Retries
	if b.MaxOpen < b.Open {
		c.rep.errorf(c.pos("breaker", "max_open"), "", "breaker.max_open (%s) is shorter than breaker.open (%s)", b.MaxOpen, b.Open)
	}
	if r.Cap < r.Base {
		c.rep.errorf(c.pos("retries", "cap"), "", "retries.cap (%s) is shorter than retries.base (%s)", r.Cap, r.Base)
	}
}

// file notes files that stand behind the configuration and must be there.
func (c *checker) file(pos Pos, paths ...Path) {
	for _, p := range paths {
		if p == "" {
			continue
		}
		c.files[string(p)] = true
		if c.env.ReadFile == nil {
			continue
		}
		if _, err := c.env.ReadFile(string(p)); err != nil && c.env.Unset == "" {
			c.rep.errorf(pos, "the file must exist and be readable for freehold's user", "%s: %s", p, reason(err))
		}
	}
}

// later warns of a file that is used only later and is not there.
func (c *checker) later(pos Pos, file, hint string) {
	if c.env.Exists == nil {
		return
	}
	if err := c.env.Exists(file); err != nil {
		c.rep.warnf(pos, hint, "%s: %s", file, reason(err))
	}
}

// url checks an address and gives its parts; nil where it is not one.
func (c *checker) url(text string, path ...string) *url.URL {
	u, err := url.Parse(text)
	where, p := label(path), c.pos(path...)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Hostname() == "":
		c.rep.errorf(p, "write https://HOST/PATH", "%s is not an http or https address", where)
	case oddAddress(u.Hostname()):
		c.rep.errorf(p, "write the address as four numbers from 0 to 255, as in 10.0.0.1, or a name", "%s: %q is neither an address nor a name", where, u.Hostname())
	case u.User != nil:
		c.rep.errorf(p, "give credentials as api_key or headers, by reference", "%s holds credentials", where)
	case u.RawQuery != "" || u.Fragment != "":
		c.rep.errorf(p, "give query parameters under query:", "%s has a query or a fragment", where)
	case u.Port() != "" && !validPort(u.Port()):
		c.rep.errorf(p, "", "%s has no valid port", where)
	default:
		return u
	}
	return nil
}

// oddAddress reports an IPv4 address in one of the forms that only some resolvers read
// (a single number, octal, hexadecimal, fewer parts, a dot at its end): such a host would
// pass for a name, which networks do not hold before it is dialled.
func oddAddress(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// SecretInClear ends the warning of a secret that stands in the file itself.
const SecretInClear = " holds a secret in the clear"

// clear warns of every secret that stands in the file itself.
func (c *checker) clear(e *entry, path []string) {
	for _, child := range e.value.entries {
		where := append(slices.Clone(path), child.key)
		if child.value.kind != kindScalar {
			c.clear(child, where)
			continue
		}
		if !slices.Contains(c.literals, child.value) {
			continue
		}
		if parent := path[max(0, len(path)-1):]; len(parent) > 0 && (parent[0] == "headers" || parent[0] == "query") && !soundsSecret(child.key) {
			continue
		}
		c.rep.warnf(child.pos, "keep it out of the file: ${env:NAME} or ${file:/run/secrets/NAME}", "%s"+SecretInClear, label(where))
	}
}

// names holds workloads, aliases and models apart: a request's model field
// must mean one thing.
func (c *checker) names() {
	owner := map[string]string{}
	for _, w := range slices.Sorted(maps.Keys(c.cfg.Workloads)) {
		owner[w] = "the workload " + w
		if _, clash := c.cfg.Models[w]; clash {
			c.rep.errorf(c.keyPos("workloads", w), "rename one of them", "the workload %q has the name of a model", w)
		}
	}
	for _, w := range slices.Sorted(maps.Keys(c.cfg.Workloads)) {
		for i, a := range c.cfg.Workloads[w].Aliases {
			p := c.pos("workloads", w, "aliases", fmt.Sprint(i))
			if _, isModel := c.cfg.Models[a]; isModel {
				c.rep.errorf(p, "rename one of them", "the alias %q is the name of a model", a)
			} else if who, taken := owner[a]; taken {
				c.rep.errorf(p, "an alias leads to one workload", "the alias %q is taken by %s", a, who)
			} else {
				owner[a] = fmt.Sprintf("the workload %s as an alias", w)
			}
		}
	}
}

func (c *checker) dataClass(d *DataClass) {
	c.placed(d)
	for key, l := range map[string][]string{"jurisdictions": d.Jurisdictions, "regions": d.Regions, "providers": d.Providers} {
		if l != nil && len(l) == 0 {
			c.rep.warnf(c.pos("data_classes", d.Name, key), "take the key away to allow any", "an empty list admits no provider at all")
		}
	}
}

func (c *checker) workload(w *Workload) {
	at := func(key ...string) []string { return append([]string{"workloads", w.Name}, key...) }
	for i, d := range w.Data {
		if _, ok := c.cfg.DataClasses[d]; !ok {
			path := at("data")
			if c.has(at("data", fmt.Sprint(i))...) {
				path = at("data", fmt.Sprint(i))
			}
			c.rep.errorf(c.pos(path...), suggest.Hint(d, slices.Sorted(maps.Keys(c.cfg.DataClasses))), "unknown data class %q", d)
		}
	}
	if w.Model != "" {
		c.candidate(w, w.Model, at("model"))
	}
	seen := map[string]bool{w.Model: true}
	for i, f := range w.Fallbacks {
		path := at("fallbacks", fmt.Sprint(i))
		if f == w.Model && f != "" {
			// No error: who switches to a fallback edits the line of the model only.
			c.rep.warnf(c.pos(path...), "it is asked once, as the model", "%s falls back to its own model: %s", label(at()), f)
			continue
		}
		if seen[f] {
			c.rep.errorf(c.pos(path...), "name each model once", "%s falls back twice: %s", label(at()), f)
			continue
		}
		seen[f] = true
		c.candidate(w, f, path)
	}
	c.route(w, at("route"))
	c.cascade(w, at("cascade"))
	c.slo(w.SLO, at("slo"))
	if h := w.Hedge; h != nil && h.After.Percentile == 0 && h.After.Delay <= 0 {
		c.rep.errorf(c.pos(at("hedge")...), "write p95 or 800ms", "%s has no time", label(at("hedge", "after")))
	}
	if k := w.Capture; k != nil && k.Enabled && !c.has("capture", "key") {
		c.rep.errorf(c.pos(at("capture", "enabled")...), "add at the top level: capture: {key: ${env:FREEHOLD_CAPTURE_KEY}}",
			"%s keeps prompts and answers, and there is no capture.key to encrypt them with", label(at()))
	}
	c.params(w.Params, at("params"))
	c.variants(w, at("variants"))
}

// candidate checks one model of a workload and whether its data may go there.
func (c *checker) candidate(w *Workload, name string, path []string) {
	m := c.cfg.Models[name]
	if m == nil {
		hint := suggest.Hint(name, slices.Sorted(maps.Keys(c.cfg.Models)))
		if _, is := c.cfg.Workloads[name]; is {
			hint = "this is a workload; name a model"
		} else if len(c.cfg.Models) == 0 {
			hint = "describe it under models:"
		}
		c.rep.errorf(c.pos(path...), hint, "unknown model %q", name)
		return
	}
	if m.Mode == ModeEmbedding && w.Model != name {
		if first := c.cfg.Models[w.Model]; first != nil && first.Mode != ModeEmbedding {
			c.rep.warnf(c.pos(path...), "", "%s makes embeddings and cannot stand in for %s", name, w.Model)
		} else if first != nil {
			c.rep.warnf(c.pos(path...), "give "+w.Model+" a second deployment instead", "vectors of %s and of %s do not fit together: what one has embedded the other does not find", name, w.Model)
		}
	}
	refused, reasons := 0, []string{}
	for _, d := range m.Deployments {
		p := c.cfg.Providers[d.Provider]
		if p == nil {
			return // told already
		}
		if class, rule := c.refusal(w, p); class != "" {
			refused++
			if why := fmt.Sprintf("%s: data class %s: %s", d.Provider, class, rule); !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
		}
	}
	switch {
	case len(m.Deployments) == 0 || refused == 0:
	case refused == len(m.Deployments):
		c.rep.warnf(c.pos(path...), strings.Join(reasons, "; "), "%s can never use %s: its data class excludes every deployment", label([]string{"workloads", w.Name}), name)
	default:
		c.rep.warnf(c.pos(path...), strings.Join(reasons, "; "), "%s can use only %d of %d deployments of %s", label([]string{"workloads", w.Name}), len(m.Deployments)-refused, len(m.Deployments), name)
	}
}

func (c *checker) params(p Params, path []string) {
	for i, name := range p.Drop {
		if _, both := p.Defaults[name]; both {
			c.rep.errorf(c.pos(append(path, "drop", fmt.Sprint(i))...), "", "the parameter %q is both given a default and dropped", name)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(p.Rename)) {
		if name := p.Rename[from]; name == "model" || name == "messages" || name == "stream" || from == "model" || from == "messages" || from == "stream" {
			c.rep.errorf(c.pos(append(path, "rename", from)...), "", "%s: the parameter cannot be renamed", label(append(path, "rename", from)))
		}
	}
}
