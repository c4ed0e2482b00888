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
	"freehold/internal/store/sqlite"
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
	}
	return r, err
}

// Refused is why the last reload was refused, or nil.
func (a *App) Refused() error {
	if p := a.refused.Load(); p != nil {
		return *p
	}
	return nil
}

func (a *App) reloadLocked(ctx context.Context, who history.Who, why string) (Result, error) {
	held, err := a.overlay(ctx)
	if err != nil {
		return Result{Version: a.fleet.Load().Version}, err
	}
	return a.take(ctx, a.load(held), change{who: who, why: why})
}

// change is who takes a configuration into use, and what is to be done for it
// between the proof that this machine can run it and its first request.
type change struct {
	who history.Who
	why string
	// keep puts the change where the next start finds it, and is undone where
	// what comes after it fails; nil: it is there already.
	keep func() (undo func() error, err error)
	// noted puts into the history what the configuration alone does not say.
	noted func() error
}

// UnfitError is a configuration that is in order, but cannot be run: a preset of
// one's own that asks what no connection can do.
type UnfitError struct{ err error }

func (e *UnfitError) Error() string {
	return "the configuration cannot be taken into use, so nothing was changed: " + e.err.Error()
}

// Unwrap returns the cause.
func (e *UnfitError) Unwrap() error { return e.err }

// take takes a configuration into use, wholly or not at all.
func (a *App) take(ctx context.Context, l loaded, c change) (out Result, err error) {
	old := a.config.Load()
	out.Version = a.fleet.Load().Version
	if l.cfg == nil {
		return out, &ConfigError{l.ds}
	}
	for _, d := range l.ds.Warnings() {
		out.Warnings = append(out.Warnings, d.String())
	}
	out.Restart = fixed(old, l.cfg)
	if !reflect.DeepEqual(old.Server.TLS, l.cfg.Server.TLS) {
		if _, err := a.keyPairOf(l.cfg); err != nil { // it is used from the next start on, which must not fail
			return out, &UnfitError{err}
		}
	}
	if err := a.checkIndexes(ctx, l.cfg); err != nil {
		return out, &UnfitError{err}
	}
	f, err := a.build(l.cfg, l.cat, a.fleet.Load(), true)
	if err != nil {
		a.Engines.Discard()
		return out, &UnfitError{err}
	}
	if err := a.commit(ctx, l.cfg, f, c); err != nil {
		a.Engines.Discard()
		return out, errors.Join(err, a.goBack(context.WithoutCancel(ctx), c, err))
	}
	out.Changed = out.Version != f.Version
	out.Version = f.Version
	a.swap(l.cfg, l.cat, f)
	a.refused.Store(nil)
	a.reloads.Add(1)
	return out, nil
}

// commit does all that can fail before a configuration is in use. What it kept is
// undone when it fails.
func (a *App) commit(ctx context.Context, cfg *config.Config, f *fleet.Fleet, c change) error {
	undo := func() error { return nil }
	if c.keep != nil {
		var err error
		if undo, err = c.keep(); err != nil {
			return err
		}
	}
	err := a.useBudgets(ctx, a.Budgets, cfg, f)
	if err == nil {
		err = a.record(ctx, cfg, c.who, c.why)
		if err == nil && c.noted != nil {
			err = c.noted()
		}
		if err != nil {
			err = fmt.Errorf("the change cannot be put into the history, so it is not taken into use: %w", err)
		}
	}
	if err != nil {
		return errors.Join(err, undo())
	}
	return nil
}

// goBack makes budgets, health and history those of the configuration in use
// again, after another one was given up half-way.
func (a *App) goBack(ctx context.Context, c change, cause error) error {
	cfg, cat := a.config.Load(), a.catalog.Load()
	f, err := a.build(cfg, cat, a.fleet.Load(), true)
	if err != nil {
		a.Engines.Discard()
		return err
	}
	a.swap(cfg, cat, f)
	return errors.Join(a.useBudgets(ctx, a.Budgets, cfg, f), a.record(ctx, cfg, c.who, "taken back: "+cause.Error()))
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
// one accepted last. Behind its text stand the versions of the system prompts in
// files, so that one that was edited is a change on record.
func (a *App) recordConfig(ctx context.Context, cfg *config.Config, who history.Who, why string) error {
	hash := history.ConfigHash(cfg.Identity())
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
	now := string(cfg.Redacted()) + cfg.Prompts()
	git, err := history.GitState(ctx, a.ConfigPath)
	if err != nil {
		a.Log.Warn("the Git state of the configuration is not known", "error", err)
	}
	_, err = a.History.Append(ctx, history.Change{
		Kind: history.KindConfig, Subject: a.ConfigPath, Who: who, Why: why, Git: git,
		ConfigVersion: version, ConfigHash: history.ConfigHash(cfg.Source()),
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
	return overlayOf(rows), nil
}

func overlayOf(rows []sqlite.HeldChange) config.Overlay {
	var out config.Overlay
	for _, r := range rows {
		c := config.Change{Path: r.Path}
		if r.Value != "" {
			c.Value = json.RawMessage(r.Value)
		}
		out = append(out, c)
	}
	return out
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
	return config.FindDrift(a.ConfigPath, src, held)
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
