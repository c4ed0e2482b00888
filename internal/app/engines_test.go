package app_test

import (
	"testing"

	"freehold/internal/app"
	"freehold/internal/config"
)

// TestSpecNamesFile: a program that stands beside the configuration is that
// file, not one of the same name on PATH.
func TestSpecNamesFile(t *testing.T) {
	resolve := func(name string) string { return name }
	for path, want := range map[config.Path]string{"": "", "llama-server": "./llama-server", "etc/llama-server": "etc/llama-server", "/opt/llama-server": "/opt/llama-server"} {
		if got := app.Spec(resolve, &config.Provider{EngineOptions: config.EngineOptions{Path: path}}, &config.Model{}, &config.Deployment{}).Binary; got != want {
			t.Errorf("path %q runs %q, want %q", path, got, want)
		}
	}
}
