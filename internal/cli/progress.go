package cli

import (
	"fmt"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"freehold/internal/engine"
)

// progress shows long work: bars on a terminal, lines elsewhere.
type progress struct {
	p    *program
	bars *mpb.Progress // nil: lines

	mu    sync.Mutex
	steps map[string]*step
}

type step struct {
	bar   *mpb.Bar
	shown int64 // quarters that have been printed
	over  bool
}

// newProgress begins to show; close it.
func (p *program) newProgress() *progress {
	g := &progress{p: p, steps: map[string]*step{}}
	if terminal(p.err) {
		g.bars = mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(40))
	}
	return g
}

// report takes what an installer reports.
func (g *progress) report(r engine.Progress) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.steps[r.What]
	if s == nil {
		s = &step{}
		g.steps[r.What] = s
		if g.bars != nil && !r.Finished {
			s.bar = g.bars.AddBar(r.Total,
				mpb.PrependDecorators(decor.Name(clip(r.What, 32)+" ")),
				mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
		} else if g.bars == nil && !r.Finished {
			fmt.Fprintln(g.p.err, r.What, "...")
		}
	}
	switch {
	case s.over:
	case r.Finished:
		s.over = true
		if s.bar != nil {
			s.bar.SetTotal(max(r.Total, r.Done, 1), true)
		} else if g.bars == nil && s.shown > 0 {
			fmt.Fprintf(g.p.err, "%s: done, %s\n", r.What, size(r.Done))
		}
	case s.bar != nil:
		s.bar.SetTotal(r.Total, false)
		s.bar.SetCurrent(r.Done)
	case r.Total > 0:
		if quarter := 4 * r.Done / r.Total; quarter > s.shown && quarter < 4 {
			s.shown = quarter
			fmt.Fprintf(g.p.err, "%s: %d%% of %s\n", r.What, 25*quarter, size(r.Total))
		}
	}
}

// close ends all bars: those of work that failed stay where they are.
func (g *progress) close() {
	if g.bars == nil {
		return
	}
	g.mu.Lock()
	for _, s := range g.steps {
		if s.bar != nil && !s.over {
			s.bar.Abort(false)
		}
	}
	g.mu.Unlock()
	g.bars.Wait()
}

// counter shows how many of a number of things are done: a bar on a terminal,
// lines elsewhere.
type counter struct {
	p     *program
	what  string
	total int
	bars  *mpb.Progress // nil: lines
	bar   *mpb.Bar

	mu   sync.Mutex
	done int
}

// newCounter begins to count; close it.
func (p *program) newCounter(what string, total int) *counter {
	c := &counter{p: p, what: what, total: total}
	if terminal(p.err) {
		c.bars = mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(40))
		c.bar = c.bars.AddBar(int64(total), mpb.PrependDecorators(decor.Name(what+" ")), mpb.AppendDecorators(decor.CountersNoUnit("%d / %d")))
	}
	return c
}

// add counts one more.
func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := 4 * c.done / max(1, c.total)
	c.done++
	switch after := 4 * c.done / max(1, c.total); {
	case c.bar != nil:
		c.bar.Increment()
	case after > before:
		fmt.Fprintf(c.p.err, "%s: %s of %s\n", c.what, count(int64(c.done)), count(int64(c.total)))
	}
}

// close ends the bar: that of work that failed stays where it is.
func (c *counter) close() {
	if c.bars != nil {
		c.bar.Abort(false)
		c.bars.Wait()
	}
}
