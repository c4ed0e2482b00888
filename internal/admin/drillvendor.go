package admin

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"freehold/internal/config"
	"freehold/internal/fleet"
)

// bound are providers that are one vendor's, and why they are taken for it.
type bound struct {
	providers []string
	why       []string // each such as "openai, openai-eu: both at openai.com"
}

// vendorOf is who a workload's first model is had from: its deployments' providers,
// and all others that the same vendor operates. The vendor is whoever operates the
// address, whatever preset describes it; who takes the same credentials is the same,
// too.
func vendorOf(f *fleet.Fleet, cfg *config.Config, workload string) bound {
	w := f.Workload(workload)
	if w == nil || len(w.Models) == 0 {
		return bound{}
	}
	var b bound
	var places []string
	for _, d := range w.Models[0].Deployments {
		b.join(d.Provider.Name)
	}
	names := f.ProviderNames()
	for i := 0; i < len(b.providers); i++ { // it grows
		at := cfg.Providers[b.providers[i]]
		if at == nil {
			continue
		}
		if place := operator(at); !slices.Contains(places, place) {
			places = append(places, place)
			var there []string
			for _, name := range names {
				if p := cfg.Providers[name]; p != nil && operator(p) == place {
					there = append(there, name)
					b.join(name)
				}
			}
			b.why = append(b.why, strings.Join(there, ", ")+": "+both(len(there))+place)
		}
		for _, name := range names {
			if p := cfg.Providers[name]; p != nil && !slices.Contains(b.providers, name) && shared(at, p) != "" {
				b.why = append(b.why, name+": has the credentials of "+b.providers[i]+" ("+shared(at, p)+")")
				b.join(name)
			}
		}
	}
	return b
}

func (b *bound) join(name string) {
	if !slices.Contains(b.providers, name) {
		b.providers = append(b.providers, name)
	}
}

func both(n int) string {
	switch n {
	case 1:
		return "at "
	case 2:
		return "both at "
	}
	return "all at "
}

// operator names who operates a provider's address: its registrable domain, behind
// which any host is the same operator's. An address of the network that one is in
// oneself says nothing of an operator and stands for itself, with its port; so does
// what one hosts oneself, wherever that is.
func operator(p *config.Provider) string {
	if p.Local() {
		return "this machine, as the engine " + p.Name
	}
	u, err := url.Parse(p.BaseURL)
	if err != nil || u.Host == "" {
		return p.Name // there is no address to tell it by
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if _, err := netip.ParseAddr(host); err == nil || p.Hosting == config.HostingSelf || p.Hosting == config.HostingKubernetes {
		return address(u, host)
	}
	if domain := registrable(host); domain != "" {
		return domain
	}
	return address(u, host)
}

func address(u *url.URL, host string) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(host, port)
}

// registrable is the domain that somebody has registered at a registry, "" for a name
// of no public registry. Suffixes at which an operator lets others have names, such
// as run.app, are the operator's own.
func registrable(host string) string {
	suffix, icann := publicsuffix.PublicSuffix(host)
	for !icann {
		_, rest, more := strings.Cut(suffix, ".")
		if !more {
			return ""
		}
		suffix, icann = publicsuffix.PublicSuffix(rest)
	}
	own, ok := strings.CutSuffix(host, "."+suffix)
	if !ok {
		return ""
	}
	return own[strings.LastIndexByte(own, '.')+1:] + "." + suffix
}

// shared is a reference to a credential that both have, "" where there is none. What
// the file itself holds is not compared: a placeholder is no sign of anything.
func shared(a, b *config.Provider) string {
	for _, x := range a.Keys() {
		for _, y := range b.Keys() {
			if ref := x.Reference(); ref != "" && ref == y.Reference() {
				return ref
			}
		}
	}
	return ""
}
