package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

// exportedFile is what an export wrote.
type exportedFile struct {
	File    string `json:"file"`
	Written int    `json:"written"`
	LeftOut int    `json:"left_out"`
}

func (p *program) captureExportCommand() *cobra.Command {
	var since, until time.Time
	var least float64
	format, limit := "openai-chat", 10_000
	c := p.changes(p.facts(&cobra.Command{
		Use:   "export WORKLOAD FILE",
		Short: "Write kept conversations as training data",
		Long: `export writes the kept requests of a workload with their answers, one JSON
object a line, in the chat form that fine-tuning takes: messages (system, user,
assistant and tool) whole, the answer last, and the tools. With it a fine-tune
can be made again on open weights. Answers that failed or were cut are left out;
--min-score takes only those that were rated (POST /v1/feedback) so high. FILE
must not be there yet; - is standard output. That the texts were read, by whom
and why, is in the history.`,
		Example: `  freehold capture export support-chat --min-score 0.8 train.jsonl
  freehold capture export mail --since 30d --reason "tune llama" - | gzip > t.gz`,
		Args: takes(2, 2),
		RunE: func(c *cobra.Command, a []string) (err error) {
			in := admin.CaptureExportIn{Workload: a[0], Since: since, Until: until, Limit: limit, Reason: p.reason}
			if c.Flags().Changed("min-score") {
				if least > 1 {
					return usagef("--min-score is %v: scores are from 0 to 1", least)
				}
				in.MinScore = &least
			}
			if a[1] == "-" && p.json {
				return usagef("--json and - both want standard output: name a file")
			}
			to, done, err := p.created(a[1]) // before anything is read for nothing
			if err != nil {
				return err
			}
			defer func() { err = done(err) }()
			out, err := call(c.Context(), p, admin.CaptureExport, in)
			if err != nil {
				return err
			}
			w := exportedFile{File: a[1], LeftOut: out.LeftOut}
			for i := len(out.Exchanges) - 1; i >= 0; i-- { // the oldest first
				x := &out.Exchanges[i]
				line, err := training(x)
				if err != nil || x.Answer.Truncated {
					w.LeftOut++
					continue
				}
				if _, err := to.Write(line); err != nil {
					return err
				}
				w.Written++
			}
			if w.Written == 0 {
				return fmt.Errorf("workload %s keeps no conversation that could be trained on (%d left out)", a[0], w.LeftOut)
			}
			if p.json {
				return printJSON(p.out, w)
			}
			fmt.Fprintf(p.err, "%s in %s, %d left out\n", plural(w.Written, "conversation"), a[1], w.LeftOut)
			return nil
		},
	}))
	fl := c.Flags()
	fl.Var(choice(&format, "openai-chat"), "format", "`FORM` of the lines: openai-chat")
	fl.Var(factor(&least), "min-score", "only answers that were rated at least `SCORE`, 0 to 1")
	fl.Var(p.past(&since), "since", "only from this `TIME` on: 24h, 7d or 2026-01-31")
	fl.Var(p.past(&until), "until", "only before this `TIME`")
	fl.Var(whole(&limit, 1, 10_000), "limit", "at most the newest `N`")
	return c
}

// created makes a file for its owner only, which done takes away again where
// nothing came of it.
func (p *program) created(name string) (w io.Writer, done func(error) error, err error) {
	if name == "-" {
		return p.out, func(err error) error { return err }, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, nil, usagef("%s is there already: name a new file", name)
	}
	if err != nil {
		return nil, nil, err
	}
	b := bufio.NewWriter(f)
	return b, func(err error) error {
		if err = errors.Join(err, b.Flush(), f.Close()); err != nil {
			err = errors.Join(err, os.Remove(name))
		}
		return err
	}, nil
}

// training is an exchange as a line of training data.
func training(x *admin.ExportedChat) ([]byte, error) {
	var request struct {
		Messages []json.RawMessage `json:"messages"`
		Tools    json.RawMessage   `json:"tools,omitempty"`
		Parallel *bool             `json:"parallel_tool_calls,omitempty"`
	}
	if err := json.Unmarshal(x.Request, &request); err != nil {
		return nil, err
	}
	request.Messages = append(request.Messages, x.Message)
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	err := e.Encode(request)
	return line.Bytes(), err
}
