package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/dialect"
	"freehold/internal/health"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/policy"
	"freehold/internal/upstream"
	"freehold/internal/variant"
)

// Engines gives the way to a model that a local engine serves.
type Engines interface {
	Sender(p *config.Provider, m *config.Model, d *config.Deployment) Sender
	// Slots is how many requests the engine decodes at once.
	Slots(p *config.Provider) int
}

// Sources is what a fleet is built from.
type Sources struct {
	Config  *config.Config
	Catalog *catalog.Catalog
	Prices  *catalog.PriceBook
	Health  *health.Registry
	Engines Engines
	Codecs  map[string]dialect.Codec
	// Previous keeps its connections, keys and vendor models where nothing
	// changed; nil at the start.
	Previous *Fleet
	Log      *slog.Logger
	// Standing says which model the embeddings of indexes are of; nil: the workloads' own.
	Standing Standing
	// Probe: providers are probed. Commands that only look do not.
	Probe bool
}

// builder makes one fleet.
type builder struct {
	Sources
	fleet *Fleet
	specs []health.Spec
}

// Build makes the snapshot of a configuration that has been checked. What can
// still fail is what only the machine knows: certificates that do not load.
func Build(s Sources) (*Fleet, error) {
	c := s.Config
	b := &builder{Sources: s, fleet: &Fleet{
		Version: Version(c.Identity()), Providers: map[string]*Provider{}, Models: map[string]*Model{},
		Workloads: map[string]*Route{}, Aliases: map[string]*Route{}, Classes: Classes(c), Externals: map[string]*External{},
		Settings: Settings{
			ShowProviderModel: c.Server.ResponseModel == config.ResponseProvider,
			RelayUnknown:      c.Server.UnknownModels == config.UnknownRelay,
			DropUnsupported:   c.Server.DropUnsupported,
			RetryMax:          c.Retries.Max, RetryBase: c.Retries.Base, RetryCap: c.Retries.Cap,
			Timeouts: timeouts(c.Timeouts), KeepAlive: c.Server.KeepAlive,
		},
	}}
	b.fleet.Tenants = NewTenants(c)
	var err error
	if err = b.externals(); err != nil {
		return nil, err
	}
	if b.fleet.Detectors, err = b.detectors(""); err != nil {
		return nil, fmt.Errorf("detectors: %w", err)
	}
	for name, p := range c.Providers {
		made, err := b.provider(p)
		if err != nil {
			return nil, fmt.Errorf("providers.%s: %w", name, err)
		}
		b.fleet.Providers[name] = made
	}
	location, err := time.LoadLocation(c.Server.Timezone)
	if err != nil {
		return nil, fmt.Errorf("server.timezone: %w", err)
	}
	b.fleet.Settings.Location = location
	for name, m := range c.Models {
		b.fleet.Models[name] = b.model(name, m)
	}
	for name, w := range c.Workloads {
		r, err := b.route(name, w)
		if err != nil {
			return nil, fmt.Errorf("workloads.%s: %w", name, err)
		}
		b.fleet.Workloads[name] = r
		for _, a := range w.Aliases {
			alias := *r
			alias.Kind = "alias"
			b.fleet.Aliases[a] = &alias
		}
	}
	b.fleet.newer, b.fleet.stands = map[string]*Model{}, s.Standing
	for _, x := range c.Indexes {
		if x.Embeddings != nil {
			b.fleet.newer[x.Embeddings.Alias] = b.fleet.Models[x.Embeddings.Model]
		}
	}
	s.Health.Sync(b.specs)
	for _, d := range b.fleet.Deployments() {
		d.Health = s.Health.Get(healthID(d))
	}
	b.remember()
	b.fleet.vendors.make = b.vendor
	return b.fleet, nil
}

// Version names a configuration by the hash of its identity.
func Version(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:6])
}

// Classes are the configuration's data classes for policy.
func Classes(c *config.Config) policy.Classes {
	out := policy.Classes{}
	for name, d := range c.DataClasses {
		out[name] = d.Class()
	}
	return out
}

func (b *builder) provider(p *config.Provider) (*Provider, error) {
	preset := b.preset(p)
	out := &Provider{
		Name: p.Name, Preset: preset.Name, Codec: b.Codecs[string(p.Dialect)], Hosting: string(p.Hosting),
		Engine: p.Local(), Paths: preset.Paths,
		Place: p.Place(),
		Owns:  owns(p),
	}
	for _, r := range p.Relay {
		out.Relay = append(out.Relay, string(r))
	}
	out.limit = health.LimiterConfig{
		Concurrent: p.MaxConcurrency, Queue: p.Queue,
		MaxWait: timeouts(b.Config.Timeouts).Over(timeouts(p.Timeouts)).FirstToken,
	}
	if p.QueueWait > 0 {
		out.limit.MaxWait, out.limit.ShortWait = p.QueueWait, p.QueueWait
	}
	if p.Local() {
		out.Codec = b.Codecs["openai"]
		if out.limit.Concurrent == 0 {
			out.limit.Concurrent = b.Engines.Slots(p)
		}
		if out.limit.Queue == 0 {
			out.limit.Queue = 4 * out.limit.Concurrent
		}
		out.Keys = upstream.NewKeyRing()
		return out, nil
	}
	if out.Codec == nil {
		return nil, fmt.Errorf("dialect %q is not known", p.Dialect)
	}
	target, secrets := b.target(p, preset)
	out.identity = identity(target, secrets)
	if b.Previous != nil {
		if old := b.Previous.Providers[p.Name]; old != nil && old.identity == out.identity && old.Client != nil {
			out.Client, out.Keys = old.Client, old.Keys
		}
	}
	if out.Client == nil {
		var err error
		if out.Client, err = upstream.New(target); err != nil {
			return nil, err
		}
		out.Keys = upstream.NewKeyRing(secrets...)
	}
	out.Secrets = upstream.NewSecrets(p.Secrets()...)
	b.probe(out, p, preset)
	return out, nil
}

// target is the provider's endpoint, and its keys.
func (b *builder) target(p *config.Provider, preset catalog.Preset) (upstream.Target, []string) {
	h := http.Header{}
	for k, v := range preset.Headers {
		h.Set(k, v)
	}
	for k, v := range p.Headers {
		h.Set(k, v.Reveal())
	}
	base := p.BaseURL
	q := url.Values{}
	for k, v := range preset.Query {
		q.Set(k, v)
	}
	for k, v := range p.Query {
		q.Set(k, v.Reveal())
	}
	if len(q) > 0 {
		base += "?" + q.Encode()
	}
	t := upstream.Target{
		Provider: p.Name, BaseURL: base, Header: h, Proxy: p.Proxy.Reveal(), Networks: p.Networks,
		Auth: upstream.Auth(preset.Auth), Timeouts: upstream.Timeouts{Connect: p.Timeouts.Connect, Idle: p.Timeouts.Idle},
	}
	if p.TLS != nil {
		t.TLS = upstream.TLSConfig{
			CAFile: b.file(p.TLS.CA), CertFile: b.file(p.TLS.Cert), KeyFile: b.file(p.TLS.Key), ServerName: p.TLS.ServerName,
		}
	}
	var secrets []string
	for _, k := range p.Keys() {
		secrets = append(secrets, k.Reveal())
	}
	if len(secrets) == 0 {
		t.Auth = upstream.AuthNone // the credential may be among the headers
	}
	return t, secrets
}

func (b *builder) file(p config.Path) string { return b.Config.Resolve(string(p)) }

// identity hashes all that makes a provider this one. The hash is not shown.
func identity(t upstream.Target, secrets []string) string {
	text, err := json.Marshal([]any{t, secrets})
	if err != nil {
		panic(err) // strings, numbers and lists only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (b *builder) probe(out *Provider, p *config.Provider, preset catalog.Preset) {
	if !b.Probe || !p.Probe.Enabled || preset.Probe.Path == "" && p.Probe.Path == "" {
		return
	}
	out.ProbePath = preset.Probe.Path
	root := preset.Probe.Root
	if p.Probe.Path != "" {
		out.ProbePath, root = p.Probe.Path, true
	}
	client, path := out.Client, out.ProbePath
	if root {
		if c, err := b.rootClient(p, preset); err == nil {
			client = c
		}
	}
	out.probe = health.ProbeSpec{
		Key: p.Name, Interval: p.Probe.Every, Timeout: p.Probe.Timeout, Rise: p.Probe.Successes, Fall: p.Probe.Failures,
		Run: Probe(client, out.Keys, path, out.Place),
	}
}

// rootClient reaches the host of a provider whose probe does not lie below its
// base URL's /v1.
func (b *builder) rootClient(p *config.Provider, preset catalog.Preset) (*upstream.Client, error) {
	t, _ := b.target(p, preset)
	u, err := url.Parse(t.BaseURL)
	if err != nil {
		return nil, err
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v1")
	u.RawPath = ""
	t.BaseURL = u.String()
	return upstream.New(t)
}

func (b *builder) model(name string, m *config.Model) *Model {
	out := &Model{Name: name, Mode: string(m.Mode), Openness: string(m.Openness), Balance: Balance(m.Balance)}
	for i, d := range m.Deployments {
		p := b.fleet.Providers[d.Provider]
		made := b.deployment(out, p, d.ID)
		made.Name = m.DeploymentName(i)
		cp := b.Config.Providers[d.Provider]
		if p.Engine {
			made.Sender = b.Engines.Sender(cp, m, d)
		}
		made.Weight = d.Weight
		made.Timeouts = timeouts(b.Config.TimeoutsFor(d, m, nil))
		made.Params = params(m.Params)
		if d.Context > 0 {
			made.Context = int64(d.Context)
		}
		if d.Continuation != "" {
			made.Continue = dialect.ContinueMethod(d.Continuation)
		}
		made.Embedding = b.embedding(made, m, cp)
		made.Lacks = b.Catalog.Lacks(p.Preset, d.ID)
		if p.Engine {
			made.Lacks |= b.Catalog.EngineLacks(p.Preset)
		}
		made.Has = lacks(d.Features, true)
		made.Lacks = (made.Lacks | lacks(d.Features, false)) &^ made.Has
		if cp.DefaultMaxTokens > 0 {
			made.Quirks.DefaultMaxTokens = int64(cp.DefaultMaxTokens)
		}
		if d.Price != nil {
			price := configured(d.Price)
			made.pricing.find = func() meter.Price { return price }
		}
		if out.Openness == "" {
			out.Openness = b.Catalog.Openness(p.Preset, d.ID)
		}
		out.Deployments = append(out.Deployments, made)
		b.specs = append(b.specs, health.Spec{
			ID: healthID(made), Name: made.Name, Breaker: breaker(b.Config.Breaker), Limit: p.limit, Probe: p.probe,
		})
	}
	return out
}

// embedding is what the configuration, preset and catalog say of embeddings.
func (b *builder) embedding(d *Deployment, m *config.Model, p *config.Provider) Embedding {
	e := d.Embedding
	if n := p.Batches.Inputs; n > 0 {
		e.MaxInputs = n
	}
	if n := p.Batches.Tokens; n > 0 {
		e.MaxTokens = int64(n)
	}
	e.Cuts = e.Cuts && !p.Batches.Refuses
	e.Parallel, e.Truncate = p.Batches.Parallel, m.Truncate
	if e.Size == 0 { // the provider's name of the model may say nothing where ours does
		if known, ok := b.Catalog.Model(m.Name); ok {
			e.Size, e.Shortest = known.Dimensions, known.Shortest
		}
	}
	if d.Context == 0 && m.Mode == config.ModeEmbedding { // an engine's
		d.Context = int64(p.Context)
	}
	if n := d.Provider.limit.Concurrent; n > 0 {
		e.Parallel = min(e.Parallel, n)
	}
	return e
}

// deployment is a model at a provider with what the catalog knows of it.
func (b *builder) deployment(m *Model, p *Provider, id string) *Deployment {
	preset, _ := b.Catalog.Preset(p.Preset)
	d := &Deployment{
		Name: m.Name + "@" + p.Name, Model: m, Provider: p, ID: id, Path: pathsFor(p, id), Weight: 1,
		Quirks: preset.Quirks.For(id), Continue: b.Catalog.Continuation(p.Preset, id),
	}
	if p.Client != nil {
		d.Sender = p.Client
	}
	e := preset.Embedding
	d.Embedding = Embedding{MaxInputs: e.MaxInputs, MaxTokens: e.MaxTokens, Cuts: e.Cuts, NoTokens: e.NoTokens, Parallel: 4,
		ShortensAny: e.Dimensions == catalog.DimensionsAny, NoDimensions: e.Dimensions == catalog.DimensionsNone}
	if known, ok := b.Catalog.Model(id); ok {
		d.Embedding.Size, d.Embedding.Shortest = known.Dimensions, known.Shortest
		d.Context, d.MaxOutput, d.ImageTokens = known.Context, known.MaxOutput, known.ImageTokens
	}
	for _, name := range []string{id, m.Name} { // an id may say nothing (a file, a deployment's own name) where our name does
		if known, ok := b.Catalog.Model(name); ok {
			d.Maker = known.Vendor
			break
		}
	}
	if n := preset.Quirks.DefaultContext; n > 0 && !p.Engine {
		d.Context = n
	}
	ref := catalog.Ref{Preset: p.Preset, ID: id}
	d.pricing.find = func() meter.Price {
		l, ok, err := b.Prices.Listing(ref)
		if err != nil {
			b.Log.Error("price list cannot be read: the price counts as unknown", "deployment", d.Name, "error", err)
		}
		if !ok {
			return meter.Price{}
		}
		return l.Price
	}
	return d
}

// vendor makes the model that stands for a vendor's own model name. Names
// beyond those that are remembered share one record of health.
func (b *builder) vendor(p *Provider, name string, remembered bool) *Model {
	m := &Model{Name: name, Openness: b.Catalog.Openness(p.Preset, name)}
	d := b.deployment(m, p, name)
	d.Timeouts = b.fleet.Settings.Timeouts.Over(timeouts(b.Config.Providers[p.Name].Timeouts))
	m.Deployments = []*Deployment{d}
	id, label := healthID(d), d.Name
	if !remembered {
		id, label = p.identity+" others", "others@"+p.Name
	}
	d.Health = b.Health.Add(health.Spec{
		ID: id, Name: label, Breaker: breaker(b.Config.Breaker), Limit: p.limit,
	})
	return m
}

func (b *builder) route(name string, w *config.Workload) (*Route, error) {
	own := timeouts(w.Timeouts)
	r := &Route{
		Workload: name, Kind: "workload", Classes: w.Data, Continue: Continue(w.Continue), Hold: Hold(w.Hold),
		Own: own, Params: params(w.Params), Tenant: w.Tenant == config.Required,
		FallbackOnFilter:  w.OnContentFilter == config.ReactFallback,
		FallbackOnContext: w.OnContextLength == config.ReactFallback,
	}
	r.Models = []*Model{b.fleet.Models[w.Model]}
	for _, m := range w.Fallbacks {
		if m != w.Model {
			r.Models = append(r.Models, b.fleet.Models[m])
		}
	}
	r.Confidence = w.Confidence
	var err error
	if r.Rules, err = b.rules(w); err != nil {
		return nil, err
	}
	r.Balanced = r.balanced()
	for name, v := range w.Variants {
		if r.Variants == nil {
			r.Variants = map[*Model]*variant.Variant{}
		}
		r.Variants[b.fleet.Models[name]] = v.Made()
	}
	if w.Cascade != nil {
		r.Cascade = b.cascade(r, w.Cascade)
	}
	if w.SLO != nil {
		r.SLO = NewSLO(w.SLO, r)
	}
	if h := w.Hedge; h != nil {
		r.Hedge = Hedge{After: h.After.Delay, Percentile: h.After.Percentile, MaxShare: h.MaxShare}
	}
	if c := w.Capture; c != nil {
		r.Capture = Capture{On: c.Enabled, Unredacted: c.Unredacted, Share: c.Share, Retention: c.Retention}
	}
	r.Detectors, err = b.detectors(name)
	return r, err
}

// preset is the provider's, or the plain one of its dialect.
func (b *builder) preset(p *config.Provider) catalog.Preset {
	name := p.Preset
	switch {
	case p.Local():
		name = string(p.Engine)
	case name == "" && p.Dialect == config.DialectAnthropic:
		name = "anthropic"
	case name == "" && p.Dialect == config.DialectCohere:
		name = "cohere"
	case name == "":
		name = "openai-compatible"
	}
	preset, ok := b.Catalog.Preset(name)
	if !ok {
		preset = catalog.Preset{Name: name}
	}
	return preset
}

func healthID(d *Deployment) string { return d.Provider.identity + " " + d.Name + " " + d.ID }

func breaker(c config.Breaker) health.BreakerConfig {
	return health.BreakerConfig{
		Consecutive: c.Failures, Ratio: c.Rate, MinSamples: c.MinRequests, Window: c.Window,
		OpenFor: c.Open, MaxOpenFor: c.MaxOpen, CloseAfter: c.Successes,
	}
}

func timeouts(t config.Timeouts) Timeouts {
	return Timeouts{Connect: t.Connect, FirstToken: t.FirstToken, Idle: t.Idle, Total: t.Total}
}

func params(p config.Params) dialect.Params {
	out := dialect.Params{Rename: p.Rename, Drop: p.Drop}
	for k, v := range p.Defaults {
		out.Defaults = append(out.Defaults, llm.Field{Name: k, Raw: v})
	}
	slices.SortFunc(out.Defaults, func(a, b llm.Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// lacks are the features of which the configuration says value.
func lacks(f map[config.Feature]bool, value bool) llm.Features {
	var out llm.Features
	for k, can := range f {
		if can == value {
			out |= featureBits[k]
		}
	}
	return out
}

var featureBits = map[config.Feature]llm.Features{
	config.FeatureTools: llm.FeatureTools, config.FeatureParallelTools: llm.FeatureParallelTools,
	config.FeatureJSONObject: llm.FeatureJSONObject, config.FeatureJSONSchema: llm.FeatureJSONSchema,
	config.FeatureImages: llm.FeatureImages, config.FeatureReasoning: llm.FeatureThinking,
	config.FeatureLogprobs: llm.FeatureLogprobs, config.FeatureN: llm.FeatureN, config.FeatureSeed: llm.FeatureSeed,
	config.FeatureLogitBias: llm.FeatureLogitBias, config.FeatureSuffix: llm.FeatureSuffix,
	config.FeatureCacheControl: llm.FeatureCacheControl,
}

// configured is a price of the configuration: from USD per million tokens.
func configured(p *config.Price) meter.Price {
	rate := func(d *decimal.Decimal) decimal.NullDecimal {
		if d == nil {
			return decimal.NullDecimal{}
		}
		return decimal.NewNullDecimal(d.Shift(-6))
	}
	return meter.Price{Source: "config.yaml", Rates: meter.Rates{
		Input: rate(p.Input), Output: rate(p.Output), CachedInput: rate(p.CachedInput),
		CacheWrite: rate(p.CacheWrite), Reasoning: rate(p.Reasoning),
	}}
}

func owns(p *config.Provider) func(string) bool {
	return func(model string) bool {
		return slices.ContainsFunc(p.Owns, func(prefix string) bool { return strings.HasPrefix(model, prefix) })
	}
}
