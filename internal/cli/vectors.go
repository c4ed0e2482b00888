package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"freehold/internal/config"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/connect"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/transfer"
)

func (p *program) vectorsCommand() *cobra.Command {
	return group("vectors", "Move a knowledge base to another vector store, with proof",
		`  freehold vectors plan --from pinecone://HOST/docs --to qdrant://127.0.0.1/d \
    --out plan.yaml
  freehold vectors copy --plan plan.yaml
  freehold vectors verify --plan plan.yaml`,
		p.vectorsPlanCommand(), p.vectorsCopyCommand(), p.vectorsVerifyCommand(), p.vectorsGateCommand(), p.vectorsSyncCommand(), p.vectorsStatusCommand(), p.vectorsCutoverCommand(), p.vectorsRollbackCommand())
}

// vectorFlags are what the commands about vectors have in common.
type vectorFlags struct {
	from, to string
	plan     string
	ids      string
	data     []string
	embed    embedFlags
}

func (f *vectorFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.from, "from", "", "the store that is read: its `URL`, or name in config.yaml")
	c.Flags().StringVar(&f.to, "to", "", "the store that is written: its `URL`, or name in config.yaml")
	c.Flags().StringVar(&f.ids, "ids", "", "ids of the source, one a line, in `FILE`: for indexes that cannot list them")
	c.Flags().StringSliceVar(&f.data, "data", nil, "data `CLASS` of the records (default: what the source has in config.yaml, else all)")
}

const storeHelp = `Stores are named by URLs: pinecone://INDEX_HOST/INDEX, file:PATH.jsonl (or
.parquet), qdrant://HOST:6334/COLLECTION, postgres://USER@HOST/DB?table=TABLE
(pgvector), milvus://HOST:19530/COLLECTION, chroma://HOST:8000/COLLECTION; read
only: opensearch://HOST:9200/INDEX (Elasticsearch, too), weaviate://HOST/CLASS;
with ?namespace= and ?api_key=env:NAME or file:PATH. Keys never stand in them.
Stores of config.yaml go by their names.`

// ends are the stores of a copy.
type ends struct {
	source         vector.Source
	target         vector.Target
	from, to       vectorEnd
	fromURL, toURL string         // as they may be shown
	cfg            *config.Config // nil: there is none
	embedding      *embedding     // nil: records keep their vectors, or it is not open yet
	local          bool           // both are files that the caller named: freehold embed
	spool          string         // a directory that goes at the end; empty: there is none
}

func (e *ends) close() error {
	var err error
	if e.embedding != nil {
		err = e.embedding.close()
	}
	if e.source != nil {
		err = errors.Join(err, e.source.Close())
	}
	if e.target != nil {
		err = errors.Join(err, e.target.Close())
	}
	if e.spool != "" {
		err = errors.Join(err, os.RemoveAll(e.spool))
	}
	return err
}

// open opens both ends. Those that a plan names are without keys: where a flag names
// one too, it is the same store with its key.
func (p *program) open(ctx context.Context, f *vectorFlags, planned *plan.Plan) (e *ends, err error) {
	from, to := f.from, f.to
	if planned != nil {
		from, to = cmp.Or(f.from, planned.From), cmp.Or(f.to, planned.To)
	}
	if from == "" || to == "" {
		return nil, usagef("--from and --to are missing: where records are read, and where they are written")
	}
	e = &ends{}
	if e.cfg, err = p.vectorConfig(); err != nil {
		return nil, err
	}
	if e.from, err = p.vectorEnd(e.cfg, "from", from); err != nil {
		return nil, err
	}
	if e.to, err = p.vectorEnd(e.cfg, "to", to); err != nil {
		return nil, err
	}
	if f.ids != "" && e.from.at.Store != "pinecone" {
		return nil, usagef("--ids: only an index of Pinecone is read by ids; %s lists its own", e.from.at.String())
	}
	e.fromURL, e.toURL = e.from.at.String(), e.to.at.String()
	if planned != nil && (e.fromURL != planned.From || e.toURL != planned.To) {
		return nil, usagef("the plan is from %s to %s, and the flags name %s and %s", planned.From, planned.To, e.fromURL, e.toURL)
	}
	if e.source, err = openEnd(ctx, p, &e.from, f.ids, connect.Source); err != nil {
		return nil, err
	}
	if e.target, err = openEnd(ctx, p, &e.to, "", connect.Open); err != nil {
		return nil, errors.Join(err, e.close())
	}
	lean()
	return e, nil
}

// leanMemory is how much memory Go may hold before it collects, whatever is alive.
const leanMemory = 40 << 20

// lean has garbage collected before it piles up on what a copy holds, which is
// bounded by bytes. GOMEMLIMIT in the environment wins.
func lean() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(leanMemory)
	}
}

// openPlanned opens both ends by the plan that --plan names, nil of none.
func (p *program) openPlanned(ctx context.Context, f *vectorFlags) (e *ends, planned *plan.Plan, err error) {
	if f.plan != "" {
		if planned, err = p.readPlan(f.plan); err != nil {
			return nil, nil, err
		}
	}
	e, err = p.open(ctx, f, planned)
	return e, planned, err
}

// makePlan plans by the flags.
func (p *program) makePlan(ctx context.Context, e *ends, f *vectorFlags, sample int) (*plan.Plan, error) {
	verdict, err := p.perimeterOf(e, f.data)
	if err != nil {
		return nil, err
	}
	in := plan.Inputs{From: e.fromURL, To: e.toURL, Source: e.source, Target: e.target, Sample: sample, Now: p.clock(), Create: e.to.at.Name, Data: f.data, Perimeter: verdict}
	if e.from.at.Namespace != nil {
		in.Namespaces = []string{*e.from.at.Namespace}
	}
	if f.embed.given() {
		if e.from.at.Same(&e.to.at) {
			return nil, usagef("--from and --to are the same collection: a record that is written there loses its other vectors. Embed into another collection; --keep-vectors takes the old ones along")
		}
		asked, err := f.embed.embed(e.to.at.Vector)
		if err != nil {
			return nil, err
		}
		if in.Embed, err = p.embedder(ctx, e, asked, &f.embed, verdict.Classes, false); err != nil {
			return nil, err
		}
	}
	out, err := plan.Make(ctx, in)
	if err == nil && out.Embed != nil {
		out.Found.Embed.Perimeter = e.embedding.verdict()
	}
	return out, err
}

func (p *program) readPlan(file string) (*plan.Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("--plan: %v", err)
	}
	out, err := plan.Read(file, text)
	if err != nil {
		return nil, usagef("--plan: %v", err)
	}
	return out, nil
}

func (p *program) vectorsPlanCommand() *cobra.Command {
	var f vectorFlags
	var file string
	sample := 2000
	c := p.facts(&cobra.Command{
		Use:   "plan --from URL --to URL",
		Short: "Say what a copy will do, lose, take and cost",
		Long: `plan reads both ends, and writes nothing but the plan: namespaces and counts,
vectors with their metric as the store has it, how ids and types become the
target's, what the target cannot hold and why, size, time at the source's rate
limits, read units and egress in money, memory of the target, and whether the
records may go there by the data classes of config.yaml. The file can be
reviewed and edited, and is then copied by. Where a target that is there has no
place for one of the vectors the exit status is 1. With --embed it says, too,
which records have no text, and what the vectors of the others will cost.

` + storeHelp,
		Example: `  freehold vectors plan --from pinecone://HOST/docs --to qdrant://127.0.0.1/d \
    --out plan.yaml`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			e, err := p.open(c.Context(), &f, nil)
			if err != nil {
				return err
			}
			defer finish(&err, e.close)
			out, err := p.makePlan(c.Context(), e, &f, sample)
			if err != nil {
				return p.done(out, err)
			}
			var wrong error
			if out.Found.Refused != "" {
				wrong = fmt.Errorf("by this plan nothing can be copied: %s", out.Found.Refused)
			}
			if p.json {
				return errors.Join(p.done(out, nil), wrong)
			}
			p.printPlan(out)
			if file == "" {
				return wrong
			}
			text, err := out.Write()
			if err != nil {
				return err
			}
			return errors.Join(p.wrote(file, text), wrong)
		},
	})
	f.add(c)
	f.embed.add(c)
	c.Flags().StringVar(&file, "out", "", "write the plan to `FILE`")
	c.Flags().Var(whole(&sample, 1, 1_000_000), "sample", "look at `N` records")
	return c
}

func (p *program) vectorsCopyCommand() *cobra.Command {
	var f vectorFlags
	var readers, writers int
	var refused, alias string
	var allow, again, noVerify bool
	c := p.facts(&cobra.Command{
		Use:   "copy (--plan FILE | --from URL --to URL)",
		Short: "Copy a vector store into another, and verify it",
		Long: `copy moves all records by a plan: that of a file, else the one that freehold
vectors plan would make. What is to be read is recorded first and is done only
when the target has it, so that the same command goes on after Ctrl-C, kill -9
or a failure, with other numbers of workers too. At the end every record is
compared, as freehold vectors verify does.

A target that the data classes of config.yaml do not admit is refused, unless
the plan says allow_forbidden: true, and so is a collection that measures by
another metric, unless it says allow_metric: true.

With --embed records get vectors of another model in the place of theirs, made
of the texts that they have. What that will cost is said first.

Records that the target cannot hold are told with their reason, written to
--refused, and make the exit status 1, unless --allow-refused.

` + storeHelp,
		Example: `  freehold vectors copy --plan plan.yaml
  freehold vectors copy --from qdrant://127.0.0.1/docs --to file:docs.jsonl`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			e, planned, err := p.openPlanned(c.Context(), &f)
			if err != nil {
				return err
			}
			defer finish(&err, e.close)
			db, err := p.copiesState(c.Context())
			if err != nil {
				return err
			}
			defer finish(&err, db.Close)
			if err := p.notServed(c.Context(), db, e); err != nil {
				return err
			}
			w := &copyWork{p: p, e: e, flags: &f, plan: planned, journal: sqlite.NewCopies(db), readers: readers, writers: writers, refused: refused, again: again, alias: alias}
			f.embed.approve = w.approve
			w.make = func(ctx context.Context) (*plan.Plan, error) { return p.makePlan(ctx, e, &f, 0) }
			if f.embed.given() {
				if planned != nil {
					return usagef("--embed and --plan: the plan says by which model records get vectors")
				}
				asked, err := f.embed.embed(e.to.at.Vector)
				if err != nil {
					return err
				}
				w.asked = &asked
			}
			return w.run(c.Context(), allow, noVerify)
		},
	})
	f.add(c)
	f.embed.add(c)
	f.embed.addAsk(c)
	c.Flags().StringVar(&f.plan, "plan", "", "copy by the plan in `FILE`")
	c.Flags().Var(whole(&readers, 1, 256), "readers", "read `N` units at once (default 4)")
	c.Flags().Var(whole(&writers, 1, 256), "writers", "write at most `N` batches at once (default 8)")
	c.Flags().StringVar(&refused, "refused", "", "write records that could not be copied to `FILE` (default vectors-refused-ID.jsonl)")
	c.Flags().BoolVar(&allow, "allow-refused", false, "end with 0 though records could not be copied")
	c.Flags().BoolVar(&again, "again", false, "copy once more what an earlier copy has copied")
	c.Flags().BoolVar(&noVerify, "no-verify", false, "do not compare at the end")
	c.Flags().StringVar(&alias, "alias", "", "at the end, when all is proven, `NAME` becomes an alias of the collection")
	return c
}

func (p *program) vectorsVerifyCommand() *cobra.Command {
	var f vectorFlags
	var page string
	queries := 50
	c := p.facts(&cobra.Command{
		Use:   "verify (--plan FILE | --from URL --to URL)",
		Short: "Prove that a store has what another one has, to the last record",
		Long: `verify reads every record of the source and compares it with the target's: ids,
vectors (to the bit; where the target keeps directions or half precision only,
by those, and it says so), payloads with their types, and counts. Then both
search for the neighbours of a sample, with and without filters: what both find,
and of some records which of the exact neighbours, reckoned from all records of
the source, each of them finds. The first hundred differences are shown, all are
counted, and any of them makes the exit status 1.

` + storeHelp,
		Example: `  freehold vectors verify --plan plan.yaml --html report.html`,
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			e, planned, err := p.openPlanned(c.Context(), &f)
			if err != nil {
				return err
			}
			defer finish(&err, e.close)
			last, known, err := p.lastVectors(c.Context(), e)
			if err != nil {
				return err
			}
			if last != nil && (planned == nil || last.Alike(planned)) {
				if planned != nil { // what was reviewed last counts
					last.Data, last.AllowForbidden = planned.Data, planned.AllowForbidden
				}
				planned = last
			}
			if planned == nil {
				if planned, err = p.makePlan(c.Context(), e, &f, 0); err != nil {
					return err
				}
			}
			// Both stores are asked for the neighbours of records: their vectors go there.
			if err := p.permitted(e, planned, f.data); err != nil {
				return err
			}
			if err := p.openPlannedEmbedding(c.Context(), e, planned, &f.embed, f.data); err != nil {
				return err
			}
			report, err := p.verifyVectors(c.Context(), e, planned, known, queries, 0)
			if err != nil {
				return err
			}
			if page != "" {
				if err := p.wrote(page, []byte(verifyHTML(report, e))); err != nil {
					return err
				}
			}
			if p.json {
				err = p.done(report, nil)
			} else {
				p.printVerified(report, e)
			}
			return errors.Join(err, answerOf(report))
		},
	})
	f.add(c)
	c.Flags().StringVar(&f.plan, "plan", "", "compare by the plan in `FILE`")
	c.Flags().StringVar(&page, "html", "", "write the report to `FILE`")
	c.Flags().Var(whole(&queries, 0, 100_000), "queries", "search for the neighbours of `N` records")
	return c
}

// answerOf is nil where all is the same.
func answerOf(r *transfer.Report) error {
	if r.Same() {
		return nil
	}
	if !r.Given.Whole() && r.Missing+r.Altered+r.Extra == 0 {
		if len(r.Given.Short) == 0 {
			return fmt.Errorf("%s: take what is no id out of the file", partly(r.Given))
		}
		return fmt.Errorf("%s: give the ids of all records; a copy takes further ones with --again", partly(r.Given))
	}
	return fmt.Errorf("the target is not what it should be: %s missing, %s altered, %s extra", count(r.Missing), count(r.Altered), count(r.Extra))
}

// copiesState opens the state in which copies are recorded: the configuration's;
// without one, freehold.db.
func (p *program) copiesState(ctx context.Context) (*sqlite.DB, error) {
	if p.configPath() == defaultConfig && !exists(defaultConfig) {
		return sqlite.Open(ctx, "freehold.db")
	}
	_, path, err := p.stateThere()
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path)
}

// lastVectors is the plan of the last copy of these ends, nil of none, and the records
// that it could not copy.
func (p *program) lastVectors(ctx context.Context, e *ends) (last *plan.Plan, known map[[2]string]bool, err error) {
	db, err := p.copiesState(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer finish(&err, db.Close)
	journal := sqlite.NewCopies(db)
	job, err := lastCopy(ctx, journal, e)
	if err != nil || job == nil {
		return nil, nil, err
	}
	last, known = &plan.Plan{}, map[[2]string]bool{}
	if err := json.Unmarshal(job.Plan, last); err != nil {
		return nil, nil, fmt.Errorf("the plan of copy %s: %w", job.ID, err)
	}
	for r, err := range journal.Refused(ctx, job.ID) {
		if err != nil {
			return nil, nil, err
		}
		known[[2]string{r.Namespace, r.ID}] = true
	}
	return last, known, nil
}

// verifyVectors compares both ends. Neighbours are looked for of so many records, exactly
// of some of them; of none where queries is 0.
func (p *program) verifyVectors(ctx context.Context, e *ends, pl *plan.Plan, known map[[2]string]bool, queries, exact int) (*transfer.Report, error) {
	if queries == 0 {
		queries, exact = -1, -1
	}
	show := p.newVectorProgress("verify", pl.Found.Size.Records)
	defer show.close()
	return transfer.Verify(ctx, transfer.VerifyOptions{
		Embedding: e.embedding.of(), Source: e.source, Target: e.target, Mapping: pl.Mapping, Namespaces: pl.All(), Queries: queries, Exact: exact, Clock: p.clock,
		Refused:  func(ns, id string) bool { return known[[2]string{ns, id}] },
		Random:   rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		Progress: func(n int64) { show.set(n, n, 0) },
	})
}

// warnings go to standard error.
func warnings(p *program) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func refusedFile(name, id string) string {
	if name != "" {
		return name
	}
	return filepath.Join(".", "vectors-refused-"+id+".jsonl")
}
