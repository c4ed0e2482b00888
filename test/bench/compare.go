package main

import (
	"context"
	"errors"
	"fmt"
)

// stage is what the loads run against.
type stage struct {
	mock, proxy *process
	freehold    *gateway
}

// open starts mock, proxy and freehold.
func (b *bench) open(ctx context.Context) (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.mock, err = b.startMock(ctx); err != nil {
		return s, err
	}
	if s.proxy, err = b.startProxy(ctx, s.mock); err != nil {
		return s, err
	}
	g, at, err := b.overMock(ctx, "load", s.mock)
	if err != nil {
		return s, err
	}
	if err := b.serve(ctx, g, at); err != nil {
		return s, err
	}
	s.freehold = g
	return s, nil
}

func (s *stage) close() error {
	var errs []error
	if s.freehold != nil {
		errs = append(errs, s.freehold.stop())
	}
	for _, p := range []*process{s.proxy, s.mock} {
		if p == nil {
			continue
		}
		// They know no orderly end and keep nothing.
		_ = p.stop()
	}
	return errors.Join(errs...)
}

// load measures everything that is compared under load.
func (b *bench) load(ctx context.Context) (err error) {
	s, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, c := range scenarios(b.duration) {
		if b.wanted(c.name) {
			if err := b.compare(ctx, s, c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		if c.added && b.wanted(firstContent) { // beside the other figure of its group
			if err := b.content(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", firstContent, err)
			}
		}
	}
	if b.peak > 0 && b.only.String() == "" {
		f := Figure{Group: memoryGroup, Name: "resident under load", Unit: "MiB", Goal: 60, Note: "the peak of all turns above"}
		f.of([]float64{b.peak})
		b.add(f)
	}
	return nil
}

// compare lets freehold and the proxy take turns; who is first alternates.
func (b *bench) compare(ctx context.Context, s *stage, c scenario) error {
	if err := control(ctx, s.mock, c.mock); err != nil {
		return err
	}
	f := Figure{Group: c.group, Name: c.name, Unit: "x", Goal: c.goal, Aim: c.aim}
	var ratios, ours, floors []float64
	for i := range b.pairs {
		pair, base, err := b.pair(ctx, s, c, i%2 == 1)
		if err != nil {
			return err
		}
		a, p := c.value(pair[0])-base, c.value(pair[1])-base
		if p <= 0 {
			// Without a floor there is no ratio: say so instead of making one up.
			f.Note = "turns in which the proxy added nothing measurable are left out"
			continue
		}
		ratios, ours, floors = append(ratios, a/p), append(ours, a), append(floors, p)
		f.Errors += pair[0].Errors
		b.peak = max(b.peak, pair[0].PeakRSS)
	}
	if len(ratios) == 0 {
		f.Skipped = "the proxy's part was too small to measure in any turn"
		b.add(f)
		return nil
	}
	f.of(ratios)
	f.Ours = fmt.Sprintf("%.1f %s", median(ours), c.unit)
	f.Floor = fmt.Sprintf("%.1f", median(floors))
	b.add(f)
	return nil
}

// pair is one turn at freehold, then one at the proxy, or the other way round;
// base is what the mock alone takes, where that is asked for.
func (b *bench) pair(ctx context.Context, s *stage, c scenario, reversed bool) (pair [2]turn, base float64, err error) {
	if c.added {
		t, err := b.drive(ctx, s.mock, "", "mock-model", c.load)
		if err != nil {
			return pair, 0, err
		}
		base = c.value(t)
	}
	for n := range 2 {
		if who := n; (who == 0) != reversed {
			pair[0], err = b.drive(ctx, s.freehold.process, s.freehold.key, c.model, c.load)
		} else {
			pair[1], err = b.drive(ctx, s.proxy, "", "mock-model", c.load)
		}
		if err != nil {
			return pair, base, err
		}
	}
	return pair, base, nil
}
