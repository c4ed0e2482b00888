package config

import (
	"freehold/internal/detect"
)

// Detector looks for personal data, secrets or patterns of your own in the text
// of requests before any of it leaves.
type Detector struct {
	// Name is the key under detectors. It is in errors, ledger rows and metrics; what was found never is.
	Name string `yaml:"-"`
	// What to look for: a kind such as email, phone, iban, card, or a group of kinds: national-id, secret. opaque is what cannot be read: images, sound, documents, token ids.
	Kinds []DetectorKind `yaml:"kinds"`
	// Patterns of your own by name, regular expressions in RE2's syntax.
	Patterns map[string]string `yaml:"patterns"`
	// On a hit: tighten (add data classes), redact (replace what was found by placeholders such as [EMAIL_1], and put it back in the answer) or block (403).
	OnHit OnHit `yaml:"on_hit" jsonschema:"required"`
	// Data class that a hit adds, or several; for on_hit: tighten.
	Class Names `yaml:"class"`
	// The only workloads whose requests are looked at. Absent means every request, those that name a model or take a raw path too.
	Workloads []string `yaml:"workloads"`
}

// DetectorKind is something that a detector looks for.
type DetectorKind string

// KindOpaque is what no detector can read.
const KindOpaque DetectorKind = "opaque"

func (DetectorKind) values() []string {
	return append(append(detect.Groups(), string(KindOpaque)), detect.Kinds()...)
}

// OnHit is what becomes of a request in which a detector found something.
type OnHit string

// Values of detectors.on_hit.
const (
	HitTighten OnHit = "tighten"
	HitRedact  OnHit = "redact"
	HitBlock   OnHit = "block"
)

func (OnHit) values() []string { return []string{"tighten", "redact", "block"} }
