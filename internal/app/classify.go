package app

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"freehold/internal/classify"
	"freehold/internal/classify/shelf"
	"freehold/internal/config"
	"freehold/internal/dialect"
	"freehold/internal/history"
	"freehold/internal/routing"
)

// classifier is the routing model in use. It is loaded when a rule first asks
// what a prompt wants, and anew after a reload.
type classifier struct {
	shelf shelf.Shelf
	log   *slog.Logger
	model atomic.Pointer[namedModel]
}

// namedModel is a routing model with the name that decisions are recorded with.
type namedModel struct {
	*classify.Model
	name string
}

// classify tells what a prompt asks for.
func (c *classifier) classify(p dialect.Prompt) routing.Class {
	m := c.model.Load()
	if m == nil {
		if m = c.load(); m == nil {
			return routing.Class{}
		}
		c.model.Store(m)
	}
	v := m.Classify(p.System, p.User)
	return routing.Class{Task: v.Task.String(), Confidence: v.Confidence, Complexity: v.Complexity, Model: m.name}
}

// load reads the model in use, or, where its file does not load, the one that
// comes with the program: requests must not fail for it.
func (c *classifier) load() *namedModel {
	name, m, err := c.shelf.Current()
	if err == nil {
		return &namedModel{m, name}
	}
	c.log.Error("the routing model in use does not load; the embedded one takes its place until a reload",
		"directory", c.shelf.Dir(), "error", err)
	if m, err = classify.Embedded(); err != nil {
		c.log.Error("the embedded routing model does not load", "error", err)
		return nil
	}
	return &namedModel{m, shelf.Embedded}
}

// take lets a model answer from now on.
func (c *classifier) take(name string, m *classify.Model) {
	c.model.Store(&namedModel{m, name})
	c.log.Info("another routing model is in use", "version", name)
}

// forget makes the next request load the model that is in use by then.
func (c *classifier) forget() { c.model.Store(nil) }

// UseRoutingModel puts a routing model in use, by its name or as the previous one,
// and tells what that changes. It is in the history before it takes effect.
func (a *App) UseRoutingModel(ctx context.Context, name string, who history.Who, why string) (shelf.Change, error) {
	c, err := useModel(ctx, a.tasks.shelf, a.History, name, who, why)
	if err == nil {
		a.tasks.take(c.To, c.Model)
	}
	return c, err
}

// UseRoutingModelOf is UseRoutingModel of a configuration's state where no server
// runs. More of the configuration than its state need not be good.
func UseRoutingModelOf(ctx context.Context, cfg *config.Config, clock func() time.Time, name, why string) (made shelf.Change, err error) {
	path, err := StatePath(cfg)
	if err != nil {
		return made, err
	}
	l, done, err := historyOf(ctx, cfg, history.Options{Clock: clock})
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return useModel(ctx, shelf.Beside(path), l, name, history.OSUser(), why)
}

// useModel makes the change on the shelf, once it is on record. What is in use
// already is no change.
func useModel(ctx context.Context, s shelf.Shelf, l *history.Log, name string, who history.Who, why string) (shelf.Change, error) {
	c, err := s.To(name)
	if err != nil || c.From == c.To {
		return c, err
	}
	if _, err := l.Append(ctx, history.Change{
		Kind: history.KindRouteUse, Subject: c.To, Who: who, Why: why,
		Details: map[string]string{"before": c.From, "after": c.To, "name": c.Model.Header().Name, "digest": c.Model.Digest()},
	}); err != nil {
		return c, err
	}
	return c, s.Make(c)
}
