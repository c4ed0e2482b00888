package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"freehold"
	"freehold/internal/app"
	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/engine"
)

func (p *program) upCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "up",
		Short: "Start from nothing: write config.yaml, get a local model, serve",
		Long: `up serves config.yaml. If there is none it writes a commented one: with a small
local model, and with the providers whose API keys are in the environment and
the engines that run on this machine (on a terminal it asks). A key is written
as a reference to its variable, never as its value. Beside it come an example
with every key there is, and the schema that editors check it with. Then up gets
the engine and the model, serves, and prints the URL and a curl line to try.`,
		Example: `  freehold up
  OPENAI_API_KEY=sk-... freehold up`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.firstConfig(c.Context(), yes || !terminal(p.in)); err != nil {
				return err
			}
			return p.up(c.Context())
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "take everything that is found, without asking")
	return c
}

// firstConfig writes a configuration if there is none.
func (p *program) firstConfig(ctx context.Context, yes bool) error {
	path := p.configPath()
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		return err
	}
	found := p.offer(append(keysFound(cat, p.getenv), enginesFound(engine.Detect(ctx))...), yes)
	text := []byte(starter(found))
	if cfg, ds := config.Parse(path, text, app.Env(cat, nil)); cfg == nil {
		return fmt.Errorf("the first configuration is not valid: %w", &app.ConfigError{Diagnostics: ds})
	}
	if err := config.Save(path, nil, text); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o644); err != nil { // it holds no secret
		return err
	}
	fmt.Fprintln(p.err, "wrote", path)
	for name, text := range map[string][]byte{schemaFile: freehold.Schema, exampleFile: freehold.Example} {
		if err := writeNew(filepath.Join(filepath.Dir(path), name), text); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file, unless there is one.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// up gets what the configuration's local engines need, and serves.
func (p *program) up(ctx context.Context) error {
	cfg, ds := p.load()
	if cfg == nil {
		return &app.ConfigError{Diagnostics: ds}
	}
	if p.server(ctx) != nil {
		return fmt.Errorf("freehold serves %s already; freehold chat asks it", p.configPath())
	}
	l, err := app.Listen(cfg.Server.Listen) // a port that is taken is said before anything is downloaded
	if err != nil {
		return err
	}
	if err := p.installAll(ctx, cfg); err != nil {
		return errors.Join(err, l.Close())
	}
	reloads, stop := hangups()
	defer stop()
	h := hooks()
	h.Reloads = reloads
	h.Ready = func(r app.Ready) { go p.greet(ctx, cfg, r) }
	return app.Serve(ctx, app.Options{ConfigPath: p.configPath(), Listener: l, Log: logger(p.err, quiet(cfg.Server.Log)), Clock: p.clock}, h)
}

// quiet is the log of a server that somebody watches: warnings, as text, unless
// the configuration asks for something else.
func quiet(l config.Log) config.Log {
	if l.Level == "info" && l.Format == "json" {
		l.Level, l.Format = "warn", "text"
	}
	return l
}

// installAll gets engines and weights of all local models.
func (p *program) installAll(ctx context.Context, cfg *config.Config) error {
	var names []string
	for name := range cfg.Models {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m := cfg.Models[name]
		for _, d := range m.Deployments {
			c := cfg.Providers[d.Provider]
			if !c.Local() {
				continue
			}
			in, err := app.Installer(string(c.CacheDir), nil)
			if err != nil {
				return err
			}
			if err := p.install(ctx, in, app.Spec(cfg.Resolve, c, m, d)); err != nil {
				return fmt.Errorf("model %s: %w", name, err)
			}
		}
	}
	return nil
}

// greet says where requests go, once they can be answered.
func (p *program) greet(ctx context.Context, cfg *config.Config, r app.Ready) {
	if err := enginesReady(ctx, r.App); err != nil {
		if ctx.Err() == nil {
			fmt.Fprintln(p.err, "freehold: the local engine is not ready:", err)
		}
		return
	}
	at := here(r.URL)
	fmt.Fprintf(p.out, "\nfreehold serves at %s\n", at)
	fmt.Fprintf(p.out, "  OpenAI base URL:    %s/v1\n  Anthropic base URL: %s\n", at, at)
	workload := namesOf(cfg).usual()
	if workload == "" {
		return
	}
	key := ""
	if cfg.Server.Auth == config.AuthKeys {
		key = " \\\n    -H \"authorization: Bearer $FREEHOLD_API_KEY\""
	}
	fmt.Fprintf(p.out, "try:\n  curl %s/v1/chat/completions%s \\\n    -d '{\"model\": \"%s\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}'\n", at, key, workload)
}
