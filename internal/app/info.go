package app

import (
	"log/slog"
	"os"

	"freehold/internal/engine"
)

// URL is where this App serves, such as http://127.0.0.1:4000; empty while it
// does not: commands open an App without serving.
func (a *App) URL() string {
	if p := a.url.Load(); p != nil {
		return *p
	}
	return ""
}

// Reloads counts the configurations taken into use since the start.
func (a *App) Reloads() int64 { return a.reloads.Load() }

// Installer puts engines and weights into the cache directory; dir empty: the
// user's own.
func Installer(dir string, log *slog.Logger) (*engine.Installer, error) {
	dir, err := cacheDir(dir)
	if err != nil {
		return nil, err
	}
	return &engine.Installer{Dir: dir, Log: log, HubURL: os.Getenv("HF_ENDPOINT"), HubToken: os.Getenv("HF_TOKEN")}, nil
}
