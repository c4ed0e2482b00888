package app

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"freehold/internal/history"
)

// settle is how long files must be quiet before they are read: editors write
// in several steps.
const settle = 100 * time.Millisecond

// watch reloads when the configuration, or a file behind it, changes, and when
// a signal asks for it. It watches directories: editors and orchestrators
// replace files rather than write them.
func (a *App) watch(ctx context.Context, signals <-chan os.Signal) {
	w, err := fsnotify.NewWatcher()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if err != nil {
		a.Log.Warn("files are not watched: reload by SIGHUP or POST /admin/v1/reload", "error", err)
	} else {
		defer w.Close()
		events, errs = w.Events, w.Errors
		a.watchFiles(w)
	}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	if a.changedSince(a.started.Add(-clockStep)) {
		timer.Reset(settle) // before the watch began
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if a.isOurs(e.Name) {
				timer.Reset(settle)
			}
		case err := <-errs:
			a.Log.Warn("watching files failed", "error", err)
		case <-signals:
			a.reloadAndLog(ctx, history.Who{Via: "os", Name: "SIGHUP"})
		case <-timer.C:
			a.reloadAndLog(ctx, whoServes)
			if w != nil {
				a.watchFiles(w)
			}
		}
	}
}

// files are all behind the configuration in use.
func (a *App) files() []string {
	return append([]string{a.ConfigPath}, a.Config().Files()...)
}

func (a *App) watchFiles(w *fsnotify.Watcher) {
	for _, f := range a.files() {
		for _, dir := range []string{filepath.Dir(f), realDir(f)} {
			if err := w.Add(dir); err != nil {
				a.Log.Warn("a file is not watched", "dir", dir, "error", err)
			}
		}
	}
}

func realDir(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return filepath.Dir(real)
	}
	return filepath.Dir(path)
}

// clockStep is how far the clock of a file system may be behind.
const clockStep = 20 * time.Millisecond

// changedSince reports whether one of the files was written after then.
func (a *App) changedSince(then time.Time) bool {
	for _, f := range a.files() {
		if modified(f).After(then) {
			return true
		}
	}
	return false
}

// isOurs reports whether a change in a watched directory may concern us:
// a file of ours, or a link that Kubernetes swaps (..data).
func (a *App) isOurs(name string) bool {
	if filepath.Base(name) == "..data" {
		return true
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return true
	}
	for _, f := range a.files() {
		if mine, err := filepath.Abs(f); err != nil || mine == abs {
			return true
		}
		if real, err := filepath.EvalSymlinks(f); err == nil && real == abs {
			return true
		}
	}
	return false
}

func (a *App) reloadAndLog(ctx context.Context, who history.Who) {
	r, err := a.Reload(ctx, who, "")
	if err != nil {
		a.Log.Error("the configuration is refused; the one in use stays", "error", err)
		return
	}
	a.settleOverlay(ctx)
	for _, w := range r.Warnings {
		a.Log.Warn(w)
	}
	if len(r.Restart) > 0 {
		a.Log.Warn("these changes take effect at the next start", "keys", r.Restart)
	}
	if r.Changed {
		a.Log.Info("configuration taken into use", "version", r.Version)
	}
}
