package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"freehold/internal/auth"
	"freehold/internal/budget"
	"freehold/internal/config"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/health"
	"freehold/internal/history"
	"freehold/internal/ledger"
	"freehold/internal/meter"
	"freehold/internal/server"
)

// Ready is told to who waits for the server to serve.
type Ready struct {
	URL string // http://127.0.0.1:4000
	App *App
}

// Hooks are the parts of a server that other packages bring.
type Hooks struct {
	// Admin makes the handler of /admin/v1/ for an open App.
	Admin func(*App) http.Handler
	// Observe takes the place of metrics and traces as the configuration has
	// them: the observer of all requests and the handler of /metrics.
	Observe func(context.Context, *App) (Observer, error)
	// Ready is called once requests can be served.
	Ready func(Ready)
	// Reloads asks for a reload each time it yields (SIGHUP).
	Reloads <-chan os.Signal
}

// Observer is told of requests and shows what it has counted.
type Observer interface {
	gateway.Observer
	// DoneIndex is told of every request of an index at its end.
	DoneIndex(r *ledger.Row)
	Metrics() http.Handler
	Close(context.Context) error
}

// drainLimit is how long requests under way may take after a stop is asked for.
const drainLimit = 30 * time.Second

// Serve serves a configuration until ctx ends, then lets requests under way
// end and stops. It is the whole of `freehold serve`.
func Serve(ctx context.Context, o Options, h Hooks) (err error) {
	if o.Listener != nil {
		defer o.Listener.Close() // again, where it was used
	}
	a, err := open(ctx, o, true)
	if err != nil {
		return err
	}
	defer tuneGC()()
	closing := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, a.Close(closing)) }()
	cfg := a.Config()
	if err := a.record(ctx, cfg, a.Who, ""); err != nil {
		return fmt.Errorf("the configuration cannot be put into the history: %w", err)
	}
	a.Budgets = budget.New(budget.NewMemory(), a.Clock, a.Log)
	if err := a.useBudgets(ctx, a.Budgets, cfg, a.Fleet()); err != nil {
		return err
	}
	a.Captures.Start()
	a.Engines.Commit(0, nil)

	observe := h.Observe
	if observe == nil {
		observe = func(ctx context.Context, a *App) (Observer, error) { return a.observe(ctx, cfg) }
	}
	observer, err := observe(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observer.Close(closing)) }()

	var draining atomic.Bool
	g := a.gateway(observer)
	if err := a.openRollouts(ctx, g); err != nil {
		return err
	}
	a.openDrills(g.Ask)
	if err := a.Drills.Load(ctx); err != nil {
		return err
	}
	a.openIndexes(cfg)
	g.Rollouts, g.Drills, g.Vectors = a.Rollouts, a.Drills, a.Indexes
	a.Rollouts.Start()
	handler := a.handler(h, g, observer, &draining)
	a.onSwap = append(a.onSwap, func(c *config.Config, _ *fleet.Fleet) {
		handler.Configure(settings(c))
		a.tasks.forget()
	})

	listener := o.Listener
	if listener != nil && listener.address != cfg.Server.Listen { // another one is held apart from the file
		if err := listener.Close(); err != nil {
			return err
		}
		listener = nil
	}
	if listener == nil {
		if listener, err = Listen(cfg.Server.Listen); err != nil {
			return err
		}
	}
	public := &drainer{Handler: handler, draining: &draining}
	srv := newServer(cfg, public, o.Log)
	if a.certificate, err = a.keyPairOf(cfg); err != nil {
		return errors.Join(err, listener.Close())
	}
	srv.TLSConfig = tlsConfig(a.certificate)
	socket, local, err := a.localSocket(cfg, h)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	failed := make(chan error, 2)
	go func() { failed <- run(srv, listener) }()
	go func() { failed <- local.Serve(socket) }()
	also := alias{own: socket.Addr().String(), log: a.Log}
	a.onSwap = append(a.onSwap, func(c *config.Config, _ *fleet.Fleet) { also.follow(c) })
	defer func() {
		a.reload.Lock() // an edit may be under way
		defer a.reload.Unlock()
		also.remove()
	}()

	watching, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { a.Keys.Watch(watching) })
	background.Go(func() { a.watch(watching, h.Reloads) })
	defer func() {
		stop()
		background.Wait() // a reload under way must not meet a closed store
	}()
	at := url(cfg, listener)
	a.url.Store(&at)
	if h.Ready != nil {
		h.Ready(Ready{URL: at, App: a})
	}
	if err := trim(); err != nil {
		a.Log.Debug("the program's pages stay resident", "error", err)
	}
	a.Log.Info("serving", "listen", listener.Addr().String(), "config", a.ConfigPath, "version", a.Fleet().Version)

	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("the listener failed: %w", err)
	}
	a.Log.Info("stopping: requests under way may end", "limit", drainLimit)
	limit, done := context.WithTimeout(closing, drainLimit)
	defer done()
	public.drain(limit)
	if serr := srv.Shutdown(limit); serr != nil {
		a.Log.Warn("requests were still under way and are cut", "error", serr)
		serr = srv.Close()
		err = errors.Join(err, serr)
	}
	return errors.Join(err, local.Close())
}

// Listener is where requests arrive.
type Listener struct {
	net.Listener
	address string // as server.listen has it
}

// Listen listens where server.listen says.
func Listen(address string) (*Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the rest repeats the address
		}
		return nil, fmt.Errorf("cannot listen on %s: %w\nis another freehold running? server.listen sets the address", address, err)
	}
	return &Listener{l, address}, nil
}

// gateway is what serves requests.
func (a *App) gateway(observer Observer) *gateway.Gateway {
	g := a.planner(a.Budgets)
	g.Journal, g.Observer, g.Estimator, g.Capture = a.Ledger, observer, &meter.Estimator{}, a.Captures
	g.MaxAnswer, g.MaxEvent, g.WriteTimeout = 64<<20, 16<<20, a.Config().Server.Limits.WriteTimeout
	g.Room = gateway.NewRoom(int64(a.Config().Server.Limits.Answers))
	return g
}

// handler is the HTTP server's handler.
func (a *App) handler(h Hooks, g *gateway.Gateway, observer Observer, draining *atomic.Bool) *server.Server {
	l := a.Config().Server.Limits
	o := server.Options{
		Fleet: a.Fleet, Gateway: g, OpenAI: a.codecs["openai"], Claude: a.codecs["anthropic"], Cohere: a.codecs["cohere"],
		Keyring: a.Keys, Limiter: auth.NewMemoryLimiter(a.Clock),
		Room:  health.NewLimiter(health.LimiterConfig{Concurrent: l.Concurrency, Queue: l.Queue, MaxWait: l.QueueWait}, a.Clock),
		Clock: a.Clock, NewID: newID, Log: a.Log, Relay: &gateway.Relay{Gateway: g}, Metrics: observer.Metrics(),
		Request: a.Ledger.Request, Feedback: a.Feedback, Rated: a.rated, Ready: a.ready, Draining: draining.Load,
	}
	o.Vectors = indexes{a.Indexes, a, observer}
	if h.Admin != nil {
		o.Admin = h.Admin(a)
	}
	return server.New(o, settings(a.Config()))
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func settings(c *config.Config) server.Settings {
	return server.Settings{
		Keys:     c.Server.Auth == config.AuthKeys,
		AdminKey: auth.NewAdminKey(c.Server.AdminKey.Reveal()), HasAdmin: c.Server.AdminKey.IsSet(),
		MaxBody: int64(c.Server.Limits.Body), BodyTimeout: c.Server.Limits.BodyTimeout,
	}
}

func newServer(cfg *config.Config, h http.Handler, log *slog.Logger) *http.Server {
	l := cfg.Server.Limits
	// gRPC without TLS is HTTP/2 without TLS.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols: &protocols, Handler: h, ReadHeaderTimeout: l.HeaderTimeout, IdleTimeout: l.IdleTimeout, MaxHeaderBytes: int(l.Header),
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func run(s *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "")
	}
	return s.Serve(l)
}

func url(cfg *config.Config, l net.Listener) string {
	scheme := "http"
	if cfg.Server.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + l.Addr().String()
}

// keyPairOf is the configured certificate, nil for none; the files are read again when they
// have changed, at the first handshake after.
func (a *App) keyPairOf(cfg *config.Config) (*certificate, error) {
	if cfg.Server.TLS == nil {
		return nil, nil
	}
	c := &certificate{
		cert: string(cfg.Server.TLS.Cert), key: string(cfg.Server.TLS.Key), log: a.Log,
	}
	if _, err := c.get(nil); err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	return c, nil
}

func tlsConfig(c *certificate) *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}
}

// whoServes is on record for reloads that nobody asked for by name.
var whoServes = history.Who{Via: "server", Name: "file watch"}
