package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// turn is what loadgen reports of one turn; microseconds, and MiB.
type turn struct {
	Requests int            `json:"requests"`
	Errors   int            `json:"errors"`
	Kinds    map[string]int `json:"error_kinds"`
	RPS      float64        `json:"rps"`
	P50      float64        `json:"p50_us"`
	P99      float64        `json:"p99_us"`
	PerReq   float64        `json:"cpu_us_per_req"`
	PerEvent float64        `json:"cpu_us_per_event"`
	PeakRSS  float64        `json:"peak_rss_mib"`
}

// load says how loadgen asks.
type load struct {
	conns  int
	body   int // bytes
	stream bool
	rate   int // requests a second; 0: as fast as they are answered
	warmup time.Duration
	time   time.Duration
	limit  time.Duration // of one request; 0: loadgen's own
}

// drive runs loadgen against a server, for chat completions in OpenAI's dialect.
func (b *bench) drive(ctx context.Context, p *process, key, model string, l load) (turn, error) {
	args := []string{
		"-url", "http://" + p.at + "/v1/chat/completions", "-json", "-pid", strconv.Itoa(p.pid()), "-tree=false",
		"-c", strconv.Itoa(l.conns), "-body-bytes", strconv.Itoa(l.body), "-model", model,
		"-d", l.time.String(), "-warmup", l.warmup.String(),
	}
	if l.stream {
		args = append(args, "-stream")
	}
	if l.rate > 0 {
		args = append(args, "-rate", strconv.Itoa(l.rate))
	}
	if l.limit > 0 {
		args = append(args, "-timeout", l.limit.String())
	}
	if key != "" {
		args = append(args, "-H", "Authorization: Bearer "+key)
	}
	cmd := exec.CommandContext(ctx, b.programs.loadgen, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return turn{}, fmt.Errorf("loadgen at %s: %w: %s", p.name, err, tail(stderr.String()))
	}
	var t turn
	if err := json.Unmarshal(out, &t); err != nil {
		return t, fmt.Errorf("loadgen at %s printed %q: %w", p.name, out, err)
	}
	b.tell("%-9s %6d requests, %.1f us CPU/request, %.2f/event, p50 %.0f p99 %.0f us, peak %.1f MiB, %d errors %v",
		p.name, t.Requests, t.PerReq, t.PerEvent, t.P50, t.P99, t.PeakRSS, t.Errors, t.Kinds)
	if t.Requests == 0 {
		return t, fmt.Errorf("%s answered nothing in %v: %v", p.name, l.time, t.Kinds)
	}
	return t, nil
}
