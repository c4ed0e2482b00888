package config

import (
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// Provider is a place that serves models. After Load, BaseURL, Dialect,
// Hosting, Inside, Region, Jurisdiction, NeedsKey and Owns are effective: the file's
// word, else the preset's, else what follows for a local engine.
type Provider struct {
	// Name is the key under providers.
	Name string `yaml:"-"`
	// Known kind of provider that brings base URL, dialect and quirks, such as openai, anthropic, mistral, together, vllm, ollama.
	Preset string `yaml:"preset"`
	// Local engine that freehold starts, watches and restarts.
	Engine Engine `yaml:"engine"`
	// API the provider speaks, where no preset says it.
	Dialect Dialect `yaml:"dialect"`
	// Address of the API, such as https://vllm.internal/v1.
	BaseURL string `yaml:"base_url"`
	// Credential; a reference such as ${env:OPENAI_API_KEY} or ${file:/run/secrets/openai}.
	APIKey Secret `yaml:"api_key"`
	// Several credentials, rotated when one is rate limited or refused.
	APIKeys []Secret `yaml:"api_keys"`
	// Extra request headers.
	Headers map[string]Secret `yaml:"headers"`
	// Extra query parameters, such as api-version.
	Query map[string]Secret `yaml:"query"`
	// Who runs the machines: api, managed, serverless, kubernetes or self.
	Hosting Hosting `yaml:"hosting"`
	// Whether bytes sent there stay within your own perimeter.
	Inside bool `yaml:"inside" jsonschema:"default=false"`
	// Where bytes are processed, such as eu-central-1.
	Region string `yaml:"region"`
	// Whose law binds the operator, such as EU or US. Absent means unknown, and unknown fails closed.
	Jurisdiction string `yaml:"jurisdiction"`
	// What the contract with the operator says, for data classes that demand it.
	Contract Contract `yaml:"contract"`
	// Networks (CIDR) to which its host name may resolve; anything else is refused before a byte is sent.
	Networks []netip.Prefix `yaml:"networks"`
	// Certificates for the connection to the provider.
	TLS *ClientTLS `yaml:"tls"`
	// Egress proxy, such as http://proxy.internal:3128; credentials in it by reference.
	Proxy Secret `yaml:"proxy"`
	// Time limits of an attempt at this provider.
	Timeouts Timeouts `yaml:"timeouts"`
	// Requests at this provider at once; 0 means no limit of ours.
	MaxConcurrency int `yaml:"max_concurrency" jsonschema:"minimum=0,default=0"`
	// Requests that may wait for a place at this provider before the next deployment is asked.
	Queue int `yaml:"queue" jsonschema:"minimum=0,default=0"`
	// Longest wait in that queue. Absent: timeouts.first_token; but a sixth of what 95 % of its answers take where another deployment could answer instead, and for workloads with an SLO.
	QueueWait time.Duration `yaml:"queue_wait"`
	// Active health probe.
	Probe Probe `yaml:"probe"`
	// OpenAI paths that are relayed raw to this provider, metered as unpriced.
	Relay []RelayPath `yaml:"relay"`
	// max_tokens put into a request that has none where the provider's API requires it.
	DefaultMaxTokens int `yaml:"default_max_tokens" jsonschema:"minimum=1"`
	// Beginnings of model names that this provider owns, for unknown_models: relay. The longest match wins.
	Owns []string `yaml:"owns"`

	// How inputs of embedding requests are split into requests that the provider takes.
	Batches Batches `yaml:"batches"`

	EngineOptions `yaml:",inline"`

	// Continuation and NeedsKey are the preset's word; there is no key for them.
	Continuation Continuation `yaml:"-"`
	NeedsKey     bool         `yaml:"-"`
}

// Keys are the credentials, in the order of rotation: api_keys, or the one api_key.
func (p *Provider) Keys() []Secret {
	if len(p.APIKeys) > 0 {
		return p.APIKeys
	}
	if p.APIKey.IsSet() {
		return []Secret{p.APIKey}
	}
	return nil
}

// Secrets are the texts that must not be shown to anybody, whatever a provider
// answers: its keys, and what headers, query and proxy hold by reference or
// under names that are not known to be harmless.
func (p *Provider) Secrets() []string {
	var out []string
	for _, k := range p.Keys() {
		out = append(out, k.Reveal())
	}
	for where, group := range map[string]map[string]Secret{"headers": p.Headers, "query": p.Query} {
		for name, v := range group {
			if v.Reference() != "" || !shown([]string{where, name}, v.Reveal()) {
				out = append(out, v.Reveal())
			}
		}
	}
	if u, err := url.Parse(p.Proxy.Reveal()); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			out = append(out, password)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Local reports whether freehold itself runs the provider's process.
func (p *Provider) Local() bool { return p.Engine != "" }

func (p *Provider) defaults() { p.Probe.defaults() }

// Batches are the limits of one embedding request at a provider. What is longer
// is sent in several, and the answer is put together again.
type Batches struct {
	// Most inputs in one request; absent takes the preset's word.
	Inputs int `yaml:"inputs" jsonschema:"minimum=1"`
	// Most tokens in one request, of all inputs together, each counted at its most (a byte of text is a token at most); absent takes the preset's word.
	Tokens int `yaml:"tokens" jsonschema:"minimum=1"`
	// The server refuses an input that is too long, although servers of its preset may cut it without a word (text-embeddings-inference with --auto-truncate false).
	Refuses bool `yaml:"refuses" jsonschema:"default=false"`
	// Requests of one client's request that are under way at once.
	Parallel int `yaml:"parallel" jsonschema:"minimum=1,default=4"`
}

func (b *Batches) defaults() { b.Parallel = 4 }

// EngineOptions are the keys of a provider with an engine.
type EngineOptions struct {
	// Engine only: its program; absent looks on PATH, then in the managed environment.
	Path Path `yaml:"path"`
	// Engine only: directory for weights and the managed environment.
	CacheDir Path `yaml:"cache_dir"`
	// Engine only: loopback port; 0 takes a free one.
	Port int `yaml:"port" jsonschema:"minimum=0,maximum=65535,default=0"`
	// Engine only: threads; 0 takes one less than there are cores.
	Threads int `yaml:"threads" jsonschema:"minimum=0,default=0"`
	// Engine only: context length in tokens of one slot; 0 takes what the model was trained for.
	Context int `yaml:"context" jsonschema:"minimum=0,default=0"`
	// Engine only: requests decoded at once.
	Parallel int `yaml:"parallel" jsonschema:"minimum=0,default=0"`
	// Engine only: layers put on the GPU; -1 puts all.
	GPULayers int `yaml:"gpu_layers" jsonschema:"minimum=-1,default=0"`
	// Engine only: serve embeddings; such a process does not generate.
	Embedding bool `yaml:"embedding" jsonschema:"default=false"`
	// Engine only: how the vectors of tokens become that of a text: mean, cls (the first token's) or last; absent takes what the weights say, else mean.
	Pooling Pooling `yaml:"pooling"`
}

// ClientTLS is how freehold trusts a provider and shows itself to it.
type ClientTLS struct {
	// PEM file with the authorities to trust instead of the system's.
	CA Path `yaml:"ca"`
	// PEM file with our certificate, for mutual TLS.
	Cert Path `yaml:"cert"`
	// PEM file with our private key.
	Key Path `yaml:"key"`
	// Name to expect in the provider's certificate instead of the host's.
	ServerName string `yaml:"server_name"`
}

// Probe is the active health check of a provider.
type Probe struct {
	// Whether the provider is probed at all.
	Enabled bool `yaml:"enabled" jsonschema:"default=true"`
	// Path to get, from the base URL's host; absent takes the preset's.
	Path string `yaml:"path"`
	// Pause between probes.
	Every time.Duration `yaml:"every" jsonschema:"default=15s"`
	// Time a probe may take.
	Timeout time.Duration `yaml:"timeout" jsonschema:"default=3s"`
	// Probes in a row that must fail before the provider counts as down.
	Failures int `yaml:"failures" jsonschema:"minimum=1,default=3"`
	// Probes in a row that must succeed before it counts as up again.
	Successes int `yaml:"successes" jsonschema:"minimum=1,default=2"`
}

func (p *Probe) defaults() {
	*p = Probe{Enabled: true, Every: 15 * time.Second, Timeout: 3 * time.Second, Failures: 3, Successes: 2}
}
