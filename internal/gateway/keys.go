package gateway

import (
	"strconv"
	"time"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/upstream"
)

// refusedFor is how long a key that its provider refused is set aside, where the
// provider has others.
const refusedFor = 10 * time.Minute

// spare takes a key out of use after a failure that is the key's, so that the
// provider's next one is asked: a rate limit for a while, a refusal for long. Of
// a single key the breaker takes care.
func (g *Gateway) spare(p *fleet.Provider, k upstream.Key, f *fault.Error) {
	if p.Keys.Len() < 2 {
		return
	}
	now := g.Clock()
	switch {
	case f.Kind == fault.ProviderLimit:
		wait := f.RetryAfter
		if wait == 0 {
			wait = time.Second
		}
		p.Keys.Cool(k, now.Add(wait))
	case keyRefused(f):
		news, left := p.Keys.Refuse(k, now, now.Add(refusedFor))
		if !news {
			return
		}
		g.Log.Error("a provider refuses one of its keys: replace it in config.yaml", "provider", p.Name, "key", p.Keys.Place(k),
			"fault", string(f.Kind), "status", f.ProviderStatus, "set_aside_for", refusedFor.String(), "keys_left", left)
	}
}

// accepted takes a key into use again that its provider has refused and now lets
// in: it was tried because every key is refused.
func (g *Gateway) accepted(p *fleet.Provider, k upstream.Key, asked time.Time) {
	if p.Keys.Len() < 2 || !p.Keys.Accept(k, asked, g.Clock()) {
		return
	}
	g.Log.Info("a provider accepts a key again that it had refused", "provider", p.Name, "key", p.Keys.Place(k))
}

// keyRefused reports whether the provider refused the key, or to work for it.
func keyRefused(f *fault.Error) bool {
	return f.Kind == fault.Credentials || f.Kind == fault.Billing
}

// anotherKey reports whether the provider may be asked again at once, after a
// failure that took the key out of use. Where the keys that it does not refuse
// are all rate limited, the next try finds that out, and fails with that.
func (g *Gateway) anotherKey(p *fleet.Provider, f *fault.Error) bool {
	if p.Keys.Len() < 2 {
		return false
	}
	switch {
	case f.Kind == fault.ProviderLimit:
		_, _, ok := p.Keys.Pick(g.Clock())
		return ok
	case keyRefused(f):
		return p.Keys.Usable(g.Clock()) > 0
	}
	return false
}

// noKey says why a provider has no key to be asked with.
func noKey(r *upstream.KeyRing, now time.Time) string {
	if left := r.Usable(now); left > 0 && left < r.Len() {
		return "the provider refuses " + strconv.Itoa(r.Len()-left) + " of its " + strconv.Itoa(r.Len()) + " keys, and the rest is rate limited"
	}
	return "every key of the provider is rate limited"
}
