package app

import (
	"log/slog"
	"sync/atomic"

	"freehold/internal/classify"
	"freehold/internal/classify/shelf"
	"freehold/internal/dialect"
	"freehold/internal/routing"
)

// classifier is the routing model in use. It is loaded when a rule first asks
// what a prompt wants, and anew after a reload.
type classifier struct {
	shelf shelf.Shelf
	log   *slog.Logger
	model atomic.Pointer[classify.Model]
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
	return routing.Class{Task: v.Task.String(), Confidence: v.Confidence, Complexity: v.Complexity}
}

// load reads the model in use, or, where its file does not load, the one that
// comes with the program: requests must not fail for it.
func (c *classifier) load() *classify.Model {
	m, err := c.shelf.Current()
	if err == nil {
		return m
	}
	c.log.Error("the routing model in use does not load; the embedded one takes its place until a reload",
		"directory", c.shelf.Dir(), "error", err)
	if m, err = classify.Embedded(); err != nil {
		c.log.Error("the embedded routing model does not load", "error", err)
		return nil
	}
	return m
}

// take loads the model in use now, and returns its name. Where it does not load,
// the one before goes on.
func (c *classifier) take() (string, error) {
	name, _, err := c.shelf.InUse()
	if err != nil {
		return "", err
	}
	m, err := c.shelf.Model(name)
	if err != nil {
		return "", err
	}
	c.model.Store(m)
	c.log.Info("another routing model is in use", "version", name)
	return name, nil
}

// TakeRoutingModel takes the model that is in use beside the state, for requests
// from now on, and returns its name.
func (a *App) TakeRoutingModel() (string, error) { return a.tasks.take() }

// forget makes the next request load the model that is in use by then.
func (c *classifier) forget() { c.model.Store(nil) }
