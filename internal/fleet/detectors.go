package fleet

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"freehold/internal/config"
	"freehold/internal/detect"
	"freehold/internal/detect/remote"
	"freehold/internal/policy"
	"freehold/internal/upstream"
)

// Detector says what becomes of a request in which it finds something.
type Detector struct {
	Name   string
	Action Action
	// Classes are added by Tighten.
	Classes []string
	// Opaque: what cannot be read is found too.
	Opaque bool
	// Remote is asked over HTTP; nil: it is the rule of the set.
	Remote *External
}

// External is a detector over HTTP.
type External struct {
	*remote.Detector
	// At is its address, to be shown.
	At string

	client   *upstream.Client
	identity string
}

// externals makes the detectors over HTTP.
func (b *builder) externals() error {
	for name, d := range b.Config.Detectors {
		if d.External == nil {
			continue
		}
		made, err := b.external(name, d.External)
		if err != nil {
			return fmt.Errorf("detectors.%s.external: %w", name, err)
		}
		b.fleet.Externals[name] = made
	}
	return nil
}

func (b *builder) external(name string, e *config.External) (*External, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil, errors.New("url is no URL") // it may hold a secret
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	u.Path, u.RawPath = "", ""
	place := policy.Place{Provider: "detector " + name, Inside: e.Inside}
	t := upstream.Target{
		Provider: place.Provider, BaseURL: u.String(), Networks: e.Networks, Auth: upstream.AuthBearer,
		Timeouts: upstream.Timeouts{Connect: e.Timeout, Head: e.Timeout, Idle: e.Timeout}, MaxIdle: e.MaxConcurrency,
	}
	if e.TLS != nil {
		t.TLS = upstream.TLSConfig{CAFile: b.file(e.TLS.CA), CertFile: b.file(e.TLS.Cert), KeyFile: b.file(e.TLS.Key), ServerName: e.TLS.ServerName}
	}
	secret := e.APIKey.Reveal()
	made := &External{At: e.URL, identity: identity(t, []string{secret, fmt.Sprint(path, e.Protocol, e.Kinds, e.MinScore, e.Language, e.Timeout, e.MaxConcurrency, e.MaxText)})}
	if b.Previous != nil {
		if old := b.Previous.Externals[name]; old != nil && old.identity == made.identity {
			return old, nil
		}
	}
	if made.client, err = upstream.New(t); err != nil {
		return nil, err
	}
	o := remote.Options{
		Sender: made.client, Permit: policy.Inside(place), Path: path, Protocol: remote.Protocol(e.Protocol), Kinds: e.Kinds,
		MinScore: e.MinScore, Language: e.Language, Timeout: e.Timeout, Concurrent: e.MaxConcurrency, MaxText: int64(e.MaxText), Clock: time.Now,
	}
	if e.APIKey.IsSet() {
		o.Key = upstream.NewKey(secret)
	}
	made.Detector = remote.New(o)
	return made, nil
}

// Action is what follows a hit.
type Action string

// The actions, as in config.yaml.
const (
	Tighten Action = "tighten"
	Redact  Action = "redact"
	Block   Action = "block"
)

// Detectors look at the requests of one route. Nil looks at nothing.
type Detectors struct {
	List []Detector // in the order of the rules of Set
	Set  *detect.Set
}

// detectors are those that look at the requests of a workload, or of none.
func (b *builder) detectors(workload string) (*Detectors, error) {
	c := b.Config
	out := &Detectors{}
	var rules []detect.Rule
	for _, name := range slices.Sorted(maps.Keys(c.Detectors)) {
		d := c.Detectors[name]
		if d.Workloads != nil && !slices.Contains(d.Workloads, workload) {
			continue
		}
		made := Detector{Name: name, Action: Action(d.OnHit), Classes: d.Class, Remote: b.fleet.Externals[name]}
		rule := detect.Rule{Patterns: d.Patterns}
		for _, k := range d.Kinds {
			if k == config.KindOpaque {
				made.Opaque = true
				continue
			}
			rule.Kinds = append(rule.Kinds, string(k))
		}
		out.List, rules = append(out.List, made), append(rules, rule)
	}
	if len(rules) == 0 {
		return nil, nil
	}
	var err error
	out.Set, err = detect.Compile(rules)
	return out, err
}
