package config

import (
	"net/netip"
	"time"

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
	// A detector over HTTP, in place of kinds and patterns. It sees the text of every request that this detector looks at, so it must be inside.
	External *External `yaml:"external"`
	// On a hit: tighten (add data classes), redact (replace what was found by placeholders such as [EMAIL_1], and put it back in the answer) or block (403).
	OnHit OnHit `yaml:"on_hit" jsonschema:"required"`
	// Data class that a hit adds, or several; for on_hit: tighten.
	Class Names `yaml:"class"`
	// The only workloads whose requests are looked at. Absent means every request, those that name a model or take a raw path too.
	Workloads []string `yaml:"workloads"`
}

// External is a detector over HTTP.
type External struct {
	// Address that texts are posted to, such as https://pii.internal/detect.
	URL string `yaml:"url" jsonschema:"required"`
	// What it speaks: freehold (docs/perimeter.md) or presidio, Microsoft Presidio's analyzer (its address ends in /analyze).
	Protocol DetectorProtocol `yaml:"protocol" jsonschema:"default=freehold"`
	// Says that it stands within your own perimeter; nothing else is asked.
	Inside bool `yaml:"inside" jsonschema:"default=false"`
	// Networks (CIDR) to which its host name may resolve; anything else is refused before a byte is sent.
	Networks []netip.Prefix `yaml:"networks"`
	// Certificates for the connection.
	TLS *ClientTLS `yaml:"tls"`
	// Credential, sent as Authorization: Bearer; by reference.
	APIKey Secret `yaml:"api_key"`
	// What counts of what it finds, such as person; absent: all. PERSON and US_SSN are written person and us-ssn.
	Kinds []string `yaml:"kinds"`
	// Score below which a finding does not count, 0 to 1.
	MinScore float64 `yaml:"min_score" jsonschema:"minimum=0,maximum=1,default=0"`
	// Language of the texts, which presidio needs.
	Language string `yaml:"language" jsonschema:"default=en"`
	// Time a request may wait for it. Without an answer by then the request is handled as if something was found.
	Timeout time.Duration `yaml:"timeout" jsonschema:"default=1s"`
	// Calls at once; others wait, within the timeout.
	MaxConcurrency int `yaml:"max_concurrency" jsonschema:"minimum=1,default=16"`
	// Text of one request that is sent at most; more counts as no answer.
	MaxText Size `yaml:"max_text" jsonschema:"default=1MiB"`
}

func (e *External) defaults() {
	*e = External{Protocol: ProtocolFreehold, Language: "en", Timeout: time.Second, MaxConcurrency: 16, MaxText: 1 << 20}
}

// DetectorProtocol is what an external detector speaks.
type DetectorProtocol string

// Values of detectors.NAME.external.protocol.
const (
	ProtocolFreehold DetectorProtocol = "freehold"
	ProtocolPresidio DetectorProtocol = "presidio"
)

func (DetectorProtocol) values() []string { return []string{"freehold", "presidio"} }

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
