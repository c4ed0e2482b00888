package catalog

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"freehold/internal/dialect"
	"freehold/internal/llm"
)

// Model is what is known of one set of weights, wherever it is served.
type Model struct {
	Name string `json:"name"` // ours; for a family rule, the family's
	// Aliases are other names of the same weights, compared as Key does.
	Aliases []string `json:"aliases"`
	// Match makes the entry a family rule: it holds for every id whose Key
	// matches and that no entry names. Only what the whole family shares is set.
	Match string `json:"match"`

	Openness string `json:"openness"` // open | proprietary | proprietary-tuned
	Licence  string `json:"licence"`
	Vendor   string `json:"vendor"`
	// Context and MaxOutput are in tokens; 0: unknown.
	Context   int64 `json:"context"`
	MaxOutput int64 `json:"max_output"`
	// ImageTokens is the most that one image counts; 0: unknown.
	ImageTokens int64 `json:"image_tokens"`
	// Dimensions is how many numbers a vector has; 0: unknown. Shortest is the
	// fewest that the model was trained to be shortened to (Matryoshka); 0: it was
	// not, as far as is known.
	Dimensions int64 `json:"dimensions"`
	Shortest   int64 `json:"shortest"`
	// Features: tools, images, json_schema, reasoning, embeddings.
	Features []string `json:"features"`
	// Continuation overrides the preset's; empty: no override.
	Continuation dialect.ContinueMethod `json:"continuation"`
	Deprecated   string                 `json:"deprecated"` // date of retirement at the vendor
	Notes        string                 `json:"notes"`
	// Source names an entry of the file's sources.
	Source string `json:"source"`
	// Sources is that entry: where the facts were read, and when.
	Sources []Attribution `json:"-"`

	match *regexp.Regexp
}

// Family reports whether m is a family rule rather than one set of weights.
func (m Model) Family() bool { return m.Match != "" }

// Has reports whether the model is known to have a feature.
func (m Model) Has(feature string) bool { return slices.Contains(m.Features, feature) }

// opennesses are the words of the configuration.
var opennesses = []string{"open", "proprietary", "proprietary-tuned"}

type models struct {
	byKey    map[string]*Model
	names    []string
	families []*Model
}

func readModels(files []source) (*models, error) {
	named := map[string]*Model{}
	var families []*Model
	for _, f := range files {
		var doc struct {
			Sources map[string][]Attribution `json:"sources"`
			Models  []*Model                 `json:"models"`
		}
		if err := json.Unmarshal(f.text, &doc, json.RejectUnknownMembers(true)); err != nil {
			return nil, fmt.Errorf("catalog: models of %s: %w", f.name, err)
		}
		var own []*Model
		for _, m := range doc.Models {
			m.Sources = doc.Sources[m.Source]
			if err := m.compile(); err != nil {
				return nil, fmt.Errorf("catalog: model %q of %s: %w", m.Name, f.name, err)
			}
			if m.Family() {
				own = append(own, m)
			} else {
				named[m.Name] = m
			}
		}
		families = append(own, families...) // a later file comes first
	}
	out := &models{byKey: map[string]*Model{}, names: slices.Sorted(maps.Keys(named)), families: families}
	for _, name := range out.names {
		m := named[name]
		for _, alias := range append([]string{name}, m.Aliases...) {
			k := Key(alias)
			if other := out.byKey[k]; other != nil && other != m {
				return nil, fmt.Errorf("catalog: models %q and %q both have the name %q", other.Name, m.Name, alias)
			}
			out.byKey[k] = m
		}
	}
	return out, nil
}

func (m *Model) compile() error {
	var errs []error
	if m.Name == "" {
		errs = append(errs, errors.New("no name"))
	}
	if !slices.Contains(opennesses, m.Openness) {
		errs = append(errs, fmt.Errorf("openness is %q; want one of %s", m.Openness, strings.Join(opennesses, ", ")))
	}
	switch m.Continuation {
	case "", dialect.Prefill, dialect.PrefillEcho, dialect.Instruct, dialect.ContinueNone:
	default:
		errs = append(errs, fmt.Errorf("continuation is %q", m.Continuation))
	}
	if len(m.Sources) == 0 {
		errs = append(errs, fmt.Errorf("source %q is not among the file's sources", m.Source))
	}
	if m.Match != "" {
		var err error
		if m.match, err = regexp.Compile(m.Match); err != nil {
			errs = append(errs, fmt.Errorf("match: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Model finds the facts for a name of ours or a provider's model id: by its
// exact key, then without the marks that providers add to the same weights
// (-instruct, -turbo, -fp8, dates), then by family rule.
func (c *Catalog) Model(id string) (Model, bool) {
	k := Key(id)
	for short := k; short != ""; short = trimMark(short) {
		if m := c.models.byKey[short]; m != nil {
			return *m, true
		}
	}
	for _, m := range c.models.families {
		if m.match.MatchString(k) {
			return *m, true
		}
	}
	return Model{}, false
}

// ModelNames lists our names of the known models, sorted; family rules are not
// among them.
func (c *Catalog) ModelNames() []string { return slices.Clone(c.models.names) }

// Openness is that of the model if it is known, else the preset's default,
// else "proprietary": the lower class, where nothing is known.
func (c *Catalog) Openness(preset, id string) string {
	if m, ok := c.Model(id); ok {
		return m.Openness
	}
	if p := c.preset(preset); p != nil {
		return p.Openness
	}
	return "proprietary"
}

// Continuation says how an answer of this model at this provider is continued
// after a cut. A provider that cannot at all decides; then the model's
// override; then the provider's default. An unknown provider cannot.
func (c *Catalog) Continuation(preset, id string) dialect.ContinueMethod {
	p := c.preset(preset)
	if p == nil || p.Continuation == dialect.ContinueNone {
		return dialect.ContinueNone
	}
	if m, ok := c.Model(id); ok && m.Continuation != "" {
		return m.Continuation
	}
	return p.Continuation
}

// Lacks are the features that a model does not have at a provider: what the
// provider has for no model, and images, where the weights are known to take
// text only. What is not known to be lacking is not in it.
func (c *Catalog) Lacks(preset, id string) llm.Features {
	var out llm.Features
	if p := c.preset(preset); p != nil {
		out = p.lacks
	}
	if m, ok := c.Model(id); ok && !m.Family() && !m.Has("images") {
		out |= llm.FeatureImages
	}
	return out
}

// EngineLacks are the features that no model has at an engine of this preset
// that freehold runs itself, beside what Lacks says.
func (c *Catalog) EngineLacks(preset string) llm.Features {
	if p := c.preset(preset); p != nil {
		return p.engineLacks
	}
	return 0
}

// Key folds the spellings of a model id: lower case, without the
// organisation's path, with every run of separators as one dash, and
// Fireworks' "3p1" as "3-1". So Qwen/Qwen2.5-72B, qwen2_5-72b and
// accounts/fireworks/models/qwen2p5-72b have one key.
func Key(id string) string {
	id = strings.ToLower(id)
	id = id[strings.LastIndexByte(id, '/')+1:]
	id = separators.ReplaceAllString(id, "-")
	id = pointVersion.ReplaceAllStringFunc(id, func(v string) string { return v[:1] + strings.ReplaceAll(v[1:], "p", "-") })
	return strings.Trim(id, "-")
}

var (
	separators   = regexp.MustCompile(`[-_.:@ ]+`)
	pointVersion = regexp.MustCompile(`[-a-z]\d+(p\d+)+`)
	marks        = regexp.MustCompile(`-(instruct|it|hf|turbo|lite|fast|free|latest|fp8|fp4|nvfp4|mxfp4|bf16|awq|gptq|int4|int8|gguf|q\d[a-z0-9-]*|reference|maas|20\d{6}|20\d\d-\d\d-\d\d)$`)
)

// trimMark drops the last mark of a key; the result is empty when there is none.
func trimMark(key string) string {
	if loc := marks.FindStringIndex(key); loc != nil && loc[0] > 0 {
		return key[:loc[0]]
	}
	return ""
}
