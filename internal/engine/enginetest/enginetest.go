// Package enginetest gives tests the real local engine with the real small
// model. Both are installed once into a cache that all tests of the repository
// share ($FREEHOLD_TEST_CACHE, else .parts in its root), and one engine serves a
// whole test binary: it ends with the binary, however that ends.
package enginetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"freehold/internal/engine"
)

// Model is the name that the engine answers to.
const Model = "smollm2-135m"

// Slots is how many requests the shared engine serves at once.
const Slots = 2

// Context is the context of each slot in tokens.
const Context = 2048

// CacheDir is the cache that all tests share.
func CacheDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("FREEHOLD_TEST_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".parts")
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("enginetest: no go.mod above the test; set FREEHOLD_TEST_CACHE")
		}
		dir = filepath.Dir(dir)
	}
}

// Spec is the engine that Start starts: the managed one, with the default
// weights.
func Spec() engine.Spec {
	return engine.Spec{Name: Model, Source: engine.DefaultSource, Parallel: Slots, Context: Context}
}

var shared struct {
	once sync.Once
	m    *engine.Manager
	url  string
	err  error
}

// Start returns the base URL (http://127.0.0.1:PORT, without /v1) and the model
// of the shared engine, starting it on the first call. Where no package registry
// can be reached the test is skipped, but not in CI (CI=true).
func Start(t testing.TB) (baseURL, model string) {
	t.Helper()
	shared.once.Do(func() {
		shared.m = engine.NewManager(engine.Options{Installer: &engine.Installer{Dir: CacheDir(t)}})
		shared.url, shared.err = start(shared.m)
	})
	Check(t, shared.err)
	return shared.url, Model
}

// Stop ends the shared engine, if one was started: for a TestMain that looks for
// goroutines that are left. No test may run any more.
func Stop() error {
	if shared.m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return shared.m.Close(ctx)
}

func start(m *engine.Manager) (string, error) {
	p, err := m.Acquire(Spec())
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		return "", err
	}
	return p.BaseURL(), nil
}

// Check ends the test if err is not nil: skipped without a network outside of
// CI, failed otherwise.
func Check(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, engine.NoNetwork) && os.Getenv("CI") != "true":
		t.Skipf("skipped: the real engine cannot be installed here: %v", err)
	default:
		t.Fatalf("the real engine does not start: %v", err)
	}
}
