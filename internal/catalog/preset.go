package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
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
	Auth    Auth   `yaml:"auth"`
	// Headers are sent with every request (anthropic-version).
	Headers map[string]string `yaml:"headers"`
	// Query is added to every request (Azure's api-version).
	Query map[string]string `yaml:"query"`
	// Paths by operation: chat, messages, completions, embeddings, models,
	// count_tokens. {model} stands for the provider's model id, path-escaped.
	// An operation that is absent is not offered.
	Paths map[string]string `yaml:"paths"`
	Probe Probe             `yaml:"probe"`
	// KeyEnv are the environment variables where a key is usually found.
	KeyEnv []string `yaml:"key_env"`

	Hosting      string `yaml:"hosting"`      // api | managed | serverless | kubernetes | self
	Region       string `yaml:"region"`       // where bytes are processed; empty: unknown
	Jurisdiction string `yaml:"jurisdiction"` // whose law binds the operator; empty: unknown
	Openness     string `yaml:"openness"`     // of models that the catalog does not know: open | proprietary | proprietary-tuned

	// Owns is a regular expression for model names of this vendor's own.
	Owns         string        `yaml:"owns"`
	Prices       PriceMapping  `yaml:"prices"`
	Continuation Continuation  `yaml:"continuation"`
	Quirks       Quirks        `yaml:"quirks"`
	Notes        string        `yaml:"notes"`
	Source       []Attribution `yaml:"source"`

	owns *regexp.Regexp
}

// Auth is how a key travels. Header is the header's name; Scheme, if any,
// comes before the key ("Bearer"). An empty Header means no key is sent.
type Auth struct {
	Header   string `yaml:"header"`
	Scheme   string `yaml:"scheme"`
	Optional bool   `yaml:"optional"` // the provider may run without a key
}

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

// Continuation is how an answer that was cut is continued from the text sent.
type Continuation string

// Ways to continue.
const (
	// Prefill: the text goes as a last assistant message, the answer is the rest.
	Prefill Continuation = "prefill"
	// PrefillEcho: as Prefill, but the answer repeats the text first.
	PrefillEcho Continuation = "prefill-echo"
	// Instruct: a user message asks to continue exactly where the text ends.
	Instruct Continuation = "instruct"
	// NoContinuation: a cut answer cannot be continued here.
	NoContinuation Continuation = "none"
)

// Quirks are a provider's deviations from its dialect, as data for the codec.
type Quirks struct {
	// MaxTokensField is the request's name for the output limit.
	MaxTokensField string `yaml:"max_tokens_field"`
	// DefaultMaxTokens is sent where the dialect requires a limit and the
	// client gave none (Anthropic).
	DefaultMaxTokens int `yaml:"default_max_tokens"`
	// StreamOptions: stream_options.include_usage is understood.
	StreamOptions bool `yaml:"stream_options"`
	// ReasoningField is the response's name for reasoning text: "reasoning",
	// "reasoning_content", or empty if there is none.
	ReasoningField string `yaml:"reasoning_field"`
	// ToolChoiceRequired is the spelling of "must call a tool": "required",
	// "any", or empty if it is not honoured.
	ToolChoiceRequired string `yaml:"tool_choice_required"`
	// SeedField is "seed", "random_seed", or empty if seeds are not honoured.
	SeedField string `yaml:"seed_field"`
	// DeveloperRole: messages may have the role "developer".
	DeveloperRole bool `yaml:"developer_role"`
	// ImageURLs: images may be given by https URL, not only inline.
	ImageURLs bool `yaml:"image_urls"`
	// JSONSchema: response_format json_schema is enforced.
	JSONSchema bool `yaml:"json_schema"`
	// Suffix: /completions takes suffix (fill in the middle).
	Suffix  bool        `yaml:"suffix"`
	Prefill PrefillMark `yaml:"prefill"`
	// Unsupported parameters are refused by the provider (or must not be sent);
	// Ignored ones are accepted and have no effect. A dot leads into an object
	// ("messages.name").
	Unsupported []string `yaml:"unsupported"`
	Ignored     []string `yaml:"ignored"`
	// Extra parameters are accepted beyond the dialect (top_k).
	Extra []string `yaml:"extra"`
	// DefaultContext is the context window in tokens that the server silently
	// truncates to unless it was configured otherwise; 0 if it does not.
	DefaultContext int `yaml:"default_context"`
	// Models are exceptions by model id; the first that matches is laid over
	// the quirks above.
	Models []ModelQuirks `yaml:"models"`
}

// PrefillMark says what marks a last assistant message as one to continue.
type PrefillMark struct {
	Message map[string]any `yaml:"message"` // members set on that message (prefix: true)
	Body    map[string]any `yaml:"body"`    // members set on the request (continue_final_message: true)
}

// ModelQuirks replaces quirks for model ids that match.
type ModelQuirks struct {
	Match          string   `yaml:"match"`
	MaxTokensField string   `yaml:"max_tokens_field"`
	Unsupported    []string `yaml:"unsupported"` // in addition

	match *regexp.Regexp
}

// For returns the quirks that hold for one model id of the provider.
func (q Quirks) For(id string) Quirks {
	for _, m := range q.Models {
		if m.match == nil || !m.match.MatchString(id) {
			continue
		}
		if m.MaxTokensField != "" {
			q.MaxTokensField = m.MaxTokensField
		}
		q.Unsupported = slices.Concat(q.Unsupported, m.Unsupported)
		break
	}
	q.Models = nil
	return q
}

// OwnsModel reports whether this vendor owns a model name.
func (p *Preset) OwnsModel(name string) bool { return p.owns != nil && p.owns.MatchString(name) }

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// Placeholders lists what must be filled into BaseURL, in order.
func (p *Preset) Placeholders() []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(p.BaseURL, -1) {
		out = append(out, m[1])
	}
	return out
}

// operations that a preset may have a path for.
var operations = []string{"chat", "messages", "completions", "embeddings", "models", "count_tokens"}

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
	oneOf("dialect", p.Dialect, "openai", "anthropic")
	oneOf("hosting", p.Hosting, "api", "managed", "serverless", "kubernetes", "self")
	oneOf("openness", p.Openness, opennesses...)
	oneOf("continuation", string(p.Continuation), string(Prefill), string(PrefillEcho), string(Instruct), string(NoContinuation))
	oneOf("quirks.tool_choice_required", p.Quirks.ToolChoiceRequired, "required", "any", "")
	oneOf("quirks.seed_field", p.Quirks.SeedField, "seed", "random_seed", "")
	oneOf("quirks.reasoning_field", p.Quirks.ReasoningField, "reasoning", "reasoning_content", "")
	oneOf("quirks.max_tokens_field", p.Quirks.MaxTokensField, "max_tokens", "max_completion_tokens")
	if u, err := url.Parse(placeholder.ReplaceAllString(p.BaseURL, "x")); err != nil {
		bad("base_url: %w", err)
	} else if p.BaseURL != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "") || strings.HasSuffix(p.BaseURL, "/") {
		bad("base_url %q: want http(s)://host/path without a trailing slash", p.BaseURL)
	}
	if p.Paths["chat"] == "" && p.Paths["messages"] == "" {
		bad("paths: neither chat nor messages")
	}
	for op, path := range p.Paths {
		oneOf("paths", op, operations...)
		if !strings.HasPrefix(path, "/") {
			bad("paths.%s %q: want a leading slash", op, path)
		}
	}
	if len(p.Source) == 0 {
		bad("source: every preset says where its facts were read")
	}
	var err error
	if p.Owns != "" {
		if p.owns, err = regexp.Compile(p.Owns); err != nil {
			bad("owns: %w", err)
		}
	}
	for i := range p.Quirks.Models {
		m := &p.Quirks.Models[i]
		if m.match, err = regexp.Compile(m.Match); err != nil {
			bad("quirks.models[%d].match: %w", i, err)
		} else if m.Match == "" {
			bad("quirks.models[%d]: no match", i)
		}
	}
	return errors.Join(errs...)
}
