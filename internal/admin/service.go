package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"freehold/internal/app"
	"freehold/internal/config"
	"freehold/internal/health"
)

// Service does the operations on an open App.
type Service struct{ app *app.App }

// NewService returns the operations of an App.
func NewService(a *app.App) *Service { return &Service{a} }

// recent is how far back the latencies and counts beside models and workloads
// look.
const recent = 24 * time.Hour

// StatusOut is what runs.
type StatusOut struct {
	Version       string         `json:"version"`
	URL           string         `json:"url" doc:"where requests are served; empty: no server runs"`
	Serving       bool           `json:"serving"`
	Started       time.Time      `json:"started"`
	UptimeSeconds float64        `json:"uptime_seconds"`
	ConfigPath    string         `json:"config_path"`
	ConfigVersion string         `json:"config_version" doc:"short hash of the configuration in use"`
	Listen        string         `json:"listen"`
	Auth          string         `json:"auth"`
	Reloads       int64          `json:"reloads"`
	Refused       string         `json:"refused,omitempty" doc:"why the last reload was refused"`
	Deployments   map[string]int `json:"deployments" doc:"how many are in each state of health"`
	Ledger        LedgerStatus   `json:"ledger"`
	Drift         int            `json:"drift" doc:"changes held apart from the file"`
	DriftUnknown  string         `json:"drift_unknown,omitempty" doc:"why they cannot be counted"`
	Certificate   string         `json:"certificate,omitempty" doc:"that requests are served with, in PEM"`
}

// LedgerStatus says how far the ledger is behind.
type LedgerStatus struct {
	Failing      bool    `json:"failing" doc:"records cannot be written: requests are refused"`
	BacklogBytes int64   `json:"backlog_bytes"`
	LagSeconds   float64 `json:"lag_seconds"`
	Open         int64   `json:"open"`
	Journaled    int64   `json:"journaled"`
	Stored       int64   `json:"stored"`
	StoreErrors  int64   `json:"store_errors"`
	Lost         int64   `json:"lost" doc:"requests of an earlier process whose end is not known"`
	Damaged      int64   `json:"damaged"`
}

func (s *Service) status(ctx context.Context, _ Caller, _ None) (StatusOut, error) {
	a, cfg := s.app, s.app.Config()
	drift, unknown := s.driftOrWhy(ctx)
	held := 0
	for _, d := range drift {
		if !d.Agrees {
			held++
		}
	}
	l := a.Ledger.Stats()
	out := StatusOut{
		Version: app.Version, URL: a.URL(), Serving: a.URL() != "", Started: a.Started().UTC(),
		UptimeSeconds: a.Clock().Sub(a.Started()).Seconds(), ConfigPath: a.ConfigPath, ConfigVersion: a.Fleet().Version,
		Listen: cfg.Server.Listen, Auth: string(cfg.Server.Auth), Reloads: a.Reloads(), Deployments: map[string]int{},
		Ledger: LedgerStatus{
			Failing: l.Failing, BacklogBytes: l.Backlog, LagSeconds: l.Lag.Seconds(), Open: l.Open, Journaled: l.Journaled,
			Stored: l.Stored, StoreErrors: l.StoreErrors, Lost: l.Lost, Damaged: l.Damaged,
		},
		Drift: held, DriftUnknown: unknown, Certificate: a.Certificate(),
	}
	if err := a.Refused(); err != nil {
		out.Refused = err.Error()
	}
	for _, d := range a.Fleet().Deployments() {
		out.Deployments[s.health(d.Health).State]++
	}
	return out, nil
}

// ReloadIn asks for a reload.
type ReloadIn struct {
	Reason string `json:"reason,omitempty" doc:"for the history"`
}

func (s *Service) reload(ctx context.Context, c Caller, in ReloadIn) (app.Result, error) {
	if s.app.URL() == "" {
		return app.Result{}, &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs that could reload its configuration"}
	}
	return s.app.Reload(ctx, c.Who, in.Reason)
}

// Health is what is known of a deployment now.
type Health struct {
	State    string     `json:"state" doc:"ok, trying, cooling, open, down; unknown while no server runs"`
	Cause    string     `json:"cause,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Until    *time.Time `json:"until,omitempty" doc:"end of a cool-down"`
	InFlight int        `json:"in_flight"`
	Queued   int        `json:"queued"`
}

// Usable reports whether requests go there.
func (h *Health) Usable() bool { return h.State == "ok" || h.State == "trying" || h.State == "unknown" }

func (s *Service) health(d *health.Deployment) Health {
	if s.app.URL() == "" || d == nil {
		return Health{State: "unknown"}
	}
	st := d.Status(s.app.Clock())
	h := Health{State: st.State.String(), Cause: st.Cause, Since: moment(st.Since), Until: moment(st.Until), InFlight: st.InFlight, Queued: st.Queued}
	switch st.State {
	case health.Closed:
		h.State = "ok"
	case health.HalfOpen:
		h.State = "trying"
	}
	return h
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// ConfigOut is the configuration in use.
type ConfigOut struct {
	Path    string  `json:"path"`
	Version string  `json:"version"`
	Text    string  `json:"text" doc:"YAML, secrets taken out"`
	Drift   []Drift `json:"drift"`
	// While the file is broken, the configuration in use is shown all the same.
	DriftUnknown string `json:"drift_unknown,omitempty" doc:"why it cannot be told what the file does not have"`
}

// Drift is a change that is held apart from the file.
type Drift struct {
	Path   string `json:"path"`
	Held   string `json:"held" doc:"the value in effect; empty: the key is taken out"`
	File   string `json:"file" doc:"what the file says"`
	Agrees bool   `json:"agrees" doc:"the file has caught up"`
	Line   int    `json:"line,omitempty"`
}

// DriftOut lists held changes.
type DriftOut struct {
	Drift []Drift `json:"drift"`
}

func (s *Service) configShow(ctx context.Context, _ Caller, _ None) (ConfigOut, error) {
	drift, unknown := s.driftOrWhy(ctx)
	return ConfigOut{Path: s.app.ConfigPath, Version: s.app.Fleet().Version, Text: string(s.app.Config().Redacted()), Drift: drift, DriftUnknown: unknown}, nil
}

// driftOrWhy is the drift, or why it cannot be told: the file is broken.
func (s *Service) driftOrWhy(ctx context.Context) (list []Drift, unknown string) {
	out, err := s.configDrift(ctx, Caller{}, None{})
	if err != nil {
		return []Drift{}, err.Error()
	}
	return out.Drift, ""
}

func (s *Service) configDrift(ctx context.Context, _ Caller, _ None) (DriftOut, error) {
	drift, err := s.app.Drift(ctx)
	if err != nil {
		return DriftOut{}, err
	}
	out := DriftOut{Drift: []Drift{}}
	for _, d := range drift {
		out.Drift = append(out.Drift, Drift{Path: d.Path, Held: d.Held, File: d.File, Agrees: d.Agrees, Line: d.Pos.Line})
	}
	return out, nil
}

// ConfigSetIn sets a value.
type ConfigSetIn struct {
	Path   string `json:"path" doc:"such as workloads.chat.model; names with dots in quotes"`
	Value  any    `json:"value" doc:"any JSON value but null; secrets as references"`
	Reason string `json:"reason,omitempty"`
}

// ConfigUnsetIn takes a key out.
type ConfigUnsetIn struct {
	Path   string `json:"path"`
	Reason string `json:"reason,omitempty"`
}

func (s *Service) configSet(ctx context.Context, c Caller, in ConfigSetIn) (app.Edited, error) {
	if in.Value == nil {
		return app.Edited{}, invalid("no value: null is none", "to take the key out, use config.unset (POST /admin/v1/config/unset)")
	}
	value, err := marshal(in.Value)
	if err != nil {
		return app.Edited{}, err
	}
	return s.edit(ctx, c, in.Path, value, in.Reason)
}

func (s *Service) configUnset(ctx context.Context, c Caller, in ConfigUnsetIn) (app.Edited, error) {
	return s.edit(ctx, c, in.Path, nil, in.Reason)
}

func (s *Service) edit(ctx context.Context, c Caller, path string, value []byte, why string) (app.Edited, error) {
	if path == "" {
		return app.Edited{}, invalid("no path", "such as workloads.chat.model")
	}
	if !c.Local && strings.HasPrefix(path, "rollouts") && (strings.Contains(path, "command") || names(value, "command")) {
		return app.Edited{}, &Error{Status: http.StatusForbidden, Code: CodeDenied, Message: "a program that freehold starts cannot be set from afar",
			Hint: "set judge.command in config.yaml, or with freehold on this machine"}
	}
	out, err := s.app.Edit(ctx, path, value, c.Who, why)
	if errors.Is(err, config.ErrReadOnly) {
		return out, &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error()}
	}
	return out, err
}

// names reports whether a JSON value has a member of this name, at any depth.
func names(value []byte, name string) bool {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return false // no value; a bad one is refused elsewhere
	}
	var has func(v any) bool
	has = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			if _, ok := v[name]; ok {
				return true
			}
			for _, inner := range v {
				if has(inner) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, has)
		}
		return false
	}
	return has(v)
}
