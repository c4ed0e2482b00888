package app

import (
	"encoding/pem"
	"log/slog"
	"os"

	"freehold/internal/config"
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

// Certificate is the one that requests are served with, in PEM; empty without TLS.
func (a *App) Certificate() string {
	if a.certificate == nil {
		return ""
	}
	pair, err := a.certificate.get(nil)
	if err != nil {
		return "" // there is none before the first that loads
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
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

// Unset is what [Lenient] puts in the place of a secret.
const Unset = "unset-in-this-environment"

// Lenient reads a configuration as env does, but takes secrets that are not there
// for set: the shell of whoever asks a question seldom has the server's
// environment. What says where things are must be there: another state than the
// server's would answer. Nothing may be sent with such a configuration.
func Lenient(env config.Env) config.Env {
	env.Unset = Unset
	return env
}
