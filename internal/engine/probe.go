package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// sickAfter is how many health probes in a row must fail for a ready engine to
// be restarted.
const sickAfter = 6

// probe asks an engine how it is. Connections are not kept: a probe must find
// out too whether the engine still accepts one.
type probe struct {
	base, name string
	client     *http.Client
}

func newProbe(base, name string) *probe {
	return &probe{base: base, name: name, client: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true},
	}}
}

func (p *probe) get(ctx context.Context, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, nil, plainURLError(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, body, err
}

// health is nil when the engine says that it is well.
func (p *probe) health(ctx context.Context) error {
	status, _, err := p.get(ctx, "/health")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("/health answers %d", status)
	}
	return nil
}

// ours makes sure that what answers on the port is our engine: it serves the
// name that we gave it.
func (p *probe) ours(ctx context.Context) error {
	_, body, err := p.get(ctx, "/v1/models")
	if err != nil {
		return err
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("another program answers on the engine's port: %w", err)
	}
	for _, m := range list.Data {
		if m.ID == p.name {
			return nil
		}
	}
	return fmt.Errorf("another program answers on the engine's port: it does not serve %q", p.name)
}

// untilReady returns when the engine serves. While it loads, the port is closed
// or /health answers 503.
func (p *probe) untilReady(ctx context.Context) error {
	began := time.Now()
	for {
		err := p.health(ctx)
		if err == nil {
			return p.ours(ctx)
		}
		wait := 20 * time.Millisecond
		if time.Since(began) > 5*time.Second {
			wait = 200 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last probe said: %w", context.Cause(ctx), err)
		case <-time.After(wait):
		}
	}
}

// whileHealthy returns an error when too many probes failed in a row, nil when
// ctx ended.
func (p *probe) whileHealthy(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for fails := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := p.health(ctx)
		if err == nil {
			fails = 0
			continue
		}
		if fails++; fails >= sickAfter && ctx.Err() == nil {
			return fmt.Errorf("%d probes failed: %w", fails, err)
		}
	}
}
