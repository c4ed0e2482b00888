package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The figures of this file.
const (
	readyName  = "ready after exec, existing state"
	idleName   = "resident idle"
	streamName = "resident for one open slow stream"
)

// start measures how soon a freehold with an existing state serves, and what it
// takes when it has nothing to do.
func (b *bench) start(ctx context.Context) (err error) {
	if !b.wanted(readyName) && !b.wanted(idleName) {
		return nil
	}
	mock, err := b.startMock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = mock.stop() }() // it knows no orderly end and keeps nothing
	g, at, err := b.overMock(ctx, "start", mock)
	if err != nil {
		return err
	}
	if err := b.fill(ctx, g, at); err != nil {
		return err
	}
	var ready, idle []float64
	for range 2 * b.pairs {
		begin := time.Now()
		if err := b.exec(ctx, g, at); err != nil {
			return err
		}
		if err := g.wait(ctx, "/health/ready", 200*time.Microsecond, 10*time.Second); err != nil {
			return errors.Join(err, g.stop())
		}
		ready = append(ready, float64(time.Since(begin).Microseconds())/1e3)
		if len(idle) < 3 {
			time.Sleep(2 * time.Second) // what is done after the start is part of idle
			rss, err := resident(g.pid())
			if err != nil {
				return errors.Join(err, g.stop())
			}
			idle = append(idle, rss)
		}
		if err := g.stop(); err != nil {
			return err
		}
	}
	f := Figure{Group: memoryGroup, Name: readyName, Unit: "ms", Goal: 50, Note: "to the first 200 of /health/ready"}
	f.of(ready)
	b.add(f)
	f = Figure{Group: memoryGroup, Name: idleName, Unit: "MiB", Goal: 30, Note: "2 s after the start"}
	f.of(idle)
	b.add(f)
	return nil
}

// fill gives a state something to hold.
func (b *bench) fill(ctx context.Context, g *gateway, at string) error {
	if err := b.serve(ctx, g, at); err != nil {
		return err
	}
	_, err := b.drive(ctx, g.process, g.key, "mock-model", load{conns: 8, body: 1000, time: time.Second})
	return errors.Join(err, g.stop())
}

// streams measures what open streams take that hardly move.
func (b *bench) streams(ctx context.Context) (err error) {
	if !b.wanted(streamName) {
		return nil
	}
	f := Figure{Group: memoryGroup, Name: streamName, Unit: "KiB", Goal: 60}
	if b.quick {
		f.Skipped = "not with -quick"
		b.add(f)
		return nil
	}
	limit, err := openFiles()
	if err != nil {
		return err
	}
	n := 10_000
	if most := (limit - 100) / 2; n > most { // two connections a stream
		n = most
		f.Note = fmt.Sprintf("%d streams: no more than %d files may be open here", n, limit)
	}
	if n < 1000 {
		f.Skipped = fmt.Sprintf("only %d files may be open (ulimit -n)", limit)
		b.add(f)
		return nil
	}
	mock, err := b.startMock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = mock.stop() }() // as above
	if err := control(ctx, mock, "latency=0&chunks=4&chunk-delay=6s"); err != nil {
		return err
	}
	g, at, err := b.overMock(ctx, "streams", mock)
	if err != nil {
		return err
	}
	if err := b.serve(ctx, g, at); err != nil {
		return err
	}
	ours, t, idle, err := b.hold(ctx, g.process, g.key, n)
	if err = errors.Join(err, g.stop()); err != nil {
		return err
	}
	proxy, err := b.startProxy(ctx, mock)
	if err != nil {
		return err
	}
	floor, _, _, err := b.hold(ctx, proxy, "", n)
	_ = proxy.stop() // as above
	if err != nil {
		return err
	}
	f.of([]float64{ours})
	f.Errors = t.Errors
	f.Ours = fmt.Sprintf("%d streams, %.0f MiB over the %.0f MiB of an idle one", n, t.PeakRSS-idle, idle)
	f.Floor = fmt.Sprintf("revproxy %.3g KiB", floor)
	b.add(f)
	return nil
}

// hold opens n streams at once and returns the KiB that each of them takes at
// the peak, over what the process took before.
func (b *bench) hold(ctx context.Context, p *process, key string, n int) (kib float64, t turn, idle float64, err error) {
	time.Sleep(time.Second)
	if idle, err = resident(p.pid()); err != nil {
		return 0, t, 0, err
	}
	// A stream takes 24 s; the time is for one round of them and a slow machine.
	t, err = b.drive(ctx, p, key, "mock-model", load{conns: n, body: 1000, stream: true, time: 45 * time.Second, limit: time.Minute})
	return (t.PeakRSS - idle) * 1024 / float64(n), t, idle, err
}

// resident is the memory of a process in MiB, as the system counts it.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS: it has ended", pid)
}

// openFiles is how many files a process may open here. Go programs raise
// themselves to the hard limit.
func openFiles() (int, error) {
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(limits)) {
		if v, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(v); len(f) >= 2 {
				if f[1] == "unlimited" {
					return 1 << 20, nil
				}
				return strconv.Atoi(f[1])
			}
		}
	}
	return 0, errors.New("/proc/self/limits does not tell the limit of open files")
}
