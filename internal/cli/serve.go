package cli

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve config.yaml",
		Long: `serve answers requests as config.yaml says, until it is told to end: SIGINT or
SIGTERM lets requests under way end, a second one ends at once. It takes a
changed configuration into use by itself, on SIGHUP, and on
POST /admin/v1/reload; a bad one changes nothing. It logs to standard error.`,
		Example: `  freehold serve
  freehold serve --config /etc/freehold/config.yaml`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, ds := p.load()
			if cfg == nil {
				return &app.ConfigError{Diagnostics: ds}
			}
			reloads, stop := hangups()
			defer stop()
			h := hooks()
			h.Reloads = reloads
			return app.Serve(c.Context(), app.Options{ConfigPath: p.configPath(), Log: logger(p.err, cfg.Server.Log), Clock: p.clock}, h)
		},
	}
}

// hooks are what the command line brings to a server.
func hooks() app.Hooks { return app.Hooks{Admin: admin.Handler} }

// hangups yields SIGHUP.
func hangups() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// logger writes as server.log says.
func logger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	// The configuration has checked the word; anything else would be info.
	_ = level.UnmarshalText([]byte(c.Level))
	o := &slog.HandlerOptions{Level: level}
	if string(c.Format) == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
