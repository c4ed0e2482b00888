package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gateway is a freehold under way with a key to it.
type gateway struct {
	*process
	config string
	key    string
}

// mockConfig has key auth, ledger and metrics on, and two workloads with one
// static rule each: one whose provider speaks the client's dialect, one whose
// provider speaks the other. Classifier, detectors and tracing are off.
const mockConfig = `server: {listen: "%[1]s", auth: keys, log: {level: warn, format: text}}
state: sqlite:state.db
providers:
  same: {dialect: openai, base_url: "http://%[2]s/v1"}
  other: {dialect: anthropic, base_url: "http://%[2]s"}
models:
  mock-same: {provider: same, id: mock-model}
  mock-other: {provider: other, id: mock-model}
workloads:
  mock-model: {model: mock-same}
  crossing: {model: mock-other}
`

// prepare writes a configuration into a directory of its own and issues a key.
func (b *bench) prepare(ctx context.Context, name, text string) (*gateway, error) {
	dir := b.path(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	g := &gateway{config: filepath.Join(dir, "config.yaml")}
	if err := os.WriteFile(g.config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	out, err := b.ask(ctx, "keys", "create", "bench", "--json", "--config", g.config)
	if err != nil {
		return nil, err
	}
	var issued struct{ Key string }
	if err := json.Unmarshal(out, &issued); err != nil || issued.Key == "" {
		return nil, fmt.Errorf("freehold keys create printed no key: %w: %s", err, out)
	}
	g.key = issued.Key
	return g, nil
}

// ask runs a command of freehold and returns what it prints.
func (b *bench) ask(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, b.programs.freehold, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("freehold %s: %w: %s", strings.Join(args, " "), err, tail(stderr.String()))
	}
	return out, nil
}

// serve starts a prepared freehold and waits until it is ready.
func (b *bench) serve(ctx context.Context, g *gateway, at string) error {
	if err := b.exec(ctx, g, at); err != nil {
		return err
	}
	return g.wait(ctx, "/health/ready", 5*time.Millisecond, 30*time.Second)
}

// exec starts a prepared freehold.
func (b *bench) exec(ctx context.Context, g *gateway, at string) (err error) {
	g.process, err = launch(ctx, "freehold", at, b.programs.freehold, "serve", "--config", g.config)
	return err
}

// overMock prepares a freehold in front of the mock.
func (b *bench) overMock(ctx context.Context, name string, mock *process) (*gateway, string, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	g, err := b.prepare(ctx, name, fmt.Sprintf(mockConfig, at, mock.at))
	return g, at, err
}
