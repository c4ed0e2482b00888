package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"freehold/internal/config"
	"freehold/internal/ledger"
	"freehold/internal/policy"
	"freehold/internal/suggest"
)

// PerimeterReportIn selects what a report is about.
type PerimeterReportIn struct {
	Since    time.Time `json:"since,omitzero" doc:"inclusive"`
	Until    time.Time `json:"until,omitzero" doc:"exclusive"`
	Class    string    `json:"class,omitempty" doc:"only requests that this data class governed; - selects those that none did"`
	Tenant   string    `json:"tenant,omitempty"`
	Workload string    `json:"workload,omitempty"`
	Provider string    `json:"provider,omitempty"`
}

// Destination is a place that received bytes of one data class and tenant.
type Destination struct {
	Class        string        `json:"class" doc:"empty: no class governed the requests"`
	Tenant       string        `json:"tenant"`
	Provider     string        `json:"provider"`
	Region       string        `json:"region" doc:"as the configuration had it when the bytes were sent; empty: unknown"`
	Jurisdiction string        `json:"jurisdiction"`
	Inside       bool          `json:"inside"`
	Requests     int64         `json:"requests"`
	Attempts     int64         `json:"attempts"`
	Failed       int64         `json:"failed" doc:"attempts that gave no answer: they received the bytes all the same"`
	Bytes        int64         `json:"bytes" doc:"of request bodies"`
	Tokens       ledger.Tokens `json:"tokens"`
	First        time.Time     `json:"first"`
	Last         time.Time     `json:"last"`
	// Forbidden is why today's configuration would not send there; empty: it would.
	Forbidden string `json:"forbidden,omitempty" doc:"why today's configuration would not send these bytes there"`
}

// PerimeterReportOut is which data went where. A request that several classes
// governed counts under each of them.
type PerimeterReportOut struct {
	Since        *time.Time    `json:"since,omitempty"`
	Until        *time.Time    `json:"until,omitempty"`
	KeptSince    *time.Time    `json:"kept_since,omitempty" doc:"requests before it are no longer kept, and not in the report"`
	Requests     int64         `json:"requests" doc:"that sent bytes anywhere"`
	Destinations []Destination `json:"destinations"`
}

// noClass selects requests that no class governed.
const noClass = "-"

func (s *Service) perimeterReport(ctx context.Context, _ Caller, in PerimeterReportIn) (PerimeterReportOut, error) {
	if err := ordered(in.Since, in.Until); err != nil {
		return PerimeterReportOut{}, err
	}
	kept, err := s.app.Ledger.KeptSince(ctx)
	if err != nil {
		return PerimeterReportOut{}, err
	}
	out := PerimeterReportOut{Since: moment(in.Since), Until: moment(in.Until), Destinations: []Destination{}}
	if kept.After(in.Since) {
		out.KeptSince = moment(kept)
	}
	sums := map[Destination]*Destination{}
	for r, err := range s.app.Ledger.Each(ctx, ledger.Query{Since: in.Since, Until: in.Until, Tenant: in.Tenant, Workload: in.Workload}) {
		if err != nil {
			return PerimeterReportOut{}, err
		}
		if in.add(r, sums) {
			out.Requests++
		}
	}
	if len(sums) == 0 {
		if err := s.knows(ctx, in); err != nil {
			return PerimeterReportOut{}, err
		}
	}
	cfg := s.app.Config()
	for _, d := range sums {
		d.Forbidden = forbidden(cfg, d, s.app.Clock())
		out.Destinations = append(out.Destinations, *d)
	}
	slices.SortFunc(out.Destinations, func(a, b Destination) int {
		return cmp.Or(strings.Compare(a.Class, b.Class), strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Provider, b.Provider),
			strings.Compare(a.Region, b.Region), strings.Compare(a.Jurisdiction, b.Jurisdiction), a.First.Compare(b.First))
	})
	return out, nil
}

// knows says which of the names that a report with nothing in it was asked for
// exists neither in the configuration nor in the ledger: what nobody ever sent
// under a name that is misspelt is no evidence.
func (s *Service) knows(ctx context.Context, in PerimeterReportIn) error {
	cfg := s.app.Config()
	for _, f := range []struct {
		what, name string
		configured []string
		recorded   func() ([]string, error)
	}{
		{"data class", strings.TrimPrefix(in.Class, noClass), slices.Collect(maps.Keys(cfg.DataClasses)), func() ([]string, error) { return s.kept(ctx, func(r *ledger.Row) []string { return r.DataClasses }) }},
		{"tenant", in.Tenant, slices.Collect(maps.Keys(cfg.Tenants)), func() ([]string, error) { return s.used(ctx, ledger.ByTenant) }},
		{"workload", in.Workload, slices.Collect(maps.Keys(cfg.Workloads)), func() ([]string, error) { return s.used(ctx, ledger.ByWorkload) }},
		{"provider", in.Provider, slices.Concat(slices.Collect(maps.Keys(cfg.Providers)), slices.Collect(maps.Keys(cfg.Stores))), func() ([]string, error) { return s.kept(ctx, asked) }},
	} {
		if f.name == "" || slices.Contains(f.configured, f.name) {
			continue
		}
		recorded, err := f.recorded()
		if err != nil {
			return err
		}
		if slices.Contains(recorded, f.name) {
			continue
		}
		names := slices.DeleteFunc(slices.Concat(f.configured, recorded), func(n string) bool { return n == "" })
		slices.Sort(names)
		hint := suggest.Hint(f.name, slices.Compact(names))
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Hint: hint,
			Message: fmt.Sprintf("there is no %s %q, neither in the configuration nor in the ledger", f.what, f.name)}
	}
	return nil
}

// used are the names that requests on record have in a dimension.
func (s *Service) used(ctx context.Context, by ledger.Dimension) ([]string, error) {
	groups, err := s.app.Ledger.Usage(ctx, ledger.Query{GroupBy: []ledger.Dimension{by}})
	var out []string
	for i := range groups {
		out = append(out, groups[i].By[by])
	}
	return out, err
}

// kept are the names that requests still kept have.
func (s *Service) kept(ctx context.Context, of func(*ledger.Row) []string) ([]string, error) {
	seen := map[string]bool{}
	for r, err := range s.app.Ledger.Each(ctx, ledger.Query{}) {
		if err != nil {
			return nil, err
		}
		for _, name := range of(r) {
			seen[name] = true
		}
	}
	return slices.Collect(maps.Keys(seen)), nil
}

// asked are the providers of a request's attempts.
func asked(r *ledger.Row) []string {
	out := make([]string, len(r.Attempts))
	for i := range r.Attempts {
		out[i] = r.Attempts[i].Provider
	}
	return out
}

// add counts a row's attempts under each class, and reports whether there were any.
func (in *PerimeterReportIn) add(r *ledger.Row, sums map[Destination]*Destination) (some bool) {
	classes := r.DataClasses
	if len(classes) == 0 {
		classes = []string{""}
	}
	for _, class := range classes {
		if in.Class != "" && class != strings.TrimPrefix(in.Class, noClass) {
			continue
		}
		counted := map[*Destination]bool{}
		for i := range r.Attempts {
			a := &r.Attempts[i]
			sent := a.Sent
			if sent == 0 && (a.Status > 0 || a.Outcome == ledger.OK || a.Outcome == ledger.Unknown) {
				sent = r.BytesIn // of a row from before this was on record
			}
			if sent == 0 || in.Provider != "" && in.Provider != a.Provider {
				continue
			}
			key := Destination{Class: class, Tenant: r.Tenant, Provider: a.Provider, Region: a.Region, Jurisdiction: a.Jurisdiction, Inside: a.Inside}
			d := sums[key]
			if d == nil {
				d = new(key)
				sums[key] = d
			}
			if !counted[d] {
				counted[d] = true
				d.Requests++
			}
			d.Attempts++
			if a.Outcome != ledger.OK {
				d.Failed++
			}
			d.Bytes += sent
			d.Tokens = d.Tokens.Add(a.Tokens)
			if d.First.IsZero() || a.Start.Before(d.First) {
				d.First = a.Start
			}
			if a.Start.After(d.Last) {
				d.Last = a.Start
			}
			some = true
		}
	}
	return some
}

// forbidden says why a configuration would not send a class's and tenant's bytes
// to a provider now.
func forbidden(cfg *config.Config, d *Destination, now time.Time) string {
	var place policy.Place
	switch p, s := cfg.Providers[d.Provider], cfg.Stores[d.Provider]; {
	case p != nil:
		place = p.Place()
	case s != nil: // of an index
		place = s.Place()
	case strings.Contains(d.Provider, "://"): // of one that is not under stores: nothing is known of it
		place = policy.Place{Provider: d.Provider}
	default:
		return "the provider is no longer configured"
	}
	perimeter, err := newReach(cfg, now).perimeter(d.Tenant, d.Class)
	if err != nil {
		return err.Error()
	}
	_, why := perimeter.Permit(place, now)
	return why
}
