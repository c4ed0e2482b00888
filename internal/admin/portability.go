package admin

import (
	"context"
	"strconv"
	"time"

	"freehold/internal/app"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/portability"
	"freehold/internal/suggest"
)

// Bounds of the traffic that is looked at.
const (
	portableRows = 100_000
	portableDays = 30
)

// PortabilityIn names a workload and a model that may take its place.
type PortabilityIn struct {
	Workload string    `json:"workload"`
	To       string    `json:"to" doc:"a model of the configuration"`
	Since    time.Time `json:"since,omitzero" doc:"inclusive; absent: 30 days ago"`
	Until    time.Time `json:"until,omitzero" doc:"exclusive"`
}

// PortabilityFinding is one thing that the traffic uses, and what the model does with it.
type PortabilityFinding struct {
	Kind     string  `json:"kind" doc:"operation, feature, parameter, context, answer, language, fine_tune, perimeter"`
	Name     string  `json:"name"`
	Requests int64   `json:"requests" doc:"that use it"`
	Share    float64 `json:"share" doc:"of all, 0 to 1; of a language: of those that were looked at"`
	Severity string  `json:"severity" doc:"breaks, changes or fine"`
	What     string  `json:"what,omitempty" doc:"happens"`
	Do       string  `json:"do,omitempty" doc:"about it"`
}

// PortabilityOut is what a switch would change.
type PortabilityOut struct {
	Workload string     `json:"workload"`
	Model    string     `json:"model" doc:"that answers now"`
	To       string     `json:"to"`
	Variant  *Variant   `json:"variant,omitempty" doc:"how the workload's requests are put to the model; it is part of what was checked"`
	Requests int64      `json:"requests" doc:"that were looked at: those that were answered, or failed by no fault of their own"`
	Cut      bool       `json:"cut" doc:"there are more: only the newest 100,000 were looked at"`
	Oldest   *time.Time `json:"oldest,omitempty"`
	Newest   *time.Time `json:"newest,omitempty"`
	Broken   int64      `json:"broken" doc:"requests that use an operation, feature or parameter that breaks"`

	Findings []PortabilityFinding `json:"findings" doc:"the worst first"`
}

func (s *Service) portability(ctx context.Context, _ Caller, in PortabilityIn) (PortabilityOut, error) {
	f, now := s.app.Fleet(), s.app.Clock()
	route := f.Workloads[in.Workload]
	if route == nil {
		return PortabilityOut{}, s.noWorkload(in.Workload)
	}
	model := f.Models[in.To]
	if model == nil {
		return PortabilityOut{}, invalid("there is no model "+strconv.Quote(in.To), hintOr(suggest.Hint(in.To, f.ModelNames()), "freehold models lists them"))
	}
	if err := ordered(in.Since, in.Until); err != nil {
		return PortabilityOut{}, err
	}
	if in.Since.IsZero() {
		in.Since = now.AddDate(0, 0, -portableDays)
	}
	perimeter, err := f.Classes.For(nil, route.Classes...)
	if err != nil {
		return PortabilityOut{}, err
	}
	out := PortabilityOut{Workload: in.Workload, Model: route.Models[0].Name, To: model.Name, Variant: variantOf(route.Variant(model)), Findings: []PortabilityFinding{}}
	var traffic portability.Traffic
	seen := 0
	for row, err := range s.app.Ledger.Each(ctx, ledger.Query{Workload: in.Workload, Since: in.Since, Until: in.Until}) {
		if err != nil {
			return PortabilityOut{}, err
		}
		if seen++; seen > portableRows {
			out.Cut = true
			break
		}
		traffic.Add(row)
	}
	report := portability.Check(&traffic, &portability.Target{
		Model: model, Route: route, Codecs: app.Codecs(), Drop: f.Settings.DropUnsupported,
		Permit: func(d *fleet.Deployment) string { _, why := perimeter.Permit(d.Provider.Place, now); return why },
	})
	out.Requests, out.Broken, out.Oldest, out.Newest = report.Requests, report.Broken, moment(traffic.Oldest), moment(traffic.Newest)
	for _, x := range report.Findings {
		out.Findings = append(out.Findings, PortabilityFinding{
			Kind: x.Kind, Name: x.Name, Requests: x.Requests, Share: x.Share, Severity: string(x.Severity), What: x.What, Do: x.Do,
		})
	}
	return out, nil
}

func hintOr(hint, other string) string {
	if hint != "" {
		return hint
	}
	return other
}

func (s *Service) noWorkload(name string) *Error {
	return invalid("there is no workload "+strconv.Quote(name), hintOr(suggest.Hint(name, s.app.Fleet().WorkloadNames()), "freehold workloads lists them"))
}
