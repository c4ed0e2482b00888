package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"freehold/internal/dialect"
	"freehold/internal/llm"
)

// Preset is what is known of one provider. Unknown facts are empty, and
// whoever decides by them must fail closed.
type Preset struct {
	Name  string `yaml:"-"`
	Title string `yaml:"title"`
	// Dialect of the wire: "openai" or "anthropic".
	Dialect string `yaml:"dialect"`
	// BaseURL is what Paths are appended to, without a trailing slash, as the
	// vendor's SDK would take it. It may hold {placeholders} (see Placeholders);
	// empty means the configuration must give it.
	BaseURL string `yaml:"base_url"`
	// Auth is how a key travels: "bearer" (Authorization: Bearer KEY),
	// "x-api-key" or "api-key" (the header of that name).
	Auth string `yaml:"auth"`
	// KeyOptional: the provider may run without a key.
	KeyOptional bool `yaml:"key_optional"`
	// KeyEnv are the environment variables where a key is usually found, the
	// vendor's own first.
	KeyEnv []string `yaml:"key_env"`
	// Headers are sent with every request (anthropic-version).
	Headers map[string]string `yaml:"headers"`
	// Query is added to every request (Azure's api-version).
	Query map[string]string `yaml:"query"`
	// Paths by operation. {model} stands for the provider's model id,
	// path-escaped. An operation that is absent is not offered.
	Paths map[llm.Operation]string `yaml:"paths"`
	// Models is the path of the provider's own list of models.
	Models string `yaml:"models"`
	Probe  Probe  `yaml:"probe"`

	Hosting      string `yaml:"hosting"`      // api | managed | serverless | kubernetes | self
	Region       string `yaml:"region"`       // where bytes are processed; empty: unknown
	Jurisdiction string `yaml:"jurisdiction"` // whose law binds the operator; empty: unknown
	Openness     string `yaml:"openness"`     // of models that the catalog does not know: open | proprietary | proprietary-tuned

	// Owns are the beginnings of this vendor's own model names.
	Owns   []string     `yaml:"owns"`
	Prices PriceMapping `yaml:"prices"`
	// Continuation is how an answer that was cut is continued here, unless the
	// model says otherwise (Catalog.Continuation).
	Continuation dialect.ContinueMethod `yaml:"continuation"`
	// Lacks names features (of llm.Features) that no model has here and that
	// the codec cannot see for itself.
	Lacks []string `yaml:"lacks"`
	// EngineLacks names what no model has either where freehold runs the server.
	EngineLacks []string      `yaml:"engine_lacks"`
	Embedding   Embedding     `yaml:"embedding"`
	Quirks      Quirks        `yaml:"quirks"`
	Notes       string        `yaml:"notes"`
	Source      []Attribution `yaml:"source"`

	lacks, engineLacks llm.Features
}

// Embedding is what a provider makes of requests for embeddings.
type Embedding struct {
	// MaxInputs and MaxTokens are the most in one request, of all inputs
	// together; 0: no limit is known.
	MaxInputs int   `yaml:"max_inputs"`
	MaxTokens int64 `yaml:"max_tokens"`
	// Cuts: an input that is too long may be cut without a word.
	Cuts bool `yaml:"cuts"`
	// NoTokens: inputs are texts only.
	NoTokens bool `yaml:"no_tokens"`
	// Dimensions is what becomes of the parameter: empty: the provider takes or
	// refuses it as the model is made; "any": it shortens vectors of any model,
	// be it made for it or not; "none": it does not know the parameter.
	Dimensions string `yaml:"dimensions"`
}

// Values of Embedding.Dimensions.
const (
	DimensionsAny  = "any"
	DimensionsNone = "none"
)

// Probe is a cheap request that says whether the provider is alive.
type Probe struct {
	Path string `yaml:"path"`
	// Root: Path is appended to the base URL without its trailing /v1 (a
	// server's /health), not to the base URL.
	Root bool `yaml:"root"`
	// Auth: the probe needs the key, so it also tests the key.
	Auth bool `yaml:"auth"`
}

// PriceMapping says which rows of a price list are this provider's.
type PriceMapping struct {
	Prefixes  []string `yaml:"prefixes"`  // row name = prefix + model id
	Providers []string `yaml:"providers"` // the row's litellm_provider must be one of these
}

// Attribution is where facts were read, and when.
type Attribution struct {
	URL  string `yaml:"url" json:"url"`
	Date string `yaml:"date" json:"date"` // YYYY-MM
}

// Quirks are a provider's departures from its dialect: those that its codec
// acts on, and facts for others.
type Quirks struct {
	dialect.Quirks `yaml:",inline"`
	// InlineImagesOnly: images must be in the request, not behind a URL.
	InlineImagesOnly bool `yaml:"inline_images_only"`
	// Ignored parameters are accepted and have no effect, which does no harm.
	Ignored []string `yaml:"ignored"`
	// Extra parameters are accepted beyond the dialect (top_k).
	Extra []string `yaml:"extra"`
	// DefaultContext is the context window in tokens that the server silently
	// truncates to unless it was configured otherwise; 0 if it does not.
	DefaultContext int64 `yaml:"default_context"`
	// Models are additions by model id; all that match hold.
	Models []ModelQuirks `yaml:"models"`
}

// ModelQuirks are added for model ids that match.
type ModelQuirks struct {
	Match            string   `yaml:"match"`
	MaxTokensField   string   `yaml:"max_tokens_field"`
	NativeSchema     bool     `yaml:"native_schema"`
	AdaptiveThinking bool     `yaml:"adaptive_thinking"`
	Unsupported      []string `yaml:"unsupported"`

	match *regexp.Regexp
}

// For returns the quirks that the codec is to respect for one model id of the
// provider.
func (q Quirks) For(id string) dialect.Quirks {
	out := q.Quirks
	if q.InlineImagesOnly {
		out.Unsupported = slices.Concat(out.Unsupported, []string{"image_url"})
	}
	for _, m := range q.Models {
		if !m.match.MatchString(id) {
			continue
		}
		if m.MaxTokensField != "" {
			out.MaxTokensField = m.MaxTokensField
		}
		out.NativeSchema = out.NativeSchema || m.NativeSchema
		out.AdaptiveThinking = out.AdaptiveThinking || m.AdaptiveThinking
		out.Unsupported = slices.Concat(out.Unsupported, m.Unsupported)
	}
	return out
}

// OwnsModel reports whether this vendor owns a model name.
func (p *Preset) OwnsModel(name string) bool {
	return slices.ContainsFunc(p.Owns, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// ProbeURL is where to probe a provider whose base URL is base (BaseURL, or
// the configuration's own).
func (p *Preset) ProbeURL(base string) string {
	base = strings.TrimSuffix(base, "/")
	if p.Probe.Root {
		base = strings.TrimSuffix(base, "/v1")
	}
	return base + p.Probe.Path
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// Placeholders lists what must be filled into BaseURL, in order.
func (p *Preset) Placeholders() []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(p.BaseURL, -1) {
		out = append(out, m[1])
	}
	return out
}

func decodePreset(name string, text []byte) (*Preset, error) {
	p := &Preset{Name: name}
	if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
		return nil, err
	}
	return p, p.compile()
}

// compile validates p and prepares its patterns.
func (p *Preset) compile() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	oneOf := func(key, v string, allowed ...string) {
		if !slices.Contains(allowed, v) {
			bad("%s is %q; want one of %s", key, v, strings.Join(allowed, ", "))
		}
	}
	oneOf("dialect", p.Dialect, "openai", "anthropic", "cohere")
	oneOf("embedding.dimensions", p.Embedding.Dimensions, "", DimensionsAny, DimensionsNone)
	oneOf("auth", p.Auth, "bearer", "x-api-key", "api-key")
	oneOf("hosting", p.Hosting, "api", "managed", "serverless", "kubernetes", "self")
	oneOf("openness", p.Openness, opennesses...)
	oneOf("continuation", string(p.Continuation), "prefill", "prefill-echo", "instruct", "none")
	oneOf("quirks.tool_required", p.Quirks.ToolRequired, "required", "any", "")
	oneOf("quirks.seed_field", p.Quirks.SeedField, "seed", "random_seed", "")
	oneOf("quirks.reasoning_field", p.Quirks.ReasoningField, "reasoning", "reasoning_content", "")
	oneOf("quirks.max_tokens_field", p.Quirks.MaxTokensField, "max_tokens", "max_completion_tokens", "")
	oneOf("quirks.prefill_style", p.Quirks.PrefillStyle, "prefix", "continue_final_message", "")
	if u, err := url.Parse(placeholder.ReplaceAllString(p.BaseURL, "x")); err != nil {
		bad("base_url: %w", err)
	} else if p.BaseURL != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "") || strings.HasSuffix(p.BaseURL, "/") {
		bad("base_url %q: want http(s)://host/path without a trailing slash", p.BaseURL)
	}
	if p.Paths[llm.Chat] == "" && p.Paths[llm.Embedding] == "" {
		bad("paths: neither chat nor embedding")
	}
	for op, path := range p.Paths {
		oneOf("paths", string(op), string(llm.Chat), string(llm.Completion), string(llm.Embedding), string(llm.CountTokens))
		if !strings.HasPrefix(path, "/") {
			bad("paths.%s %q: want a leading slash", op, path)
		}
	}
	features := func(key string, names []string) (out llm.Features) {
		for _, name := range names {
			f, ok := feature(name)
			if !ok {
				bad("%s: there is no feature %q", key, name)
			}
			out |= f
		}
		return out
	}
	p.lacks, p.engineLacks = features("lacks", p.Lacks), features("engine_lacks", p.EngineLacks)
	if len(p.Source) == 0 {
		bad("source: every preset says where its facts were read")
	}
	for i := range p.Quirks.Models {
		m := &p.Quirks.Models[i]
		var err error
		if m.match, err = regexp.Compile(m.Match); err != nil {
			bad("quirks.models[%d].match: %w", i, err)
		} else if m.Match == "" {
			bad("quirks.models[%d]: no match", i)
		}
	}
	return errors.Join(errs...)
}

// feature finds a feature by its stable name.
func feature(name string) (llm.Features, bool) {
	for bit := llm.Features(1); bit != 0; bit <<= 1 {
		if names := bit.Names(); len(names) == 1 && names[0] == name {
			return bit, true
		}
	}
	return 0, false
}
