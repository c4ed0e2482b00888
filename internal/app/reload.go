package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/fleet"
	"freehold/internal/history"
)

// Result of a reload.
type Result struct {
	Version  string   `json:"version"` // of the configuration in use
	Changed  bool     `json:"changed"`
	Warnings []string `json:"warnings,omitempty"`
	// Restart lists changes that take effect only when freehold starts again.
	Restart []string `json:"restart,omitempty"`
}

// Reload reads the configuration again and, if it is good, takes it into use:
// for requests from now on; those under way keep theirs. A bad file changes
// nothing. Each accepted change is in the history before it takes effect.
func (a *App) Reload(ctx context.Context, who history.Who, why string) (Result, error) {
	a.reload.Lock()
	defer a.reload.Unlock()
	r, err := a.reloadLocked(ctx, who, why)
	if err != nil {
		a.refused.Store(&err)
		return r, err
	}
	a.refused.Store(nil)
	a.reloads.Add(1)
	return r, nil
}

// Refused is why the last reload was refused, or nil.
func (a *App) Refused() error {
	if p := a.refused.Load(); p != nil {
		return *p
	}
	return nil
}

func (a *App) reloadLocked(ctx context.Context, who history.Who, why string) (Result, error) {
	old := a.config.Load()
	out := Result{Version: a.fleet.Load().Version}
	held, err := a.overlay(ctx)
	if err != nil {
		return out, err
	}
	cfg, cat, ds := a.load(held)
	if cfg == nil {
		return out, &ConfigError{ds}
	}
	for _, d := range ds.Warnings() {
		out.Warnings = append(out.Warnings, d.String())
	}
	out.Restart = fixed(old, cfg)
	f, err := a.build(cfg, cat, a.fleet.Load(), true)
	if err != nil {
		a.Engines.Discard()
		return out, err
	}
	if err := a.record(ctx, cfg, who, why); err != nil {
		a.Engines.Discard()
		return out, fmt.Errorf("the change cannot be put into the history, so it is not taken into use: %w", err)
	}
	if err := a.useBudgets(ctx, a.Budgets, cfg, f); err != nil {
		a.Engines.Discard()
		return out, err
	}
	out.Changed = out.Version != f.Version
	out.Version = f.Version
	a.swap(cfg, cat, f)
	return out, nil
}

// swap takes a configuration into use.
func (a *App) swap(cfg *config.Config, cat *catalog.Catalog, f *fleet.Fleet) {
	previous := a.fleet.Load()
	a.config.Store(cfg)
	a.catalog.Store(cat)
	a.fleet.Store(f)
	a.Engines.Commit(previous.Settings.Timeouts.Total, busyIn(previous, a.Clock))
	a.Ledger.SetKeep(cfg.Retention.Requests)
	a.useCapture(cfg)
	for _, do := range a.onSwap {
		do(cfg, f)
	}
	// Requests under way may yet ask any deployment of their own generation, so
	// its connections stay until the last of them must have ended.
	time.AfterFunc(previous.Settings.Timeouts.Total+time.Minute, func() { previous.Retire(f) })
}

// fixed lists what differs and cannot change while freehold runs.
func fixed(old, now *config.Config) []string {
	was, is := old.Server, now.Server
	for _, l := range []*config.Limits{&was.Limits, &is.Limits} {
		l.Body, l.BodyTimeout = 0, 0 // these follow a reload
	}
	var out []string
	for _, c := range []struct {
		name     string
		old, now any
	}{
		{"server.listen", was.Listen, is.Listen},
		{"server.tls", was.TLS, is.TLS},
		{"server.limits (all but body and body_timeout)", was.Limits, is.Limits},
		{"server.log", was.Log, is.Log},
		{"server.telemetry", was.Telemetry, is.Telemetry},
		{"server.history", was.History, is.History},
		{"state", old.State, now.State},
		{"durability", old.Durability, now.Durability},
	} {
		if !reflect.DeepEqual(c.old, c.now) {
			out = append(out, c.name)
		}
	}
	return out
}

// Names under which the meta table remembers the accepted configuration.
const (
	metaConfig  = "config_accepted" // redacted text
	metaHash    = "config_hash"
	metaVersion = "config_version"
)

// recordConfig puts an accepted configuration into the history, unless it is the
// one accepted last.
func (a *App) recordConfig(ctx context.Context, cfg *config.Config, who history.Who, why string) error {
	hash := history.ConfigHash(cfg.Source())
	last, err := a.DB.Meta(ctx, metaHash)
	if err != nil {
		return err
	}
	if last == hash {
		return nil
	}
	before, err := a.DB.Meta(ctx, metaConfig)
	if err != nil {
		return err
	}
	n, err := a.DB.Meta(ctx, metaVersion)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(n, 10, 64) // absent at the first start: 0
	version++
	now := string(cfg.Redacted())
	git, err := history.GitState(ctx, a.ConfigPath)
	if err != nil {
		a.Log.Warn("the Git state of the configuration is not known", "error", err)
	}
	_, err = a.History.Append(ctx, history.Change{
		Kind: history.KindConfig, Subject: a.ConfigPath, Who: who, Why: why, Git: git,
		ConfigVersion: version, ConfigHash: hash,
		Diff: history.Diff("before", "after", before, now, history.Redact),
	})
	if err != nil {
		return err
	}
	return a.DB.SetMeta(ctx, map[string]string{
		metaConfig: now, metaHash: hash, metaVersion: strconv.FormatInt(version, 10),
	})
}

// overlay reads the changes that are held apart from the file.
func (a *App) overlay(ctx context.Context) (config.Overlay, error) {
	rows, err := a.DB.Overlay(ctx)
	if err != nil {
		return nil, err
	}
	var out config.Overlay
	for _, r := range rows {
		c := config.Change{Path: r.Path}
		if r.Value != "" {
			c.Value = json.RawMessage(r.Value)
		}
		out = append(out, c)
	}
	return out, nil
}

// Edited is what became of an edit.
type Edited struct {
	How    string `json:"how"`             // file, overlay, propose
	Patch  string `json:"patch,omitempty"` // for the file, where it is not written
	Result Result `json:"result"`
}

// EditError is an edit that cannot be made in the file as it is.
type EditError struct{ err error }

func (e *EditError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *EditError) Unwrap() error { return e.err }

// Edit changes one value of the configuration as server.config_writes says: in
// the file, comments kept; or held in the store, in effect until the file
// agrees; or held and printed as a patch. A file that cannot be written is held
// too. A nil value deletes the key.
func (a *App) Edit(ctx context.Context, path string, value json.RawMessage, who history.Who, why string) (Edited, error) {
	cfg := a.config.Load()
	how := cfg.Server.ConfigWrites
	env := Env(a.embedded, nil)
	src, err := env.ReadFile(a.ConfigPath)
	if err != nil {
		return Edited{}, err
	}
	change := config.Change{Path: path, Value: value}
	after, err := change.Apply(src)
	if err != nil {
		return Edited{}, &EditError{err}
	}
	if next, ds := config.Parse(a.ConfigPath, after, env); next == nil {
		return Edited{}, &ConfigError{ds}
	}
	out := Edited{How: string(how)}
	if how == config.WritesFile {
		err := config.Save(a.ConfigPath, src, after)
		if err == nil {
			out.Result, err = a.Reload(ctx, who, why)
			return out, err
		}
		if !errors.Is(err, config.ErrReadOnly) {
			return out, err
		}
		out.How = string(config.WritesOverlay)
	}
	if out.Patch, err = config.Patch(a.ConfigPath, src, config.Overlay{change}); err != nil {
		return out, err
	}
	if err := a.DB.Hold(ctx, path, string(value), a.Clock(), who.String(), history.Redact(why)); err != nil {
		return out, err
	}
	if _, err := a.History.Append(ctx, history.Change{
		Kind: history.KindOverlay, Subject: path, Who: who, Why: why, Diff: history.Redact(out.Patch),
	}); err != nil {
		return out, err
	}
	out.Result, err = a.Reload(ctx, who, why)
	return out, err
}

// Drift compares the held changes with the file, and forgets those that the
// file has caught up with.
func (a *App) Drift(ctx context.Context) ([]config.Drift, error) {
	held, err := a.overlay(ctx)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	src, err := Env(a.embedded, nil).ReadFile(a.ConfigPath)
	if err != nil {
		return nil, err
	}
	return config.FindDrift(src, held)
}

// settleOverlay forgets held changes that the file agrees with.
func (a *App) settleOverlay(ctx context.Context) {
	drift, err := a.Drift(ctx)
	if err != nil {
		a.Log.Warn("held changes cannot be compared with the file", "error", err)
		return
	}
	for _, d := range drift {
		if d.Agrees {
			if err := a.DB.Forget(ctx, d.Path); err != nil {
				a.Log.Error("a held change cannot be forgotten", "path", d.Path, "error", err)
			}
		}
	}
}
