package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
)

// gateway is a gateway as its clients reach it.
type gateway struct {
	url    string // http://127.0.0.1:4000
	key    string // virtual key; empty: none
	client *http.Client
	admin  *admin.Client // what is on record there; whoever asks may not be let in
	stop   func() error  // ends the server that was started for this command
}

// gatewayFlags say which gateway a command asks, and with which key.
type gatewayFlags struct{ url, key string }

func (f *gatewayFlags) flags(c *cobra.Command) {
	c.Flags().Var(base(&f.url, "/v1"), "url", "`URL` of a gateway elsewhere")
	c.Flags().StringVar(&f.key, "key", "", "virtual `KEY` (default $FREEHOLD_API_KEY)")
}

// reach finds the gateway: the one at --url, the running server, or one that
// is started for as long as the command takes.
func (p *program) reach(ctx context.Context, f gatewayFlags) (*gateway, error) {
	g := &gateway{url: f.url, key: f.key, client: &http.Client{}, stop: func() error { return nil }}
	if g.key == "" {
		g.key = p.getenv("FREEHOLD_API_KEY")
	}
	if strings.ContainsFunc(g.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, usagef("the key holds a character that no key has: was something else copied along?")
	}
	if g.url != "" {
		g.admin = &admin.Client{Base: g.url, Key: g.key}
		return g, nil
	}
	if g.admin = p.server(ctx); g.admin == nil {
		cfg := p.glance()
		if cfg == nil {
			_, ds := p.load()
			return nil, &app.ConfigError{Diagnostics: ds}
		}
		if err := g.mayAsk(cfg.Server.Auth); err != nil {
			return nil, err // before engines are started for nothing
		}
		fmt.Fprintln(p.err, "no server runs: one is started for this command")
		var err error
		if g.stop, err = p.serveFor(ctx); err != nil {
			return nil, err
		}
		g.admin = p.server(ctx)
	}
	if err := g.meet(ctx); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// meet asks the server where and how it serves: the configuration may have changed
// since it read it.
func (g *gateway) meet(ctx context.Context) error {
	if g.admin == nil {
		return errors.New("the server cannot be reached by commands")
	}
	st, err := admin.Status.Call(ctx, g.admin, admin.None{})
	if err != nil {
		return err
	}
	if err := g.mayAsk(config.Auth(st.Auth)); err != nil {
		return err
	}
	g.url = here(st.URL)
	return g.trust(st.Certificate)
}

// mayAsk refuses to ask without a key where one is needed.
func (g *gateway) mayAsk(a config.Auth) error {
	if g.key == "" && a == config.AuthKeys {
		return &admin.Error{Code: "missing_key", Message: "this gateway asks for a key",
			Hint: "give one with --key or $FREEHOLD_API_KEY; freehold keys create NAME issues one"}
	}
	return nil
}

// why asks for what is on record of a request.
func (g *gateway) why(ctx context.Context, id string) (admin.WhyOut, error) {
	return admin.Why.Call(ctx, g.admin, admin.WhyIn{ID: id})
}

// here is the address of a server that may listen on all interfaces, from this
// machine.
func here(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	return u.String()
}

// trust makes the client accept exactly the certificate that the server says is
// its own: its name is that of a public address, and not of this machine.
func (g *gateway) trust(certificate string) error {
	if certificate == "" {
		return nil
	}
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return errors.New("the server's certificate is not understood")
	}
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	g.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // VerifyConnection verifies more narrowly
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !s.PeerCertificates[0].Equal(own) {
				return errors.New("the server shows another certificate than it says is its own")
			}
			return nil
		},
	}}
	return nil
}

// serveFor serves the configuration until stop is called. It returns once
// requests can be answered, local engines included.
func (p *program) serveFor(ctx context.Context) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan app.Ready, 1)
	ended := make(chan error, 1)
	h := hooks()
	h.Ready = func(r app.Ready) { ready <- r }
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelError}))
	go func() { ended <- app.Serve(ctx, app.Options{ConfigPath: p.configPath(), Log: log, Clock: p.clock}, h) }()
	stop = func() error {
		cancel()
		return <-ended
	}
	select {
	case err := <-ended:
		cancel()
		return nil, err
	case r := <-ready:
		if err := enginesReady(ctx, r.App); err != nil {
			return nil, errors.Join(err, stop())
		}
		return stop, nil
	}
}

// enginesReady waits for the local engines of an App.
func enginesReady(ctx context.Context, a *app.App) error {
	if a.Engines.Manager == nil {
		return nil
	}
	for _, proc := range a.Engines.Manager.Processes() {
		if err := proc.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}
