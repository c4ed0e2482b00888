package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const shadowName = "p99 while requests are shadowed, over p99 without"

// shadowConfig has a second model that a workload can be moved to, and that says
// the same.
const shadowConfig = `server: {listen: "%[1]s", auth: keys, log: {level: warn, format: text}}
state: sqlite:state.db
providers:
  same: {dialect: openai, base_url: "http://%[2]s/v1"}
models:
  mock-same: {provider: same, id: mock-model}
  mock-twin: {provider: same, id: mock-model}
workloads:
  moving: {model: mock-same}
rollouts:
  moving:
    to: mock-twin
    shadow: {share: 10%%, least: 1000000, most: 1000000}
    judge: {kind: normalised}
`

// shadow measures what clients notice of a shadow stage: the same load on the same
// freehold, in turns with a rollout under way and without. The mock takes as long
// as a quick model does.
func (b *bench) shadow(ctx context.Context) (err error) {
	if !b.wanted(shadowName) {
		return nil
	}
	mock, err := b.startMock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mock.stop()) }()
	if err := control(ctx, mock, "latency=50ms&chunks=50&chunk-delay=0"); err != nil {
		return err
	}
	at, err := freeAddress()
	if err != nil {
		return err
	}
	g, err := b.prepare(ctx, "shadow", fmt.Sprintf(shadowConfig, at, mock.at))
	if err != nil {
		return err
	}
	if err := b.serve(ctx, g, at); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()

	l := load{conns: 64, body: 1000, rate: 200, time: 4 * b.duration, warmup: time.Second}
	f := Figure{Group: latencyGroup, Name: shadowName, Unit: "x", Goal: 1.02}
	var ratios, with, without []float64
	for i := range b.pairs {
		var turns [2]turn // without, with
		for n := range 2 {
			shadowed := (n == 1) != (i%2 == 1)
			if shadowed {
				if _, err := b.ask(ctx, "rollout", "start", "moving", "--yes", "--config", g.config); err != nil {
					return err
				}
			}
			t, err := b.drive(ctx, g.process, g.key, "moving", l)
			if err != nil {
				return err
			}
			if !shadowed {
				turns[0] = t
				continue
			}
			turns[1] = t
			if _, err := b.ask(ctx, "rollout", "abort", "moving", "--config", g.config); err != nil {
				return err
			}
		}
		ratios = append(ratios, turns[1].P99/turns[0].P99)
		without, with = append(without, turns[0].P99), append(with, turns[1].P99)
		f.Errors += turns[0].Errors + turns[1].Errors
	}
	f.of(ratios)
	f.Ours, f.Floor = fmt.Sprintf("%.1f ms", median(with)/1000), fmt.Sprintf("%.1f ms", median(without)/1000)
	f.Note = "200 requests/s to a model that takes 50 ms; 10 % are copied to another and judged"
	b.add(f)
	return nil
}
