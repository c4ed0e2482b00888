package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"freehold/internal/app"
	"freehold/internal/embed"
	"freehold/internal/vector"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/transfer"
)

// copyWork is one run of a copy.
type copyWork struct {
	p                *program
	e                *ends
	flags            *vectorFlags
	plan             *plan.Plan // nil: it is made, or that of the last copy
	journal          transfer.Journal
	readers, writers int
	refused          string
	again            bool
	left             []vector.Namespace // that appeared, and are not copied
	approved         bool               // what embedding costs
	asked            *plan.Embed        // what the flags say of new vectors; nil: nothing
	make             func(ctx context.Context) (*plan.Plan, error)
	doing            string // in the progress; empty: copy
	alias            string // that the collection gets when all is proven; empty: none
}

// embedUnit is how many records a unit has that are embedded: those of units that were
// under way when the program was killed are paid for twice.
const embedUnit = 200

// After a copy neighbours of fewer records are looked for than verify does.
const (
	copyQueries = 20
	copyExact   = 8
)

// copied is what a copy has come to, for programs.
type copied struct {
	ID      string         `json:"copy"`
	From    string         `json:"from"`
	To      string         `json:"to"`
	Resumed bool           `json:"resumed"`
	Tally   transfer.Tally `json:"tally"`
	// Given: by --ids, which are not listed and so cannot go; Has is how many records the
	// source says it has.
	Given   bool    `json:"given,omitempty"`
	Has     int64   `json:"source_has,omitempty"`
	Seconds float64 `json:"seconds"`
	// Indexing is how long the target then took for what it had put off.
	Indexing float64          `json:"indexing_seconds,omitempty"`
	Refused  string           `json:"refused_file,omitempty"`
	LeftOut  int64            `json:"left_out,omitempty"` // of those that were refused, on purpose
	Embedded *embed.Spent     `json:"embedded,omitempty"` // what this run has asked the model
	Verify   *transfer.Report `json:"verify,omitempty"`
	Alias    string           `json:"alias,omitempty"`     // that the collection has got
	AliasWas string           `json:"alias_was,omitempty"` // whose it was
}

func (w *copyWork) run(ctx context.Context, allow, noVerify bool) error {
	p := w.p
	if _, ok := w.e.target.(vector.Aliased); w.alias != "" && (!ok || noVerify) {
		return usagef("--alias: a collection of Qdrant or Milvus gets it, once it is verified")
	}
	job, resumed, err := w.job(ctx)
	if err != nil {
		return err
	}
	out := copied{ID: job.ID, From: w.e.fromURL, To: w.e.toURL, Resumed: resumed}
	switch {
	case !job.Ended.IsZero() && w.e.local:
		fmt.Fprintf(p.err, "%s was made %s UTC; take it away to make it anew\n", w.e.to.at.Path, at(job.Ended))
		out.Tally, err = w.journal.Tally(ctx, job.ID)
	case !job.Ended.IsZero():
		fmt.Fprintf(p.err, "copy %s was done %s UTC; --again copies once more\n", job.ID, at(job.Ended))
		out.Tally, err = w.journal.Tally(ctx, job.ID)
	default:
		if resumed {
			fmt.Fprintf(p.err, "goes on with copy %s, begun %s UTC\n", job.ID, at(job.Started))
		}
		if err = w.agreed(ctx, job.ID); err == nil {
			err = w.copy(ctx, &job, &out)
		}
	}
	if err != nil {
		return err
	}
	if em := w.e.embedding; em != nil {
		spent := em.texts.Spent()
		out.Embedded = &spent
	}
	known, err := w.letters(ctx, job.ID, &out)
	if err != nil {
		return err
	}
	short, err := w.given(ctx, &out)
	if err != nil {
		return err
	}
	wrong := w.leftError()
	if noVerify { // which says more
		wrong = errors.Join(wrong, short)
	} else {
		if err := p.openPlannedEmbedding(ctx, w.e, w.plan, &w.flags.embed, w.flags.data); err != nil {
			return err
		}
		if out.Verify, err = p.verifyVectors(ctx, w.e, w.plan, known, copyQueries, copyExact); err != nil {
			return fmt.Errorf("all is copied, and could not be verified: %w", err)
		}
		wrong = errors.Join(wrong, answerOf(out.Verify))
	}
	if n := out.Tally.Refused - out.LeftOut; n > 0 && !allow {
		what := "could not be copied"
		if w.e.local {
			what = agree(n, "was", "were") + " not embedded"
		}
		wrong = errors.Join(wrong, fmt.Errorf("%s %s: %s says why of each", plural(int(n), "record"), what, out.Refused))
	}
	wrong = errors.Join(wrong, w.aliased(ctx, &out, wrong))
	if p.json {
		return errors.Join(p.done(out, nil), wrong)
	}
	p.printCopied(&out)
	return wrong
}

// given holds a copy by --ids against what the source says it has. Of each namespace all
// ids were asked for, so that one that did not come did not go.
func (w *copyWork) given(ctx context.Context, out *copied) (short, err error) {
	from, ok := w.e.source.(vector.Given)
	if !ok || from.Given() == nil {
		return nil, nil
	}
	now, err := w.e.source.Describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	out.Given = true
	out.Tally.Listed, out.Tally.Gone = out.Tally.Listed-out.Tally.Gone, 0
	for _, ns := range now.Namespaces {
		if slices.Contains(w.plan.All(), ns.Name) {
			out.Has += ns.Count
		}
	}
	if out.Tally.Listed < out.Has {
		short = fmt.Errorf("the ids of --ids are those of %s of %s that the source says it has: give the ids of all; --again copies further ones", count(out.Tally.Listed), plural(int(out.Has), "record"))
	}
	return short, nil
}

// aliased gives the collection its alias, if nothing is wrong with it.
func (w *copyWork) aliased(ctx context.Context, out *copied, wrong error) (err error) {
	to, ok := w.e.target.(vector.Aliased)
	switch {
	case w.alias == "" || !ok:
		return nil
	case wrong != nil:
		return fmt.Errorf("alias %s stays where it is", w.alias)
	}
	if out.AliasWas, err = to.Alias(ctx, w.alias); err == nil {
		out.Alias = w.alias
	}
	return err
}

// job is the last copy of these ends, whose plan is then the one that counts, or a
// new one.
func (w *copyWork) job(ctx context.Context) (job transfer.Copy, resumed bool, err error) {
	last, err := lastCopy(ctx, w.journal, w.e)
	if err != nil {
		return job, false, err
	}
	if last != nil && (last.Ended.IsZero() || !w.again) {
		was := &plan.Plan{}
		if err := json.Unmarshal(last.Plan, was); err != nil {
			return job, false, fmt.Errorf("the plan of copy %s: %w", last.ID, err)
		}
		other := w.plan != nil && !was.Alike(w.plan) || w.plan == nil && w.asked != nil && !was.Embed.Asks(w.asked)
		switch {
		case other && w.e.local:
			return job, false, fmt.Errorf("%s was made, or begun, %s UTC with other flags: give the same ones, or another -o", w.e.to.at.Path, at(last.Started))
		case other:
			return job, false, fmt.Errorf("copy %s of these stores, begun %s UTC, is by another plan: copy without --plan and without --embed to go on with it, or to another collection", last.ID, at(last.Started))
		}
		return *last, true, w.takeUp(ctx, last, was)
	}
	if w.plan == nil {
		if w.plan, err = w.make(ctx); err != nil {
			return job, false, err
		}
		err = w.plan.Fits(&w.plan.Found.Source)
	} else {
		err = w.fits(ctx)
	}
	if err == nil {
		err = w.plan.Measures()
	}
	if err != nil {
		return job, false, err
	}
	if err := w.permitted(w.plan); err != nil {
		return job, false, err
	}
	text, err := json.Marshal(w.plan)
	if err != nil {
		return job, false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return job, false, err
	}
	job = transfer.Copy{ID: id.String(), From: w.e.fromURL, To: w.e.toURL, Started: w.p.clock(), Plan: text}
	return job, false, w.journal.PutCopy(ctx, job)
}

// fits refuses a plan that is not of the source as it is now.
func (w *copyWork) fits(ctx context.Context) error {
	now, err := w.e.source.Describe(ctx)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	if err := w.plan.Fits(now); err != nil {
		return fmt.Errorf("%s: %w", w.flags.plan, err)
	}
	return nil
}

// takeUp takes the plan of a copy that goes on. What its classes are and whether it is
// allowed is as it was reviewed last.
func (w *copyWork) takeUp(ctx context.Context, job *transfer.Copy, was *plan.Plan) (err error) {
	reviewed := w.plan
	if w.plan = was; reviewed != nil {
		was.Data, was.AllowForbidden = reviewed.Data, reviewed.AllowForbidden
		if was.Embed != nil {
			was.Embed.LeaveOut = reviewed.Embed.LeaveOut
		}
	}
	if err := w.permitted(was); err != nil || reviewed == nil {
		return err
	}
	if job.Plan, err = json.Marshal(was); err != nil {
		return err
	}
	return w.journal.PutCopy(ctx, *job)
}

func (w *copyWork) permitted(pl *plan.Plan) error {
	if w.e.local {
		return nil
	}
	return w.p.permitted(w.e, pl, w.flags.data)
}

// lastCopy is the last copy of these ends, nil of none.
func lastCopy(ctx context.Context, journal transfer.Journal, e *ends) (*transfer.Copy, error) {
	all, err := journal.Copies(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].From == e.fromURL && all[i].To == e.toURL {
			return &all[i], nil
		}
	}
	return nil, nil
}

// copy copies what is not yet copied.
func (w *copyWork) copy(ctx context.Context, job *transfer.Copy, out *copied) error {
	begun := w.p.clock()
	var err error
	// One that goes on finds what it has made, which may even be finished.
	if _, there := w.e.target.Describe(ctx); !out.Resumed || there != nil {
		if err = w.e.target.Create(ctx, &w.plan.Create); err != nil {
			return err
		}
	}
	if err = w.postpone(ctx, job); err != nil {
		return err
	}
	if out.Tally, err = w.transfer(ctx, job); err != nil {
		return w.stopped(ctx, job, err)
	}
	moved := w.p.clock()
	out.Seconds = moved.Sub(begun).Seconds()
	if err = w.restore(ctx, job); err != nil {
		return w.stopped(ctx, job, err)
	}
	job.Ended = w.p.clock()
	out.Indexing = job.Ended.Sub(moved).Seconds()
	return w.journal.PutCopy(ctx, *job)
}

// stopped says how a copy goes on that did not come to its end.
func (w *copyWork) stopped(ctx context.Context, job *transfer.Copy, err error) error {
	later := ""
	if job.Postponed != "" {
		later = "; until its end the target makes no index"
	}
	if ctx.Err() != nil {
		return errors.Join(errors.New("stopped; the same command goes on from here"+later), context.Cause(ctx))
	}
	return fmt.Errorf("%w; what is copied stays, and the same command goes on from here%s", err, later)
}

// postpone has the target put off what makes loading slow. What is to be restored is on
// record before, so that whatever ends this run, the next one knows it.
func (w *copyWork) postpone(ctx context.Context, job *transfer.Copy) (err error) {
	bulk, ok := w.e.target.(transfer.Bulk)
	if !ok {
		return nil
	}
	if job.Postponed == "" {
		if job.Postponed, err = bulk.Setting(ctx); err != nil || job.Postponed == "" {
			return err
		}
		if err := w.journal.PutCopy(ctx, *job); err != nil {
			return err
		}
	}
	return bulk.Postpone(ctx)
}

// restore has the target do what it put off, and waits for it.
func (w *copyWork) restore(ctx context.Context, job *transfer.Copy) error {
	bulk, ok := w.e.target.(transfer.Bulk)
	if !ok || job.Postponed == "" {
		return nil
	}
	fmt.Fprintln(w.p.err, "all is copied; the target makes its index")
	waits := w.waits()
	if err := waits.Again(ctx, "make the index", func() error { return bulk.Restore(ctx, job.Postponed) }); err != nil {
		return fmt.Errorf("all is copied, and the target is to make its index: %w", err)
	}
	job.Postponed = ""
	return nil
}

// more looks for namespaces that appeared in the source. Those that are copied too are
// put on record first.
func (w *copyWork) more(ctx context.Context, job *transfer.Copy) ([]string, error) {
	now, err := w.e.source.Describe(ctx)
	if err != nil {
		return nil, err
	}
	limits := w.e.target.Limits()
	names, left := w.plan.New(now, &limits)
	if w.left = left; len(names) == 0 {
		return nil, nil
	}
	fmt.Fprintf(w.p.err, "namespaces that appeared since the plan are copied, too: %s\n", tame(strings.Join(names, ", ")))
	w.plan.Appeared = append(w.plan.Appeared, names...)
	if job.Plan, err = json.Marshal(w.plan); err != nil {
		return nil, err
	}
	return names, w.journal.PutCopy(ctx, *job)
}

// leftError says which namespaces appeared and are not in the target, nil of none.
func (w *copyWork) leftError() error {
	if len(w.left) == 0 {
		return nil
	}
	var names []string
	for _, ns := range w.left {
		names = append(names, fmt.Sprintf("%q (%s)", ns.Name, plural(int(ns.Count), "record")))
	}
	return fmt.Errorf("namespaces appeared in the source that the plan has not, and were not copied: %s. Plan anew, with namespaces of their own in the target or into another collection", strings.Join(names, ", "))
}

func (w *copyWork) transfer(ctx context.Context, job *transfer.Copy) (transfer.Tally, error) {
	show := w.p.newVectorProgress(cmp.Or(w.doing, "copy"), w.plan.Found.Size.Records)
	defer show.close()
	unit := 0
	if w.plan.Embed != nil {
		unit = embedUnit
	}
	o := w.waits()
	o.Embedding, o.Unit, o.Source, o.Target, o.Mapping, o.Namespaces, o.Journal, o.ID = w.e.embedding.of(), unit, w.e.source, w.e.target, w.plan.Mapping, w.plan.All(), w.journal, job.ID
	o.Readers, o.Writers = w.readers, w.writers
	o.Progress = func(t transfer.Tally) { show.set(t.Copied+t.Refused+t.Gone, t.Listed, t.Lag) }
	o.More = func(ctx context.Context) ([]string, error) { return w.more(ctx, job) }
	return transfer.Run(ctx, o)
}

// waits is how a copy waits for a store that is away.
func (w *copyWork) waits() transfer.Options {
	return transfer.Options{Log: warnings(w.p), Clock: w.p.clock, Sleep: app.Sleep, Jitter: rand.Float64}
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
		if w.plan.LeavesOut(r.ID) {
			out.LeftOut++
		}
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

	lag atomic.Int64 // apart from mu: the bar asks for it while set waits for the bar

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
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d "), decor.AverageSpeed(0, "%.0f/s "), decor.AverageETA(decor.ET_STYLE_GO), decor.Any(func(decor.Statistics) string { return g.lags() })))
	}
	return g
}

// lags is how many records are listed and not yet acknowledged, in words.
func (g *vectorProgress) lags() string {
	if n := g.lag.Load(); n > 0 {
		return " lag " + count(n)
	}
	return ""
}

// set says how many records are done, how many are known, and how many are listed and
// not yet acknowledged.
func (g *vectorProgress) set(done, known, lag int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total = max(g.total, known)
	g.lag.Store(lag)
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
	behind := ""
	if lag > 0 {
		behind = ", lag " + count(lag)
	}
	fmt.Fprintf(g.p.err, "%s: %s of %s, %.0f/s%s\n", g.what, count(done), count(g.total), float64(done)/now.Sub(g.begun).Seconds(), behind)
}

func (g *vectorProgress) close() {
	if g.bars != nil {
		g.bar.Abort(false)
		g.bars.Wait()
	}
}
