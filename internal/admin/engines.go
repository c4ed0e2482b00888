package admin

import (
	"context"
	"time"

	"freehold/internal/app"
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
	out, err := Inventory(s.app.CacheDir)
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

// Inventory is what a cache directory holds; nothing runs in it. cacheDir
// empty: the user's own.
func Inventory(cacheDir string) (EnginesOut, error) {
	out := EnginesOut{Running: []Engine{}, Installed: []string{}, Weights: []Weights{}}
	in, err := app.Installer(cacheDir, nil)
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
	return out, nil
}

func weightsOf(w engine.Weights) Weights {
	return Weights{
		Source: w.Source, Path: w.Path, SHA256: w.SHA256, Bytes: w.Size, Name: w.Name,
		Architecture: w.Architecture, License: w.License, Context: w.Context,
	}
}
