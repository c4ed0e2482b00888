package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// redacted stands wherever a secret would.
const redacted = "[secret]"

// Secret is a text that no way of printing shows: fmt verbs, JSON, YAML and
// slog all give "[secret]", or the reference it came from. Reveal is the one
// way to the text.
type Secret struct {
	// value is behind a pointer: fmt prints unexported fields of foreign
	// structs, and %p, without asking any method, and then shows an address.
	value *string
	ref   string // as written where it holds ${...}
}

// NewSecret makes a secret that came from somewhere else than the file.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal gives the text itself, for the one place that sends it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a secret at all.
func (s Secret) IsSet() bool { return s.Reveal() != "" || s.ref != "" }

// Reference is how the file names the secret (${env:KEY}); empty where the
// file holds the secret itself.
func (s Secret) Reference() string { return s.ref }

// String is the reference, else "[secret]"; empty where nothing is set.
func (s Secret) String() string {
	switch {
	case s.ref != "":
		return s.ref
	case s.Reveal() != "":
		return redacted
	}
	return ""
}

// GoString redacts %#v.
func (s Secret) GoString() string { return "config.Secret(" + s.String() + ")" }

// Format redacts every verb, also those that would reach the fields.
func (s Secret) Format(f fmt.State, verb rune) {
	out := s.String()
	switch {
	case verb == 'v' && f.Flag('#'):
		out = s.GoString()
	case verb == 'q':
		out = fmt.Sprintf("%q", out)
	case verb != 'v' && verb != 's':
		out = redacted
	}
	_, _ = f.Write([]byte(out)) // fmt.State keeps its own error
}

// MarshalJSON redacts.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText redacts, also as a key of a map.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML redacts.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue redacts.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Equal compares the texts and references; == does not.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() && s.ref == o.ref }
