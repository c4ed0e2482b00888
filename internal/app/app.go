// Package app wires freehold together: it opens the state, builds the fleet of
// a configuration, serves, reloads and shuts down. Commands that work without
// a server open the same App and leave out the serving.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/auth"
	"freehold/internal/budget"
	"freehold/internal/capture"
	"freehold/internal/catalog"
	"freehold/internal/classify/shelf"
	"freehold/internal/config"
	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/dialect/cohere"
	"freehold/internal/dialect/openaichat"
	drills "freehold/internal/drill/runner"
	"freehold/internal/feedback"
	"freehold/internal/fleet"
	"freehold/internal/health"
	"freehold/internal/history"
	"freehold/internal/ledger"
	"freehold/internal/rollout/aside"
	"freehold/internal/rollout/runner"
	"freehold/internal/routing"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector/moves"
)

// Version of this program; set by the linker for releases.
var Version = "dev"

// Options say what to open.
type Options struct {
	ConfigPath string
	// CacheDir holds engines and weights; empty: the user's cache directory.
	CacheDir string
	Log      *slog.Logger
	Clock    func() time.Time // nil: time.Now
	// Who changes things through this App; zero: the user of the operating system.
	Who history.Who
	// Listener listens already; nil: Serve listens. For Serve only, which closes it.
	Listener *Listener
	// Lenient: secrets that are not there count as set. For Open only.
	Lenient bool
}

// App is freehold with its state open.
type App struct {
	Options
	DB      *sqlite.DB
	Ledger  *ledger.Ledger
	Keys    *auth.Keyring
	History *history.Log
	Health  *health.Registry
	Engines *Engines
	// Budgets hold requests to limits; nil where nothing is served.
	Budgets *budget.Keeper
	// Captures are the texts that workloads keep.
	Captures *capture.Vault
	Feedback feedback.Store
	// Rollouts move workloads from one model to another.
	Rollouts *runner.Runner
	// Drills make attempts fail on purpose.
	Drills *drills.Runner
	// Indexes are vector indexes that applications reach here; nil where nothing is served.
	Indexes *moves.Keeper
	fronts  *sqlite.Fronts
	// Aside asks models what no client waits for; nil where nothing is served.
	Aside *aside.Asker

	affinity *routing.Affinity
	// escalated are the conversations that cascades could not answer.
	escalated *routing.Affinity
	tasks     *classifier
	embedded  *catalog.Catalog // this program's own data
	catalog   atomic.Pointer[catalog.Catalog]
	codecs    map[string]dialect.Codec
	started   time.Time
	url       atomic.Pointer[string]
	// certificate is what the listener shows; nil without TLS.
	certificate *certificate
	begun       atomic.Bool // the start is over: see ready

	config  atomic.Pointer[config.Config]
	fleet   atomic.Pointer[fleet.Fleet]
	reload  sync.Mutex // one at a time
	refused atomic.Pointer[error]
	reloads atomic.Int64
	onSwap  []func(*config.Config, *fleet.Fleet)
}

// ConfigError is a configuration that cannot be used; its text is the
// diagnostics as they are shown.
type ConfigError struct{ Diagnostics config.Diagnostics }

func (e *ConfigError) Error() string { return strings.TrimRight(e.Diagnostics.String(), "\n") }

// Open loads the configuration and opens its state for questions and
// administration, beside a running server or without one.
func Open(ctx context.Context, o Options) (*App, error) { return open(ctx, o, false) }

func open(ctx context.Context, o Options, serving bool) (a *App, err error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Who == (history.Who{}) {
		o.Who = history.OSUser()
	}
	a = &App{Options: o, started: o.Clock(), codecs: Codecs(), affinity: routing.NewAffinity(conversations, conversationStay), escalated: routing.NewAffinity(conversations, conversationStay)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
			a = nil
		}
	}()
	if a.embedded, err = catalog.Load(catalog.Options{}); err != nil {
		return a, err
	}
	// The state's place must be known before the overlay in it can be read.
	l := a.load(nil)
	if l.cfg == nil {
		return a, &ConfigError{l.ds}
	}
	if err := a.openState(ctx, l.cfg, serving); err != nil {
		return a, err
	}
	held, err := a.overlay(ctx)
	if err != nil {
		return a, err
	}
	if len(held) > 0 {
		if l = a.load(held); l.cfg == nil {
			return a, &ConfigError{l.ds}
		}
	}
	a.Health = health.New(health.Options{Now: o.Clock, OnChange: a.healthChanged})
	a.Engines = newEngines(o.Log, o.CacheDir, l.cfg.Resolve, serving)
	f, err := a.build(l.cfg, l.cat, nil, serving)
	if err != nil {
		return a, err
	}
	a.config.Store(l.cfg)
	a.catalog.Store(l.cat)
	a.fleet.Store(f)
	a.useCapture(l.cfg)
	if !serving {
		a.openDrills(nil)
		return a, a.openRollouts(ctx, nil)
	}
	return a, nil
}

// Codecs are the dialects, by name.
func Codecs() map[string]dialect.Codec {
	return map[string]dialect.Codec{"openai": openaichat.Codec{}, "anthropic": anthropic.Codec{}, "cohere": cohere.Codec{}}
}

// Env is what a configuration is read with. The catalog that it was checked
// by, its own files laid over c, is put into used unless that is nil.
func Env(c *catalog.Catalog, used **catalog.Catalog) config.Env {
	env := config.OSEnv(fleet.Presets{Catalog: c})
	if used != nil {
		*used = c
	}
	env.Refresh = func(f config.CatalogFiles) (config.Catalog, error) {
		newer, err := catalog.Load(catalog.Options{
			PricesFile: string(f.Prices), PricesAsOf: f.PricesAsOf, ModelsFile: string(f.Models), PresetsDir: string(f.Presets),
		})
		if err != nil {
			return nil, err
		}
		if used != nil {
			*used = newer
		}
		return fleet.Presets{Catalog: newer}, nil
	}
	return env
}

// loaded is a configuration that was read; cfg is nil where ds has errors.
type loaded struct {
	cfg *config.Config
	cat *catalog.Catalog // that goes with it
	ds  config.Diagnostics
}

// load reads the configuration with what is held over it.
func (a *App) load(held config.Overlay) loaded {
	return a.reading(func(env config.Env) (*config.Config, config.Diagnostics) {
		return config.LoadWithOverlay(a.ConfigPath, env, held)
	})
}

// reading runs read with what configurations of this App are read with.
func (a *App) reading(read func(config.Env) (*config.Config, config.Diagnostics)) (l loaded) {
	env := Env(a.embedded, &l.cat)
	env.Now = a.Clock
	if a.Lenient {
		env = Lenient(env)
	}
	l.cfg, l.ds = read(env)
	return l
}

// StatePath is the state file of a configuration.
func StatePath(c *config.Config) (string, error) {
	path, ok := strings.CutPrefix(c.State, "sqlite:")
	if !ok {
		return "", fmt.Errorf("state %q: this version keeps its state in sqlite:FILE", c.State)
	}
	path = c.Resolve(path)
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return abs, nil
}

func (a *App) openState(ctx context.Context, cfg *config.Config, serving bool) (err error) {
	path, err := StatePath(cfg)
	if err != nil {
		return err
	}
	a.tasks = &classifier{shelf: shelf.Beside(path), log: a.Log}
	if a.DB, err = sqlite.Open(ctx, path); err != nil {
		return err
	}
	opts := ledger.Options{Clock: a.Clock, Log: a.Log, Keep: cfg.Retention.Requests, LockWait: 2 * time.Second}
	if cfg.Durability == config.DurabilityDisk {
		opts.Durability = ledger.Disk
	}
	if serving {
		a.Ledger, err = ledger.Open(path+".journal", sqlite.NewLedger(a.DB), opts)
		if errors.Is(err, ledger.ErrOwned) {
			return fmt.Errorf("another freehold serves the state %s: stop it, or give this one a state of its own (state: in config.yaml)", path)
		}
	} else {
		a.Ledger, err = ledger.OpenReader(ctx, path+".journal", sqlite.NewLedger(a.DB), opts)
	}
	if err != nil {
		return err
	}
	a.Feedback = sqlite.NewFeedback(a.DB)
	a.Keys, err = auth.NewKeyring(ctx, sqlite.NewKeys(a.DB), auth.Options{Clock: a.Clock, Random: rand.Reader, Logger: a.Log})
	if err != nil {
		return err
	}
	a.History, err = openHistory(ctx, a.DB, cfg, history.Options{KeyFile: path + ".key", Clock: a.Clock, Random: rand.Reader, Logger: a.Log})
	if err != nil {
		return err
	}
	a.Captures = capture.New(capture.Options{
		Store: sqlite.NewCaptures(a.DB), History: a.History, Clock: a.Clock, Random: rand.Reader, Log: a.Log,
	})
	return nil
}

func openHistory(ctx context.Context, db *sqlite.DB, cfg *config.Config, o history.Options) (*history.Log, error) {
	if c := cfg.Server.History.CheckpointCopy; c != "" {
		o.Outside = []string{string(c)}
	}
	return history.Open(ctx, sqlite.NewHistory(db), o)
}

// OpenHistory opens the history of a configuration's state to be verified: nothing
// is written, neither beside the state nor to the outside copies.
func OpenHistory(ctx context.Context, cfg *config.Config, clock func() time.Time) (l *history.Log, done func() error, err error) {
	return historyOf(ctx, cfg, history.Options{ReadOnly: true, Clock: clock})
}

// historyOf opens the history of a configuration's state, and nothing else of it.
func historyOf(ctx context.Context, cfg *config.Config, o history.Options) (l *history.Log, done func() error, err error) {
	path, err := StatePath(cfg)
	if err != nil {
		return nil, nil, err
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	o.KeyFile, o.Random, o.Logger = path+".key", rand.Reader, slog.New(slog.DiscardHandler)
	l, err = openHistory(ctx, db, cfg, o)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return l, func() error { return errors.Join(l.Close(context.WithoutCancel(ctx)), db.Close()) }, nil
}

// Close closes what Open opened. Engines are stopped first.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	a.closeIndexes()
	if a.Rollouts != nil {
		a.Rollouts.Close()
	}
	if a.Drills != nil {
		errs = append(errs, a.Drills.Close(ctx))
	}
	if a.Engines != nil {
		errs = append(errs, a.Engines.Close(ctx))
	}
	if a.Health != nil {
		a.Health.Close()
	}
	if a.Ledger != nil {
		errs = append(errs, a.Ledger.Close())
	}
	if a.Captures != nil {
		errs = append(errs, a.Captures.Close(ctx))
	}
	if a.History != nil {
		errs = append(errs, a.History.Close(ctx))
	}
	if a.DB != nil {
		errs = append(errs, a.DB.Close())
	}
	return errors.Join(errs...)
}

// Catalog is the data that goes with the configuration in use.
func (a *App) Catalog() *catalog.Catalog { return a.catalog.Load() }

// Config is the configuration in use.
func (a *App) Config() *config.Config { return a.config.Load() }

// Fleet is the snapshot in use.
func (a *App) Fleet() *fleet.Fleet { return a.fleet.Load() }

// Started is when the App was opened.
func (a *App) Started() time.Time { return a.started }

// refs are the models whose prices are wanted.
func refs(c *config.Config) []catalog.Ref {
	var out []catalog.Ref
	for _, m := range c.Models {
		for _, d := range m.Deployments {
			if p := c.Providers[d.Provider]; p != nil && p.Preset != "" {
				out = append(out, catalog.Ref{Preset: p.Preset, ID: d.ID})
			}
		}
	}
	return out
}

func (a *App) healthChanged(c health.Change) {
	level := slog.LevelWarn
	if c.To == health.Closed {
		level = slog.LevelInfo
	}
	a.Log.Log(context.Background(), level, "deployment "+c.To.String(), "deployment", c.Name, "was", c.From.String(), "cause", c.Cause)
}

// build makes the fleet of a configuration. Without serving nothing is probed
// and no engine is started.
func (a *App) build(cfg *config.Config, cat *catalog.Catalog, previous *fleet.Fleet, serving bool) (*fleet.Fleet, error) {
	prices := cat.PriceBook(refs(cfg))
	if serving {
		go func() {
			if err := prices.Warm(); err != nil {
				a.Log.Error("price lists cannot be read: prices count as unknown", "error", err)
			}
		}()
	}
	f, err := fleet.Build(fleet.Sources{
		Config: cfg, Catalog: cat, Prices: prices, Health: a.Health, Engines: a.Engines,
		Codecs: a.codecs, Previous: previous, Log: a.Log, Probe: serving, Standing: a.standing,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Path(), err)
	}
	return f, nil
}

// cacheDir is where engines and weights are kept.
func cacheDir(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	if dir = os.Getenv("FREEHOLD_CACHE"); dir != "" {
		return dir, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory for engines and weights: %w; set FREEHOLD_CACHE", err)
	}
	return filepath.Join(base, "freehold"), nil
}
