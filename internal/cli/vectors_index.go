package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
)

const indexHelp = `An index is named as under indexes: in config.yaml, or by its two stores with
--from and --to.`

// indexFlags name an index by its stores.
type indexFlags struct{ from, to string }

func (f *indexFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.from, "from", "", "the index at Pinecone: its `URL`, or a store's name")
	c.Flags().StringVar(&f.to, "to", "", "the store that it moves to: its `URL`, or a store's name")
}

// indexName finds the index that is meant; "" and no error: none has these stores.
func (p *program) indexName(args []string, f *indexFlags) (string, error) {
	if len(args) == 1 {
		if f.from != "" || f.to != "" {
			return "", usagef("an index is named by itself or by --from and --to, not by both")
		}
		return args[0], nil
	}
	cfg, err := p.vectorConfig()
	if err != nil {
		return "", err
	}
	if f.from == "" || f.to == "" {
		if cfg != nil && len(cfg.Indexes) == 1 && f.from == "" && f.to == "" {
			for name := range cfg.Indexes {
				return name, nil
			}
		}
		return "", usagef("name the index: one under indexes: in %s, or its stores by --from and --to", p.configPath())
	}
	from, err := p.vectorEnd(cfg, "from", f.from)
	if err != nil {
		return "", err
	}
	to, err := p.vectorEnd(cfg, "to", f.to)
	if err != nil || cfg == nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Indexes)) {
		if x := cfg.Indexes[name]; x.Source.Address.Same(&from.at) && x.Target.Address.Same(&to.at) {
			return name, nil
		}
	}
	return "", nil
}

// newIndex puts an index into the configuration, by the name that it has at Pinecone, and
// says which key is to be taken out to have the configuration as it was.
func (p *program) newIndex(ctx context.Context, s *admin.Client, f *indexFlags) (name, made string, err error) {
	cfg, err := p.vectorConfig()
	if err != nil {
		return "", "", err
	}
	from, err := p.vectorEnd(cfg, "from", f.from)
	if err != nil {
		return "", "", err
	}
	to, err := p.vectorEnd(cfg, "to", f.to)
	if err != nil {
		return "", "", err
	}
	name = from.at.Name
	if cfg != nil && cfg.Indexes[name] != nil {
		x := cfg.Indexes[name]
		return "", "", hintedf("give this one another name under indexes:", "the index %s in %s is from %s to %s", name, p.configPath(), x.From, x.To)
	}
	value := map[string]any{"from": f.from, "to": f.to}
	if from.at.Key != "" || to.at.Key != "" {
		return "", "", hintedf("stores: {NAME: {url: ..., api_key: \"${env:NAME}\"}} in config.yaml,\n        and --from NAME", "a URL with a key cannot be that of an index: name the store")
	}
	made = "indexes." + quotedPart(name)
	src, err := os.ReadFile(p.configPath())
	if err != nil {
		return "", "", err
	}
	out, err := admin.ConfigSet.Call(ctx, s, admin.ConfigSetIn{Path: made, Value: value, Reason: p.reason})
	switch {
	case err != nil:
	case out.How == string(config.WritesFile):
		if _, none := config.Delete(src, "indexes"); errors.Is(none, config.ErrNoKey) {
			made = "indexes" // that came with it
		}
		fmt.Fprintf(p.err, "the index %s is in %s now\n", tame(name), p.configPath())
	default:
		fmt.Fprintf(p.err, "the server holds the index %s: %s does not have it\n", tame(name), p.configPath())
	}
	return name, made, err
}

// takenBack takes a new index out of the configuration again where its move has not
// begun: why is what kept it from that.
func (p *program) takenBack(ctx context.Context, s *admin.Client, name, made string, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second) // also of one that was interrupted
	defer cancel()
	x, err := admin.IndexStatus.Call(ctx, s, admin.IndexIn{Index: name})
	if err == nil && x.Phase != "" && x.Phase != string(front.Relay) {
		return why
	}
	if _, err := admin.ConfigUnset.Call(ctx, s, admin.ConfigUnsetIn{Path: made, Reason: "taken back: " + strings.Join(strings.Fields(why.Error()), " ")}); err != nil {
		return fmt.Errorf("%w\nthe index %s stays in the configuration: %w", why, name, err)
	}
	fmt.Fprintf(p.err, "the index %s is taken back: the configuration is as it was\n", tame(name))
	return why
}

func quotedPart(name string) string {
	if strings.ContainsAny(name, ".\"") {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// indexServer is the running server, which moves indexes.
func (p *program) indexServer(ctx context.Context) (*admin.Client, error) {
	if s := p.server(ctx); s != nil {
		return s, nil
	}
	return nil, errors.New("no server runs: indexes are served, filled and moved by it: freehold serve")
}

func (p *program) vectorsSyncCommand() *cobra.Command {
	var f indexFlags
	var file string
	var again, leave, yes bool
	var most decimal.NullDecimal
	c := p.changes(p.facts(&cobra.Command{
		Use:   "sync [INDEX | --from URL --to URL]",
		Short: "Have a new store follow every write of an index, and fill it",
		Long: `sync begins what a cutover needs. Applications reach the index through freehold,
with Pinecone's own client and http://HOST:4000/pinecone/INDEX for its host.
From now on each of their writes goes to Pinecone and, put on record before, to
the new store; and a copy fills that with what is there already, without ever
coming in the place of a newer write. The server does it: this command shows how
it goes, and may end. --again copies once more what was changed past freehold.
Of an index with embeddings: the copy embeds the texts of its records by the new
model; what that costs is said before, and --max-cost bounds it.

` + indexHelp + ` An index that is not there yet is put into config.yaml, and
taken out again where its move cannot begin.`,
		Example: `  freehold vectors sync docs
  freehold vectors sync --from pinecone://HOST/docs --to qdrant://127.0.0.1/docs`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			s, err := p.indexServer(ctx)
			if err != nil {
				return err
			}
			if leave {
				name, err := p.knownIndex(args, &f)
				if err != nil {
					return err
				}
				out, err := admin.IndexLeave.Call(ctx, s, admin.IndexChangeIn{Index: name, Reason: p.reason})
				return p.shownIndex(&out, err)
			}
			in := admin.IndexSyncIn{Again: again, Reason: p.reason, MaxCost: most}
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return usagef("--plan: %v", err)
				}
				in.Plan = string(text)
			}
			name, err := p.indexName(args, &f)
			made := ""
			if err == nil && name == "" {
				name, made, err = p.newIndex(ctx, s, &f)
			}
			if err != nil {
				return err
			}
			in.Index = name
			var out admin.Index
			if err = p.agreedSync(ctx, s, &in, yes); err == nil {
				out, err = p.beginSync(ctx, s, in)
			}
			if err != nil && made != "" {
				err = p.takenBack(ctx, s, name, made, err)
			}
			if err == nil {
				out, err = p.followIndex(ctx, s, name, front.Sync)
			}
			err = p.shownIndex(&out, err)
			if err == nil && out.LeftOut > 0 {
				err = hintedf("write them so that it can hold them, or delete them; then freehold vectors sync "+tame(name)+" --again",
					"%s could not be brought to the new store, and are in the way of a cutover", plural(int(out.LeftOut), "record"))
			}
			return err
		},
	}))
	f.add(c)
	c.Flags().StringVar(&file, "plan", "", "go by the plan in `FILE` (default: one is made)")
	c.Flags().BoolVar(&again, "again", false, "copy once more what has been copied")
	c.Flags().BoolVar(&leave, "end", false, "end the sync: the new store follows no more")
	c.Flags().Var(usd(&most), "max-cost", "spend at most this `MONEY` on the new model, in one run of the copy: 5 USD")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask whether to go on")
	return c
}

// agreedSync says what the texts of an index that goes over to another model will cost,
// and asks whether to go on where they are to be embedded.
func (p *program) agreedSync(ctx context.Context, s *admin.Client, in *admin.IndexSyncIn, yes bool) error {
	x, err := p.openIndex(ctx, s, in.Index)
	if err != nil || x.Embeddings == nil || x.Closed != "" || x.Phase != string(front.Relay) && !in.Again {
		return err
	}
	q, err := admin.IndexQuote.Call(ctx, s, admin.IndexIn{Index: in.Index})
	if err != nil || q.Quote == nil {
		return err
	}
	fmt.Fprintln(p.err, wrap(tame("to embed by "+q.Model+": "+embedQuote(q.Quote)), p.width()-2, "\n  "))
	usd := q.Quote.USD
	switch {
	case in.MaxCost.Valid && !usd.Valid:
		return hintedf("models.MODEL.price in config.yaml says it", "--max-cost cannot hold what nobody knows the price of: %s", q.Model)
	case in.MaxCost.Valid && usd.Decimal.GreaterThan(in.MaxCost.Decimal):
		return hintedf("a higher --max-cost makes room", "it would cost about %s, and --max-cost is %s: no text was embedded", money(usd.Decimal, "USD"), money(in.MaxCost.Decimal, "USD"))
	}
	return p.goOn(yes || usd.Valid && usd.Decimal.IsZero() || q.Quote.Texts == 0, in.MaxCost)
}

// openIndex waits for an index that was put into the configuration a moment ago.
func (p *program) openIndex(ctx context.Context, s *admin.Client, name string) (out admin.Index, err error) {
	for range 50 {
		out, err = admin.IndexStatus.Call(ctx, s, admin.IndexIn{Index: name})
		var told *admin.Error
		gone := errors.As(err, &told) && told.Code == admin.CodeNotFound
		if err != nil && !gone || err == nil && out.Closed != "it is being opened" {
			return out, err
		}
		if app.Sleep(ctx, 100*time.Millisecond) != nil {
			return out, ctx.Err()
		}
	}
	return out, err
}

// beginSync waits for an index that was put into the configuration a moment ago.
func (p *program) beginSync(ctx context.Context, s *admin.Client, in admin.IndexSyncIn) (out admin.Index, err error) {
	for range 150 { // stores have ten seconds to say what they are
		out, err = admin.IndexSync.Call(ctx, s, in)
		var told *admin.Error
		if !errors.As(err, &told) || told.Code != admin.CodeNotFound && !strings.Contains(told.Message, "is not open: it is being opened") {
			return out, err
		}
		if app.Sleep(ctx, 100*time.Millisecond) != nil {
			return out, ctx.Err()
		}
	}
	return out, err
}

// followIndex shows the work that brings an index to a phase until it is over, or ctx
// ends: the server goes on with it.
func (p *program) followIndex(ctx context.Context, s *admin.Client, name string, to front.Phase) (admin.Index, error) {
	var show *vectorProgress
	for {
		out, err := admin.IndexStatus.Call(ctx, s, admin.IndexIn{Index: name})
		if err == nil && out.Closed == "" && (out.Work == nil || out.Work.Ended != nil) {
			return out, unreached(&out, to)
		}
		if err != nil {
			if ctx.Err() != nil {
				fmt.Fprintln(p.err, "the server goes on; freehold vectors status shows how far it is")
			}
			return out, err
		}
		if w := out.Work; w != nil {
			if show == nil {
				show = p.newVectorProgress(map[string]string{"fill": "copy", "cutover": "verify"}[w.Kind], w.Of)
				defer show.close()
			}
			show.set(w.Records, w.Of, 0)
		}
		if app.Sleep(ctx, 500*time.Millisecond) != nil {
			fmt.Fprintln(p.err, "the server goes on; freehold vectors status shows how far it is")
			return out, ctx.Err()
		}
	}
}

// unreached says that no work is under way, none has failed, and yet an index is not
// where the work should have brought it.
func unreached(x *admin.Index, to front.Phase) error {
	if x.Work != nil && x.Work.Error != "" || x.Phase == string(to) && x.Filled != nil {
		return nil
	}
	what := map[front.Phase]string{front.Sync: "sync", front.Cut: "cutover"}[to]
	return &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("the %s of %s broke off: the server has begun anew, or someone else has ended it; %s is in phase %s", what, x.Name, x.Name, x.Phase),
		Hint: "freehold vectors " + what + " " + x.Name + " begins it once more"}
}

// shownIndex prints an index; the error is that of the call, or of its work.
func (p *program) shownIndex(out *admin.Index, err error) error {
	if err != nil {
		return err
	}
	if p.json {
		err = p.done(out, nil)
	} else {
		p.printIndex(out)
	}
	if w := out.Work; err == nil && w != nil && w.Error != "" {
		err = errors.New(w.Error)
		if w.Hint != "" {
			err = fmt.Errorf("%w\n  hint: %s", err, w.Hint)
		}
	}
	return err
}

func (p *program) printIndex(x *admin.Index) {
	filled := ""
	if x.Filled != nil {
		filled = at(*x.Filled) + " UTC"
	}
	behind := plural(int(x.Behind), "write")
	if x.Oldest != nil {
		behind += ", the oldest of " + at(*x.Oldest) + " UTC"
	}
	phase := x.Phase
	if phase != "" {
		phase += ": " + front.Phase(x.Phase).About()
	}
	p.fields("index", x.Name, "from", x.From, "to", x.To, "closed", x.Closed, "phase", phase, "forbidden", x.Forbidden)
	if x.Phase == string(front.Sync) || x.Phase == string(front.Cut) {
		p.fields("filled", filled, "records", count(x.Records), "behind", behind)
		if x.Unknown > 0 {
			p.fields("unknown", plural(int(x.Unknown), "write")+", tried again")
		}
		if x.Refused > 0 {
			p.fields("refused", plural(int(x.Refused), "write")+" that the store which follows cannot hold")
		}
		if x.Trouble != "" {
			p.wrapped("trouble", tame(x.Trouble))
		}
		reads, shadow := fmt.Sprintf("%g %% by the store which follows", x.Reads*100), fmt.Sprintf("%g %% of queries ask both", x.Shadow*100)
		if x.Embeddings != nil {
			reads = fmt.Sprintf("%g %% of queries by id, without values; all others by the store of their model", x.Reads*100)
			shadow = "not possible: what two models find is compared by freehold vectors gate"
		}
		p.fields("reads", reads, "shadow", shadow)
	}
	if e := x.Embeddings; e != nil {
		p.wrapped("embeddings", tame(embeddingsOf(x)))
		if g := e.Gate; g != nil {
			old := ""
			if !g.Current {
				old = ", before the last copy"
			}
			p.wrapped("gate", tame(fmt.Sprintf("%s, %s UTC%s: %s", g.Outcome, at(g.At), old, g.Why)))
		}
	}
	if x.LeftOut > 0 {
		p.fields("not copied", plural(int(x.LeftOut), "record")+" of the last copy")
		for _, r := range x.Left {
			fmt.Fprintln(p.out, wrap(tame(fmt.Sprintf("  %s %s: %s", cmp.Or(r.Namespace, front.DefaultNamespace), r.ID, r.Why)), p.width(), "\n    "))
		}
	}
	for _, w := range x.Why {
		fmt.Fprintln(p.out, wrap(tame(fmt.Sprintf("  %d %s %s %s: %s", w.Seq, w.Op, w.Namespace, strings.Join(w.IDs, ", "), w.Why)), p.width(), "\n    "))
	}
	if s := x.Shadows; s != nil {
		found := "nothing to compare"
		if s.Queries > s.Failed {
			found = fmt.Sprintf("overlap %.1f %%; median Pinecone %s, new store %s", s.Overlap*100, millis(s.PineconeMS), millis(s.StoreMS))
		}
		p.fields("compared", fmt.Sprintf("%s queries since %s, %s failed, %s", count(s.Queries), s.Since, count(s.Failed), found))
	}
	if w := x.Work; w != nil {
		p.fields("work", workOf(w))
		for i := range w.Differences[:min(10, len(w.Differences))] {
			d := &w.Differences[i]
			fmt.Fprintln(p.out, wrap(tame(differenceOf(d)), p.width(), "\n    "))
		}
	}
}

// embeddingsOf says which model the alias of an index stands for, and why.
func embeddingsOf(x *admin.Index) string {
	e := x.Embeddings
	if e.Model == e.After {
		return fmt.Sprintf("%s stands for %s, since the new store answers; before the cutover it was %s", e.Alias, e.Model, e.Before)
	}
	return fmt.Sprintf("%s stands for %s, since Pinecone answers; from the cutover on it is %s", e.Alias, e.Model, e.After)
}

// differenceOf names a record as Pinecone has it.
func differenceOf(d *vector.Difference) string {
	ns, id := d.Namespace, d.ID
	if d.Source != nil {
		ns, id = d.Source.Namespace, d.Source.ID
	}
	out := fmt.Sprintf("  %s %s: %s", cmp.Or(ns, front.DefaultNamespace), id, strings.TrimSpace(d.What)) // a vector may have no name
	if d.Want != "" || d.Got != "" {
		out += fmt.Sprintf(": the new store should have %s, and has %s", d.Want, d.Got)
	}
	return out
}

func workOf(w *admin.IndexWork) string {
	what := map[string]string{"fill": "copy", "cutover": "proof and cutover"}[w.Kind]
	switch {
	case w.Ended == nil:
		return fmt.Sprintf("%s since %s UTC: %s of %s", what, at(w.Started), count(w.Records), plural(int(w.Of), "record"))
	case w.Error != "":
		return fmt.Sprintf("%s failed %s UTC: %s", what, at(*w.Ended), w.Error)
	case w.Kind == "cutover":
		out := fmt.Sprintf("%s done %s UTC: %s compared, all the same", what, at(*w.Ended), plural(int(w.Compared), "record"))
		if w.Rounded > 0 {
			out += ", but for " + rounded(w.Rounded)
		}
		return out
	}
	return fmt.Sprintf("%s done %s UTC", what, at(*w.Ended))
}

func (p *program) vectorsStatusCommand() *cobra.Command {
	var f indexFlags
	c := p.facts(&cobra.Command{
		Use:   "status [INDEX | --from URL --to URL]",
		Short: "Show where indexes are on their way",
		Long: `status shows each index: who answers, who follows and how far behind it is, the
work under way, and what queries that both stores were asked have in common.

` + indexHelp,
		Example: `  freehold vectors status
  freehold vectors status docs --json`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := p.indexServer(c.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 && f.from == "" && f.to == "" {
				all, err := admin.IndexList.Call(c.Context(), s, admin.None{})
				if err != nil || p.json {
					return p.done(all, err)
				}
				if len(all.Indexes) == 0 {
					fmt.Fprintf(p.out, "no indexes: %s names none under indexes:\n", p.configPath())
				}
				for i := range all.Indexes {
					if i > 0 {
						fmt.Fprintln(p.out)
					}
					p.printIndex(&all.Indexes[i])
				}
				return nil
			}
			name, err := p.knownIndex(args, &f)
			if err != nil {
				return err
			}
			out, err := admin.IndexStatus.Call(c.Context(), s, admin.IndexIn{Index: name})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printIndex(&out)
			return nil
		},
	})
	f.add(c)
	return c
}

// knownIndex is [program.indexName] of an index that is there.
func (p *program) knownIndex(args []string, f *indexFlags) (string, error) {
	name, err := p.indexName(args, f)
	if err == nil && name == "" {
		return "", usagef("no index under indexes: in %s is from %s to %s", p.configPath(), f.from, f.to)
	}
	return name, err
}

func (p *program) vectorsCutoverCommand() *cobra.Command {
	var f indexFlags
	var last bool
	var ungated string
	c := p.changes(p.facts(&cobra.Command{
		Use:   "cutover [INDEX | --from URL --to URL]",
		Short: "Prove that the new store has all, and let it answer",
		Long: `cutover compares every record of both stores while applications go on, counts,
and looks for neighbours; what was written past freehold is found here, and
blocks. When all is the same and nothing is behind, the new store answers, and
Pinecone follows, so that freehold vectors rollback is one command and loses
nothing. --final ends that: Pinecone follows no more, and may be deleted.

An index with embeddings: goes over to its new model in the same moment; what
freehold vectors gate found of that must be on record, as passed.

` + indexHelp,
		Example: `  freehold vectors cutover docs --reason "two weeks of shadow reads"
  freehold vectors cutover docs --final`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			s, err := p.indexServer(ctx)
			if err != nil {
				return err
			}
			name, err := p.knownIndex(args, &f)
			if err != nil {
				return err
			}
			if last {
				out, err := admin.IndexFinish.Call(ctx, s, admin.IndexChangeIn{Index: name, Reason: p.reason})
				return p.shownIndex(&out, err)
			}
			out, err := admin.IndexCutover.Call(ctx, s, admin.IndexCutoverIn{Index: name, Reason: p.reason, WithoutGate: ungated})
			if err == nil {
				out, err = p.followIndex(ctx, s, name, front.Cut)
			}
			return p.shownIndex(&out, err)
		},
	}))
	f.add(c)
	c.Flags().StringVar(&ungated, "without-gate", "", "go over to another model without a gate that passed, for this `REASON`")
	c.Flags().BoolVar(&last, "final", false, "after a cutover: Pinecone follows no more, there is no way back")
	return c
}

func (p *program) vectorsRollbackCommand() *cobra.Command {
	var f indexFlags
	c := p.changes(p.facts(&cobra.Command{
		Use:   "rollback [INDEX | --from URL --to URL]",
		Short: "Let Pinecone answer again, with all that was written since",
		Long: `rollback waits until Pinecone has every write that was made since the cutover,
and lets it answer; the new store follows again.

` + indexHelp,
		Example: `  freehold vectors rollback docs --reason "recall of filtered queries"`,
		Args:    takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := p.indexServer(c.Context())
			if err != nil {
				return err
			}
			name, err := p.knownIndex(args, &f)
			if err != nil {
				return err
			}
			out, err := admin.IndexRollback.Call(c.Context(), s, admin.IndexChangeIn{Index: name, Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printIndex(&out)
			return nil
		},
	}))
	f.add(c)
	return c
}

// notServed refuses to copy into a store that an index of the configuration is moving
// to: what was read would come in the place of what applications have written since.
func (p *program) notServed(ctx context.Context, db *sqlite.DB, e *ends) error {
	if e.cfg == nil {
		return nil
	}
	moves, err := sqlite.FrontMoves(ctx, db)
	if err != nil {
		return err
	}
	for _, m := range moves {
		x := e.cfg.Indexes[m.Index]
		if x != nil && m.Phase != front.Relay && x.Target.Address.Same(&e.to.at) {
			return fmt.Errorf("applications write to %s through the index %s, and a copy would write over what they wrote: freehold vectors sync %s --again copies beside them", e.toURL, m.Index, m.Index)
		}
	}
	return nil
}
