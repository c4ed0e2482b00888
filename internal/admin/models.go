package admin

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/shopspring/decimal"

	"freehold/internal/fleet"
	"freehold/internal/ledger"
)

func marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Class is the sovereignty class, 1 to 5, of a model at a place.
func Class(openness, hosting string) int {
	switch {
	case openness == "proprietary-tuned":
		return 2
	case openness != "open":
		return 1
	case hosting == "self":
		return 5
	case hosting == "serverless", hosting == "kubernetes":
		return 4
	}
	return 3
}

// ClassName says what a class is.
func ClassName(class int) string {
	return []string{"", "pure API", "fine-tuned proprietary model", "open weights, managed endpoint",
		"open weights, own cluster", "self-hosted"}[class]
}

// Price is in USD for a million tokens; null is unknown.
type Price struct {
	Input       decimal.NullDecimal `json:"input"`
	Output      decimal.NullDecimal `json:"output"`
	CachedInput decimal.NullDecimal `json:"cached_input"`
	Currency    string              `json:"currency"`
	Per         int                 `json:"per_tokens"`
	Source      string              `json:"source,omitempty"`
	AsOf        string              `json:"as_of,omitempty"`
}

// priceOf is a deployment's price; nil where it is unknown.
func priceOf(d *fleet.Deployment) *Price {
	p := d.Price()
	if !p.Known() {
		return nil
	}
	million := func(r decimal.NullDecimal) decimal.NullDecimal {
		if r.Valid {
			r.Decimal = r.Decimal.Shift(6)
		}
		return r
	}
	return &Price{
		Input: million(p.Input), Output: million(p.Output), CachedInput: million(p.CachedInput),
		Currency: "USD", Per: 1_000_000, Source: p.Source, AsOf: p.AsOf,
	}
}

// Latency is in milliseconds; null where nothing was measured.
type Latency struct {
	P50 *float64 `json:"p50_ms"`
	P95 *float64 `json:"p95_ms"`
}

func latencyOf(l ledger.Latency) Latency {
	if l.P95 == 0 {
		return Latency{}
	}
	p50, p95 := millis(l.P50), millis(l.P95)
	return Latency{&p50, &p95}
}

// Traffic is what went there in the last 24 hours.
type Traffic struct {
	Requests   int64   `json:"requests"`
	Errors     int64   `json:"errors"`
	FirstToken Latency `json:"first_token"`
	Total      Latency `json:"total"`
}

func trafficOf(g *ledger.Group) Traffic {
	if g == nil {
		return Traffic{}
	}
	return Traffic{Requests: g.Requests, Errors: g.Errors, FirstToken: latencyOf(g.FirstToken), Total: latencyOf(g.Total)}
}

// Deployment is a model at a provider.
type Deployment struct {
	Name          string  `json:"name"`
	Provider      string  `json:"provider"`
	ProviderModel string  `json:"provider_model"`
	Class         int     `json:"class" doc:"sovereignty class, 1 to 5"`
	Hosting       string  `json:"hosting"`
	Inside        bool    `json:"inside"`
	Region        string  `json:"region,omitempty"`
	Jurisdiction  string  `json:"jurisdiction,omitempty"`
	Context       int64   `json:"context,omitempty" doc:"tokens"`
	Health        Health  `json:"health"`
	Price         *Price  `json:"price"`
	Traffic       Traffic `json:"last_24h"`
}

// Model is a name of ours for a set of weights.
type Model struct {
	Name        string       `json:"name"`
	Mode        string       `json:"mode"`
	Openness    string       `json:"openness"`
	Class       int          `json:"class" doc:"the lowest of its deployments"`
	Deployments []Deployment `json:"deployments"`
}

// ModelsOut lists models.
type ModelsOut struct {
	Models []Model `json:"models"`
}

func (s *Service) models(ctx context.Context, _ Caller, _ None) (ModelsOut, error) {
	traffic, err := s.traffic(ctx, ledger.ByModel, ledger.ByProvider)
	if err != nil {
		return ModelsOut{}, err
	}
	f := s.app.Fleet()
	out := ModelsOut{Models: []Model{}}
	for _, name := range f.ModelNames() {
		m := f.Models[name]
		shown := Model{Name: name, Mode: m.Mode, Openness: m.Openness, Class: classOf(m)}
		for _, d := range m.Deployments {
			one := s.deployment(d)
			one.Traffic = trafficOf(traffic[name+"\x00"+d.Provider.Name])
			shown.Deployments = append(shown.Deployments, one)
		}
		out.Models = append(out.Models, shown)
	}
	return out, nil
}

func (s *Service) deployment(d *fleet.Deployment) Deployment {
	p := d.Provider
	return Deployment{
		Name: d.Name, Provider: p.Name, ProviderModel: d.ID, Class: Class(d.Model.Openness, p.Hosting), Hosting: p.Hosting,
		Inside: p.Place.Inside, Region: p.Place.Region, Jurisdiction: p.Place.Jurisdiction, Context: d.Context,
		Health: s.health(d.Health), Price: priceOf(d),
	}
}

// classOf is the lowest class among a model's deployments: any of them may
// answer.
func classOf(m *fleet.Model) int {
	class := 5
	for _, d := range m.Deployments {
		class = min(class, Class(m.Openness, d.Provider.Hosting))
	}
	return class
}

// traffic is the usage of the last 24 hours by one or two dimensions, their
// values joined by a zero byte.
func (s *Service) traffic(ctx context.Context, by ...ledger.Dimension) (map[string]*ledger.Group, error) {
	now := s.app.Clock()
	groups, err := s.app.Ledger.Usage(ctx, ledger.Query{Since: now.Add(-recent), GroupBy: by})
	if err != nil {
		return nil, err
	}
	out := map[string]*ledger.Group{}
	for i := range groups {
		id := groups[i].By[by[0]]
		for _, d := range by[1:] {
			id += "\x00" + groups[i].By[d]
		}
		out[id] = &groups[i]
	}
	return out, nil
}

// Workload is what an application asks for.
type Workload struct {
	Name        string   `json:"name"`
	Aliases     []string `json:"aliases"`
	Model       string   `json:"model"`
	Fallbacks   []string `json:"fallbacks"`
	Cascade     string   `json:"cascade,omitempty" doc:"the model that is asked first"`
	CascadeOff  string   `json:"cascade_off,omitempty" doc:"why the cascade has turned itself off"`
	Stands      string   `json:"stands,omitempty" doc:"the index that decides which of its two models it stands for, and its phase"`
	Rules       int      `json:"rules" doc:"how many rules may send a request to another model"`
	DataClasses []string `json:"data_classes"`
	Openness    string   `json:"openness"`
	Hosting     []string `json:"hosting" doc:"of the model's deployments"`
	Class       int      `json:"class" doc:"sovereignty class of its model, 1 to 5"`
	ClassName   string   `json:"class_name"`
	Lowest      int      `json:"lowest_class" doc:"of all models that it may lead to: where it may end up"`
	State       string   `json:"state" doc:"ok, degraded (a deployment is out), failing over (its model is out), down, unknown"`
	Usable      int      `json:"usable_deployments"`
	Deployments int      `json:"deployments"`
	Price       *Price   `json:"price" doc:"of the first deployment"`
	Traffic     Traffic  `json:"last_24h"`
}

// WorkloadsOut lists workloads.
type WorkloadsOut struct {
	Workloads []Workload `json:"workloads"`
}

func (s *Service) workloads(ctx context.Context, _ Caller, _ None) (WorkloadsOut, error) {
	traffic, err := s.traffic(ctx, ledger.ByWorkload)
	if err != nil {
		return WorkloadsOut{}, err
	}
	f := s.app.Fleet()
	out := WorkloadsOut{Workloads: []Workload{}}
	for _, name := range f.WorkloadNames() {
		r, _ := f.Resolve(name) // with the model that it stands for now
		w := s.workload(f, r)
		w.Traffic = trafficOf(traffic[name])
		out.Workloads = append(out.Workloads, w)
	}
	return out, nil
}

func (s *Service) workload(f *fleet.Fleet, r *fleet.Route) Workload {
	first := r.Models[0]
	w := Workload{
		Name: r.Workload, Aliases: orEmpty(f.AliasesOf(r.Workload)), Model: first.Name, Fallbacks: []string{}, Rules: len(r.Rules),
		DataClasses: orEmpty(r.Classes), Openness: first.Openness, Hosting: []string{}, Class: classOf(first), Lowest: 5,
		Price: priceOf(first.Deployments[0]),
	}
	w.ClassName = ClassName(w.Class)
	if r.Stands != nil {
		w.Stands = r.Stands.String()
	}
	if k := r.Cascade; k != nil {
		w.Cascade, w.CascadeOff = k.Model.Name, k.Switch.Off()
	}
	own := 0 // usable deployments of the model itself
	for _, m := range r.Reach() {
		w.Lowest = min(w.Lowest, classOf(m))
	}
	for i, m := range r.All() {
		if i > 0 && i < len(r.Models) {
			w.Fallbacks = append(w.Fallbacks, m.Name)
		}
		for _, d := range m.Deployments {
			w.Deployments++
			if h := s.health(d.Health); h.Usable() {
				w.Usable++
				if i == 0 {
					own++
				}
			}
			if i == 0 && !slices.Contains(w.Hosting, d.Provider.Hosting) {
				w.Hosting = append(w.Hosting, d.Provider.Hosting)
			}
		}
	}
	switch {
	case s.app.URL() == "":
		w.State = "unknown"
	case w.Usable == 0:
		w.State = "down"
	case own == 0:
		w.State = "failing over"
	case w.Usable < w.Deployments:
		w.State = "degraded"
	default:
		w.State = "ok"
	}
	return w
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
