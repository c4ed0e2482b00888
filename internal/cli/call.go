package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/history"
)

// call runs one operation, on the running server if there is one.
func call[In, Out any](ctx context.Context, p *program, op admin.Op[In, Out], in In) (out Out, err error) {
	r, done, err := p.runner(ctx)
	if err != nil {
		return out, err
	}
	defer finish(&err, done)
	return op.Call(ctx, r, in)
}

// finish ends what a command has opened; an error of that is added to err.
func finish(err *error, end func() error) {
	if e := end(); e != nil {
		*err = errors.Join(*err, e)
	}
}

// runner is the running server, or the state opened here. done releases it.
func (p *program) runner(ctx context.Context) (r admin.Runner, done func() error, err error) {
	if c := p.server(ctx); c != nil {
		return c, func() error { return nil }, nil
	}
	return p.local(ctx)
}

// local opens the state here.
func (p *program) local(ctx context.Context) (r admin.Runner, done func() error, err error) {
	a, err := app.Open(ctx, app.Options{ConfigPath: p.configPath(), Clock: p.clock, Lenient: true})
	if err != nil {
		return nil, nil, err
	}
	s, who := admin.NewService(a), a.Who
	done = func() error { return a.Close(context.WithoutCancel(ctx)) }
	if key := p.getenv(adminKey); key != "" {
		if who, err = s.Shown(key, who); err != nil {
			return nil, nil, errors.Join(err, done())
		}
	}
	return admin.Local{Service: s, Caller: admin.Caller{Who: who, Local: true}}, done, nil
}

// adminKey is the variable with the key by which commands are known as a person's.
const adminKey = "FREEHOLD_ADMIN_KEY"

// server is the server at --server, or the running one of the configuration, or nil. A configuration
// that cannot be read now may still have a server that runs with an earlier
// one: it is looked for by what can be read of the file, so that a key can be
// revoked while the file is broken, and stderr says that it is. A file that was
// named and is not there was never the server's.
func (p *program) server(ctx context.Context) *admin.Client {
	if p.remote != "" {
		return &admin.Client{Base: p.remote, Key: p.getenv(adminKey)}
	}
	cfg, whole := p.place()
	if cfg == nil {
		return nil
	}
	path, err := app.SocketPath(cfg)
	if err != nil {
		return nil
	}
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil // nobody listens
	}
	if err := conn.Close(); err != nil {
		return nil
	}
	if !whole {
		p.warn("the server runs with\nan earlier version of it")
	}
	c := admin.Unix(path, history.OSUser().Name)
	c.Key = p.getenv(adminKey)
	return c
}

// place is the configuration, or, where it is not valid, what can be read of it:
// where its state is. It is nil where that cannot be told, and where a file was
// named that is not there.
func (p *program) place() (cfg *config.Config, whole bool) {
	if cfg = p.glance(); cfg != nil {
		return cfg, true
	}
	if p.configPath() != defaultConfig && !exists(p.configPath()) {
		return nil, false
	}
	env, err := p.env()
	if err != nil {
		return nil, false
	}
	return config.StateOf(p.configPath(), app.Lenient(env)), false
}

// stateThere is place for commands that need the state and no more: a file that is
// not valid will do if its state is there.
func (p *program) stateThere() (cfg *config.Config, path string, err error) {
	cfg, whole := p.place()
	if cfg != nil {
		if path, err = app.ServedState(cfg); err != nil {
			return nil, "", err
		}
	}
	if cfg == nil || !whole && !exists(path) {
		_, ds := p.lenient()
		return nil, "", &app.ConfigError{Diagnostics: ds}
	}
	if !whole {
		p.warn("its state is used all\nthe same")
	}
	if named, err := app.StatePath(cfg); err != nil || named != path {
		fmt.Fprintf(p.err, "the running server takes state: as it is in %s at its next start; until then it is\n%s\n", p.configPath(), path)
		served := *cfg
		served.State = "sqlite:" + path
		cfg = &served
	}
	return cfg, path, nil
}

// warn says, once, that the file is refused, and what the command does in spite of
// that.
func (p *program) warn(instead string) {
	if !p.warned {
		p.warned = true
		fmt.Fprintf(p.err, "warning: %s is refused (freehold check says why); %s\n", p.configPath(), instead)
	}
}

// load reads the configuration without touching its state.
func (p *program) load() (*config.Config, config.Diagnostics) {
	env, err := p.env()
	if err != nil {
		return nil, config.Diagnostics{{File: p.configPath(), Message: err.Error()}}
	}
	return config.Load(p.configPath(), env)
}

// glance reads the configuration for its names and places only: secrets that
// are not in this environment do not matter. It is nil where it is not valid.
func (p *program) glance() *config.Config {
	cfg, _ := p.lenient()
	return cfg
}

// lenient is glance, with what is wrong with the file.
func (p *program) lenient() (*config.Config, config.Diagnostics) {
	env, err := p.env()
	if err != nil {
		return nil, config.Diagnostics{{File: p.configPath(), Message: err.Error()}}
	}
	return config.Load(p.configPath(), app.Lenient(env))
}

func (p *program) env() (config.Env, error) {
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		return config.Env{}, err
	}
	return app.Env(cat, nil), nil
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
