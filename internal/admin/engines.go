package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"freehold/internal/app"
	"freehold/internal/config"
	"freehold/internal/engine"
)

// Engine is a local engine's process.
type Engine struct {
	Name     string    `json:"name"`
	State    string    `json:"state" doc:"installing, downloading, starting, loading, ready, backoff, stopping, stopped, failed"`
	Reason   string    `json:"reason,omitempty"`
	BaseURL  string    `json:"base_url,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	Engine   string    `json:"engine,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	Weights  *Weights  `json:"weights,omitempty"`
}

// Progress of an installation or download.
type Progress struct {
	What  string `json:"what"`
	Done  int64  `json:"done_bytes"`
	Total int64  `json:"total_bytes" doc:"0: unknown"`
}

// Weights are a model's weights on this machine.
type Weights struct {
	Source       string `json:"source"`
	Path         string `json:"path"`
	SHA256       string `json:"sha256,omitempty"`
	Bytes        int64  `json:"bytes"`
	Name         string `json:"name,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	License      string `json:"license,omitempty"`
	Context      int    `json:"context,omitempty"`
}

// EnginesOut lists what runs and what is installed.
type EnginesOut struct {
	Running   []Engine  `json:"running"`
	Installed []string  `json:"installed" doc:"directories of managed engines"`
	Weights   []Weights `json:"weights"`
}

func (s *Service) engines(context.Context, Caller, None) (EnginesOut, error) {
	out, err := Inventory(CacheDirs(s.app.Config(), s.app.CacheDir)...)
	if err != nil {
		return out, err
	}
	for _, st := range s.app.Engines.Status() {
		e := Engine{
			Name: st.Name, State: string(st.State), Reason: st.Reason, BaseURL: st.BaseURL, PID: st.PID,
			Restarts: st.Restarts, Since: st.Since.UTC(), Engine: st.Engine,
		}
		if p := st.Progress; p.What != "" && !p.Finished {
			e.Progress = &Progress{What: p.What, Done: p.Done, Total: p.Total}
		}
		if st.Model.Path != "" {
			w := weightsOf(st.Model)
			e.Weights = &w
		}
		out.Running = append(out.Running, e)
	}
	return out, nil
}

// CacheDirs are where the engines of a configuration keep theirs, usual for
// those that do not say; usual alone without any, or without a configuration.
func CacheDirs(cfg *config.Config, usual string) []string {
	var dirs []string
	if cfg != nil {
		for _, p := range cfg.Providers {
			if p.Local() {
				dirs = append(dirs, cmp.Or(string(p.CacheDir), usual))
			}
		}
	}
	if len(dirs) == 0 {
		return []string{usual}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Inventory is what cache directories hold; nothing runs in them. An empty name
// is the user's own.
func Inventory(cacheDirs ...string) (EnginesOut, error) {
	out := EnginesOut{Running: []Engine{}, Installed: []string{}, Weights: []Weights{}}
	for _, dir := range cacheDirs {
		in, err := app.Installer(dir, nil)
		if err != nil {
			return out, err
		}
		have, err := in.List()
		if err != nil {
			return out, err
		}
		out.Installed = append(out.Installed, have.Engines...)
		for _, w := range have.Weights {
			out.Weights = append(out.Weights, weightsOf(w))
		}
	}
	return out, nil
}

func weightsOf(w engine.Weights) Weights {
	return Weights{
		Source: w.Source, Path: w.Path, SHA256: w.SHA256, Bytes: w.Size, Name: w.Name,
		Architecture: w.Architecture, License: w.License, Context: w.Context,
	}
}
