package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"freehold/internal/vector/plan"
	"freehold/internal/vector/transfer"
)

// copyWork is one run of a copy.
type copyWork struct {
	p                *program
	e                *ends
	plan             *plan.Plan
	journal          transfer.Journal
	readers, writers int
	refused          string
	again            bool
}

// copied is what a copy has come to, for programs.
type copied struct {
	ID      string           `json:"copy"`
	From    string           `json:"from"`
	To      string           `json:"to"`
	Resumed bool             `json:"resumed"`
	Tally   transfer.Tally   `json:"tally"`
	Seconds float64          `json:"seconds"`
	Refused string           `json:"refused_file,omitempty"`
	Verify  *transfer.Report `json:"verify,omitempty"`
}

func (w *copyWork) run(ctx context.Context, allow, noVerify bool) error {
	p := w.p
	job, resumed, err := w.job(ctx)
	if err != nil {
		return err
	}
	if err := w.e.to.Create(ctx, &w.plan.Create); err != nil && !(resumed && !job.Ended.IsZero()) {
		return err
	}
	if resumed {
		fmt.Fprintf(p.err, "goes on with copy %s, begun %s UTC\n", job.ID, at(job.Started))
	}
	begun := p.clock()
	tally, err := w.copy(ctx, job)
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(errors.New("stopped; the same command goes on from here"), context.Cause(ctx))
		}
		return fmt.Errorf("%w; what is copied stays, and the same command goes on from here", err)
	}
	job.Ended = p.clock()
	if err := w.journal.PutCopy(ctx, job); err != nil {
		return err
	}
	out := copied{ID: job.ID, From: w.e.fromURL, To: w.e.toURL, Resumed: resumed, Tally: tally, Seconds: job.Ended.Sub(begun).Seconds()}
	known, err := w.letters(ctx, job.ID, &out)
	if err != nil {
		return err
	}
	var wrong error
	if !noVerify {
		if out.Verify, err = p.verifyVectors(ctx, w.e, w.plan, known, 0); err != nil {
			return fmt.Errorf("all is copied, and could not be verified: %w", err)
		}
		wrong = answerOf(out.Verify)
	}
	if n := tally.Refused; n > 0 && !allow {
		wrong = errors.Join(wrong, fmt.Errorf("%s could not be copied: %s has them with their reasons", plural(int(n), "record"), out.Refused))
	}
	if p.json {
		return errors.Join(p.done(out, nil), wrong)
	}
	p.printCopied(&out)
	return wrong
}

// job is the copy of these ends that has not ended, or a new one.
func (w *copyWork) job(ctx context.Context) (job transfer.Copy, resumed bool, err error) {
	all, err := w.journal.Copies(ctx)
	if err != nil {
		return job, false, err
	}
	text, err := json.Marshal(w.plan)
	if err != nil {
		return job, false, err
	}
	for _, c := range all {
		if c.From != w.e.fromURL || c.To != w.e.toURL || !c.Ended.IsZero() {
			continue
		}
		var was plan.Plan
		if err := json.Unmarshal(c.Plan, &was); err != nil {
			return job, false, fmt.Errorf("the plan of copy %s: %w", c.ID, err)
		}
		if !was.Alike(w.plan) {
			return job, false, fmt.Errorf("copy %s of these stores is under way by another plan: go on with that one, or end it by copying to another collection", c.ID)
		}
		return c, true, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return job, false, err
	}
	job = transfer.Copy{ID: id.String(), From: w.e.fromURL, To: w.e.toURL, Started: w.p.clock(), Plan: text}
	return job, false, w.journal.PutCopy(ctx, job)
}

func (w *copyWork) copy(ctx context.Context, job transfer.Copy) (transfer.Tally, error) {
	show := w.p.newVectorProgress("copy", w.plan.Found.Size.Records)
	defer show.close()
	return transfer.Run(ctx, transfer.Options{
		Source: w.e.from, Target: w.e.to, Mapping: w.plan.Mapping, Namespaces: w.plan.Namespaces, Journal: w.journal, ID: job.ID,
		Readers: w.readers, Writers: w.writers, Log: warnings(w.p), Clock: w.p.clock, Sleep: sleep, Jitter: rand.Float64,
		Progress: func(t transfer.Tally) { show.set(t.Copied+t.Refused+t.Gone, t.Listed) },
	})
}

// letters writes what could not be copied to its file, and returns whose it is.
func (w *copyWork) letters(ctx context.Context, id string, out *copied) (known map[[2]string]bool, err error) {
	known = map[[2]string]bool{}
	if out.Tally.Refused == 0 {
		return known, nil
	}
	out.Refused = refusedFile(w.refused, id)
	f, err := os.OpenFile(out.Refused, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer finish(&err, f.Close)
	b := bufio.NewWriter(f)
	lines := json.NewEncoder(b)
	for r, err := range w.journal.Refused(ctx, id) {
		if err != nil {
			return nil, err
		}
		known[[2]string{r.Namespace, r.ID}] = true
		if err := lines.Encode(r); err != nil {
			return nil, err
		}
	}
	return known, b.Flush()
}

// vectorProgress shows how far a copy or a verification is: a bar with its rate on a
// terminal, lines elsewhere.
type vectorProgress struct {
	p    *program
	what string
	bars *mpb.Progress // nil: lines
	bar  *mpb.Bar

	mu    sync.Mutex
	total int64
	begun time.Time
	said  time.Time
}

// everyLine is how often a line is printed where there is no terminal.
const everyLine = 10 * time.Second

func (p *program) newVectorProgress(what string, total int64) *vectorProgress {
	now := p.clock()
	g := &vectorProgress{p: p, what: what, total: total, begun: now, said: now}
	if terminal(p.err) {
		g.bars = mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(30))
		g.bar = g.bars.AddBar(total, mpb.PrependDecorators(decor.Name(what+" ")),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d "), decor.AverageSpeed(0, "%.0f/s "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	return g
}

// set says how many records are done, and how many are known.
func (g *vectorProgress) set(done, known int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total = max(g.total, known)
	if g.bar != nil {
		g.bar.SetTotal(g.total, false)
		g.bar.SetCurrent(done)
		return
	}
	now := g.p.clock()
	if now.Sub(g.said) < everyLine {
		return
	}
	g.said = now
	fmt.Fprintf(g.p.err, "%s: %s of %s, %.0f/s\n", g.what, count(done), count(g.total), float64(done)/now.Sub(g.begun).Seconds())
}

func (g *vectorProgress) close() {
	if g.bars != nil {
		g.bar.Abort(false)
		g.bars.Wait()
	}
}
