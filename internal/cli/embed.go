package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/regular"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	stores "freehold/internal/vector/address"
	"freehold/internal/vector/archive"
	"freehold/internal/vector/plan"
)

func (p *program) embedCommand() *cobra.Command {
	f := vectorFlags{}
	var file embedFile
	var dry, allow, noVerify bool
	c := p.facts(&cobra.Command{
		Use:   "embed FILE --model ALIAS -o OUT",
		Short: "Make vectors of many texts, into an archive",
		Long: `embed makes a vector of each record's text: of JSON lines (FILE.jsonl), each an
object with an id and a text, of a Parquet file, or of the lines of standard
input (-), whose numbers are their ids. The other fields come along. OUT, which
ends in .jsonl or .parquet, is an archive that freehold vectors copy takes into
a store.

A workload or model of config.yaml makes them, as requests to /v1/embeddings
would have it: same perimeter, ledger, budgets (but for those of keys) and
deployments. The price is said before anything is asked, and --max-cost bounds
it. Ctrl-C, kill -9 and a provider that is down end it; the same command then
goes on, and nothing of OUT is lost or doubled.

No text is cut, or dropped, without a word: one that is empty, or longer than
the model takes or --max-token says, is told by its id with the reason, stands
in --refused, and makes the exit status 1. --chunk cuts a long one between
sentences, else words, into records ID##0, ID##1, ..., whose fields _chunk_of,
_chunk and _chunks say of which record they are, which, and of how many. Tokens
are counted with o200k_base, which is a guess for other models.`,
		Example: `  freehold embed docs.jsonl --model embed --text body -o docs.parquet
  freehold embed docs.parquet --model embed --id sku --text description \
    --max-token 512 --chunk --max-cost "5 USD" -o vectors.jsonl`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			file.path = a[0]
			return p.embed(c.Context(), &f, &file, dry, allow, noVerify)
		},
	})
	c.Flags().StringVarP(&f.embed.alias, "model", "m", "", "workload or model that makes the vectors: `ALIAS`")
	c.Flags().StringVar(&f.embed.text, "text", "text", "the `FIELD` that has the text")
	c.Flags().StringVar(&file.id, "id", "", "the `FIELD` that is the id (default id)")
	c.Flags().StringVarP(&file.out, "output", "o", "", "write the archive `OUT`.jsonl or OUT.parquet")
	f.embed.addTexts(c)
	f.embed.addAsk(c)
	c.Flags().StringSliceVar(&f.data, "data", nil, "data `CLASS` of the texts, beside the workload's own")
	c.Flags().StringVar(&file.refused, "refused", "", "write records that were not embedded to `FILE` (default OUT.refused.jsonl)")
	c.Flags().BoolVar(&allow, "allow-refused", false, "end with 0 though records were not embedded")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what it will take, and end")
	c.Flags().BoolVar(&noVerify, "no-verify", false, "do not compare OUT with FILE at the end")
	return c
}

// embedFile is a file that is embedded.
type embedFile struct{ path, id, out, refused string }

func (p *program) embed(ctx context.Context, f *vectorFlags, file *embedFile, dry, allow, noVerify bool) (err error) {
	switch ext := filepath.Ext(file.out); {
	case f.embed.alias == "":
		return usagef("freehold embed needs --model ALIAS: the workload or model that makes the vectors")
	case file.out == "" && !dry:
		return usagef("freehold embed needs -o OUT: the archive that is written")
	case file.out != "" && ext != ".jsonl" && ext != ".parquet":
		return usagef("-o %q ends neither in .jsonl nor in .parquet", file.out)
	}
	asked, err := f.embed.embed("")
	if err != nil {
		return err
	}
	file.refused = cmp.Or(file.refused, file.out+".refused.jsonl")
	if !dry {
		if err := errors.Join(folderThere("-o", file.out), folderThere("--refused", file.refused)); err != nil {
			return err
		}
		l, err := p.takeLease(file.out)
		if err != nil {
			return err
		}
		defer finish(&err, l.end)
	}
	e := &ends{local: true}
	if e.cfg, err = p.vectorConfig(); err != nil {
		return err
	}
	defer finish(&err, e.close)
	if asked.Input, err = p.openTexts(ctx, e, file); err != nil {
		return err
	}
	db, err := p.copiesState(ctx)
	if err != nil {
		return err
	}
	defer finish(&err, db.Close)
	w := &copyWork{p: p, e: e, flags: f, journal: sqlite.NewCopies(db), readers: max(4, f.embed.requests), refused: file.refused, doing: "embed"}
	if w.again, err = w.outGone(ctx, file.out); err != nil {
		return err
	}
	f.embed.approve = w.approve
	w.asked, w.make = &asked, func(ctx context.Context) (*plan.Plan, error) { return p.embedPlan(ctx, e, f, file.path, asked, dry) }
	if dry {
		made, err := w.make(ctx)
		if err != nil {
			return err
		}
		return p.shownQuote(made)
	}
	return w.run(ctx, allow, noVerify)
}

// folderThere refuses a file that a flag names in a folder that is not there.
func folderThere(flag, path string) error {
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("%s %s: the folder %s is not there: make it first", flag, path, filepath.Dir(path))
	case err != nil:
		return usagef("%s: %w", flag, err)
	case !info.IsDir():
		return usagef("%s %s: %s is no folder", flag, path, filepath.Dir(path))
	}
	return nil
}

// embedPlan is the plan of a file's texts.
func (p *program) embedPlan(ctx context.Context, e *ends, f *vectorFlags, path string, asked plan.Embed, dry bool) (*plan.Plan, error) {
	if err := fieldThere(ctx, path, e.source, asked.Text); err != nil {
		return nil, err
	}
	embedder, err := p.embedder(ctx, e, asked, &f.embed, f.data, dry)
	if err != nil {
		return nil, err
	}
	out, err := plan.Make(ctx, plan.Inputs{From: e.fromURL, To: e.toURL, Source: e.source, Target: e.target, Now: p.clock(), Create: e.to.at.Name, Data: f.data, Embed: embedder})
	if err != nil {
		return nil, err
	}
	out.Found.Embed.Perimeter = e.embedding.verdict()
	return out, nil
}

// shownQuote says what embedding will take, and which of the first records have no text.
func (p *program) shownQuote(pl *plan.Plan) error {
	if p.json {
		return p.done(pl.Found.Embed, nil)
	}
	p.wrapped("model", pl.Embed.Model)
	if pl.Embed.Dim > 0 {
		p.wrapped("vectors", vectorsOf([]vector.Spec{pl.Embed.Spec()}))
	}
	p.printQuoted(pl)
	return nil
}

// openTexts opens the file and the archive, and returns the file's digest.
func (p *program) openTexts(ctx context.Context, e *ends, file *embedFile) (digest string, err error) {
	path := file.path
	if path == "-" {
		if file.id != "" {
			return "", usagef("--id is for files: lines of standard input have their numbers")
		}
		if path, err = p.spooled(); err != nil {
			return "", err
		}
		e.spool = filepath.Dir(path)
	} else if ext := filepath.Ext(path); ext != ".jsonl" && ext != ".parquet" {
		return "", usagef("%s ends neither in .jsonl nor in .parquet; lines of text come by standard input: freehold embed -", path)
	}
	if digest, err = digestOf(path); err != nil {
		return "", usagef("the file cannot be read: %w", err)
	}
	source, err := archive.OpenTexts(ctx, path, file.id)
	if err != nil {
		return "", err
	}
	e.source = source
	if _, err := source.Describe(ctx); err != nil { // a mistake in the file is told before anything is asked
		return "", usagef("%w", err)
	}
	out, err := filepath.Abs(cmp.Or(file.out, "none.jsonl"))
	if err != nil {
		return "", err
	}
	e.to.at = stores.Address{Store: stores.File, Path: out, Name: filepath.Base(out)}
	if e.target, err = archive.Open(ctx, out); err != nil {
		return "", err
	}
	// The copy is told apart by what is in the file: one that was moved is the same.
	e.fromURL, e.toURL = "texts:"+digest, e.to.at.String()
	return digest, nil
}

func digestOf(path string) (digest string, err error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer finish(&err, f.Close)
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// outGone reports whether what an earlier run has written is not there any more: it is
// made again.
func (w *copyWork) outGone(ctx context.Context, out string) (bool, error) {
	if out == "" || exists(out) || exists(out+".partial") {
		return false, nil
	}
	last, err := lastCopy(ctx, w.journal, w.e)
	if err != nil || last == nil || !last.Ended.IsZero() {
		return true, err
	}
	last.Ended = w.p.clock() // its spool is gone: there is nothing to go on with
	return true, w.journal.PutCopy(ctx, *last)
}

// spooled writes the lines of standard input into a file of records, in a directory of
// its own.
func (p *program) spooled() (path string, err error) {
	dir, err := os.MkdirTemp("", "freehold-embed-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	path = filepath.Join(dir, "stdin.jsonl")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer finish(&err, f.Close)
	out := bufio.NewWriter(f)
	in := bufio.NewScanner(p.in)
	in.Buffer(nil, 64<<20)
	var line []byte
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSuffix(in.Text(), "\r")
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		r := vector.Record{ID: vector.IDOf(strconv.Itoa(n)), Payload: vector.NewPayload([]vector.Field{{Name: "text", Value: vector.TextOf(text)}})}
		if line, err = r.AppendJSON(line[:0]); err != nil {
			return "", usagef("line %d: %w", n, err)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return "", err
		}
	}
	if err := in.Err(); err != nil {
		return "", usagef("standard input: %w", err)
	}
	return path, out.Flush()
}

// printQuoted shows what embedding will take.
func (p *program) printQuoted(pl *plan.Plan) {
	q := pl.Found.Embed
	p.wrapped("to embed", embedQuote(q))
	p.wrapped("texts go to", fmt.Sprintf("%s: %s", pl.Embed.Model, q.Perimeter))
	if q.Missing > 0 {
		p.wrapped("no text", fmt.Sprintf("about %s of %s; of the sample: %s", count(q.Missing), plural(int(pl.Found.Size.Records), "record"), strings.Join(q.Without, ", ")))
	}
}
