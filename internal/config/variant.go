package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"freehold/internal/suggest"
	"freehold/internal/variant"
)

// Variant is how a workload's requests are put to one model.
type Variant struct {
	// Name is the key under variants: a model.
	Name string `yaml:"-"`
	// File with the system prompt for this model; read with the configuration, and again when it changes. At most 256 KiB.
	SystemFile Path `yaml:"system_file"`
	// The system prompt itself, in place of system_file.
	System string `yaml:"system"`
	// Where it stands beside the system prompt of the client: replace (the client's is left out), prepend or append.
	SystemMode SystemMode `yaml:"system_mode" jsonschema:"default=replace"`
	// Parameters that this model gets, in place of the client's: temperature, top_p, top_k, max_tokens (a smaller one of the client stays), stop, seed, frequency_penalty, presence_penalty, reasoning_effort, parallel_tool_calls.
	Params map[string]json.RawMessage `yaml:"params"`
	// Parameters of the client that this model does not get, by OpenAI's names; the header x-freehold-dropped names them.
	Strip []string `yaml:"strip"`

	made *variant.Variant
}

func (v *Variant) defaults() { v.SystemMode = SystemReplace }

// Made is the variant as the gateway applies it.
func (v *Variant) Made() *variant.Variant { return v.made }

// SystemMode says where a variant's system prompt stands.
type SystemMode string

// Values of workloads.NAME.variants.MODEL.system_mode.
const (
	SystemReplace SystemMode = SystemMode(variant.Replace)
	SystemPrepend SystemMode = SystemMode(variant.Prepend)
	SystemAppend  SystemMode = SystemMode(variant.Append)
)

func (SystemMode) values() []string { return []string{"replace", "prepend", "append"} }

// maxSystem bounds a system prompt.
const maxSystem = 256 << 10

func (c *checker) variants(w *Workload, at []string) {
	for _, name := range slices.Sorted(maps.Keys(w.Variants)) {
		where := append(slices.Clone(at), name)
		if c.told(where...) {
			continue
		}
		switch m := c.cfg.Models[name]; {
		case m == nil:
			hint := suggest.Hint(name, slices.Sorted(maps.Keys(c.cfg.Models)))
			if _, is := c.cfg.Workloads[name]; is {
				hint = "this is a workload; name a model"
			}
			c.rep.errorf(c.keyPos(where...), hint, "%s: unknown model %q", label(at), name)
			continue
		case m.Mode == ModeEmbedding:
			c.rep.errorf(c.keyPos(where...), "variants are for models that answer", "%s: %s makes embeddings", label(at), name)
			continue
		}
		c.variant(w.Variants[name], where)
	}
}

func (c *checker) variant(v *Variant, at []string) {
	key := func(names ...string) []string { return append(slices.Clone(at), names...) }
	spec := variant.Spec{System: v.System, Mode: variant.Mode(v.SystemMode), Params: v.Params, Strip: v.Strip}
	switch {
	case v.SystemFile != "" && v.System != "":
		c.rep.errorf(c.pos(key("system")...), "keep one of them", "%s has a system_file and a system prompt", label(at))
	case v.SystemFile != "":
		spec.File = c.beside(string(v.SystemFile))
		spec.System = c.systemFile(v.SystemFile, key("system_file"))
	case len(v.System) > maxSystem:
		c.rep.errorf(c.pos(key("system")...), "", "%s is larger than %d KiB", label(key("system")), maxSystem>>10)
	case v.System == "" && c.has(key("system_mode")...):
		c.rep.warnf(c.pos(key("system_mode")...), "add system_file: or system:", "%s has no system prompt", label(at))
	}
	if v.SystemFile == "" && v.System == "" && len(v.Params)+len(v.Strip) == 0 && !c.has(key("system_mode")...) {
		c.rep.warnf(c.keyPos(at...), "add system_file:, params: or strip:, or take it away", "%s changes nothing", label(at))
	}
	made, problems := variant.New(spec)
	for _, p := range problems {
		pos, known := c.pos(key(p.Key, p.Name)...), variant.Settable()
		if p.Key == "strip" {
			pos, known = c.pos(key("strip", fmt.Sprint(slices.Index(v.Strip, p.Name)))...), variant.Takeable()
		} else if e := c.entry(key(p.Key, p.Name)...); e != nil && !slices.Contains(known, p.Name) {
			pos = e.place()
		}
		hint := p.Hint
		if hint == "" && !slices.Contains(known, p.Name) {
			if hint = suggest.Hint(p.Name, known); hint == "" {
				hint = "one of " + strings.Join(known, ", ")
			}
		}
		c.rep.errorf(pos, hint, "%s: %s %s", label(key(p.Key)), p.Name, p.Message)
	}
	v.made = made
}

// systemFile reads a system prompt.
func (c *checker) systemFile(name Path, at []string) string {
	c.files[string(name)] = true
	if c.env.ReadFile == nil {
		return ""
	}
	text, err := c.env.ReadFile(string(name))
	bad := func(why, hint string) string {
		c.rep.errorf(c.pos(at...), hint, "%s: %s", name, why)
		return ""
	}
	switch {
	case err != nil:
		return bad(reason(err), "the file must exist and be readable for freehold's user")
	case len(text) > maxSystem:
		return bad(fmt.Sprintf("the system prompt is larger than %d KiB", maxSystem>>10), "")
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return bad("the file is not text", "save it as UTF-8")
	}
	text = bytes.TrimRight(bytes.TrimPrefix(text, []byte("\ufeff")), "\r\n")
	if len(bytes.TrimSpace(text)) == 0 {
		return bad("the file is empty", "write the system prompt into it")
	}
	return string(text)
}

// beside is a file's name as seen from the configuration, where it lies below.
func (c *checker) beside(name string) string {
	if rel, err := filepath.Rel(filepath.Dir(c.cfg.path), name); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return name
}

// Prompts tells of the system prompts that stand in files, one comment line each,
// with their versions: what the text of the configuration itself does not say.
// Empty where there are none.
func (c *Config) Prompts() string {
	var b strings.Builder
	for _, w := range slices.Sorted(maps.Keys(c.Workloads)) {
		all := c.Workloads[w].Variants
		for _, m := range slices.Sorted(maps.Keys(all)) {
			if v := all[m].made; v != nil && v.File != "" {
				fmt.Fprintf(&b, "# %s: version %s, %d bytes of %s\n", JoinPath("workloads", w, "variants", m), v.Version, len(v.System), v.File)
			}
		}
	}
	return b.String()
}

// Identity is all that makes this configuration: the text that was loaded, and
// which system prompts stood in the files that it names. As Source, it may hold
// secrets.
func (c *Config) Identity() []byte { return append(c.Source(), c.Prompts()...) }
