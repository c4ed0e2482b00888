package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// firstContent is the figure that loadgen does not have: it knows the first
// byte of a stream, which a proxy passes on before there is any content, while
// a gateway that fails over must wait for real content.
const firstContent = "time to first content event"

// content measures the time until a client has the first event with text.
func (b *bench) content(ctx context.Context, s *stage) error {
	if err := control(ctx, s.mock, burst); err != nil {
		return err
	}
	streams := 400
	if b.quick {
		streams = 100
	}
	f := Figure{Group: latencyGroup, Name: firstContent, Unit: "x", Goal: 1.2}
	var ratios, ours, floors []float64
	for i := range b.pairs {
		var p50 [2]float64
		for n := range 2 {
			who, p, key := n, s.proxy, ""
			if i%2 == 1 {
				who = 1 - n
			}
			if who == 0 {
				p, key = s.freehold.process, s.freehold.key
			}
			t, err := firstEvents(ctx, p, key, streams)
			if err != nil {
				return err
			}
			p50[who] = t
			b.tell("%-9s first content p50 %.0f us", p.name, t)
		}
		ratios, ours, floors = append(ratios, p50[0]/p50[1]), append(ours, p50[0]), append(floors, p50[1])
	}
	f.of(ratios)
	f.Ours, f.Floor = fmt.Sprintf("%.0f us", median(ours)), fmt.Sprintf("%.0f", median(floors))
	f.Note = "p50 of streams one after another"
	b.add(f)
	return nil
}

// firstEvents asks for streams one after another and returns the median time to
// their first text, in microseconds.
func firstEvents(ctx context.Context, p *process, key string, n int) (float64, error) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	body := `{"model":"mock-model","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("Tell me more. ", 60) + `"}]}`
	var times []float64
	failed := 0
	for i := range n + n/10 {
		d, err := firstEvent(ctx, client, p, key, body)
		if err != nil && p.name == "revproxy" && failed < n/10 {
			failed++ // a ReverseProxy that hands on r.Body cuts a stream now and then
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		if i >= n/10 { // the first ones open connections and warm caches
			times = append(times, d)
		}
	}
	return median(times), nil
}

func firstEvent(ctx context.Context, client *http.Client, p *process, key, body string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.at+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	start := time.Now()
	a, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s", a.Status)
	}
	lines := bufio.NewReader(a.Body)
	var first time.Duration
	for {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		if first == 0 && bytes.Contains(line, []byte(`"content":"T`)) { // the mock's text begins so
			first = time.Since(start)
		}
	}
	if first == 0 {
		return 0, fmt.Errorf("a stream without text")
	}
	return float64(first.Nanoseconds()) / 1e3, nil
}
