package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/drill"
	"freehold/internal/drill/document"
	"freehold/internal/regular"
)

// reportFlags say where a drill is written down.
type reportFlags struct {
	md, html string
	next     due
}

func (f *reportFlags) flags(c *cobra.Command) {
	f.next = due{years: 1}
	c.Flags().StringVar(&f.md, "md", "", "also write a document as Markdown to `FILE`")
	c.Flags().StringVar(&f.html, "html", "", "also write a document as HTML to `FILE`")
	c.Flags().Var(one[due]{&f.next, "time", readDue}, "next", "in the document: the next test is due after `TIME` (90d, 6m, 1y)")
}

// writeReport writes the documents that were asked for.
func (p *program) writeReport(f reportFlags, d *admin.DrillOut) error {
	if f.md == "" && f.html == "" {
		return nil
	}
	own := d.Drill.Drill()
	tested := own.Started
	if !own.Ended.IsZero() {
		tested = own.Ended
	}
	page := document.Of(&own, &d.Facts, f.next.after(tested))
	write := func(file string, text []byte) error {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return fmt.Errorf("the document is not written (freehold drill show %s --md FILE does it again): %w", own.ID, err)
		}
		fmt.Fprintln(p.err, "wrote", file)
		return nil
	}
	if f.md != "" {
		if err := write(f.md, page.Markdown()); err != nil {
			return err
		}
	}
	if f.html == "" {
		return nil
	}
	text, err := page.HTML()
	if err != nil {
		return err
	}
	return write(f.html, text)
}

func (p *program) drillExitCommand() *cobra.Command {
	f := drillFlags{kind: drill.Exit, length: 10 * time.Minute, share: 1}
	c := p.changes(p.facts(&cobra.Command{
		Use:   "exit WORKLOAD",
		Short: "Forbid a workload its vendor for a while: could it live without?",
		Long: `exit keeps the requests of a workload away from whoever serves its model now,
and from that vendor's other providers, for a while. Requests that nobody else
could answer are answered by the vendor all the same, and the drill is not
passed.
--md and --html write it down in the form of the tested exit plan that Article
28(8) of Regulation (EU) 2022/2554 (DORA) asks for; what freehold cannot know is
left open there, and marked.`,
		Example: `  freehold drill exit support-chat --for 10m --md exit.md
  freehold drill exit support-chat --synthetic -n 100 --html exit.html --next 6m`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			return p.drill(c, f, admin.DrillStartIn{Kind: string(drill.Exit), Workload: a[0]})
		},
	}))
	p.plansDrill(c, &f)
	return c
}

func (p *program) drillListCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:     "list",
		Short:   "List drills, the latest first",
		Example: `  freehold drill list`,
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.DrillList, admin.None{})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printDrills(out)
			return nil
		},
	})
}

func (p *program) drillShowCommand() *cobra.Command {
	var f reportFlags
	c := p.facts(&cobra.Command{
		Use:   "show ID",
		Short: "Show what a drill found, and write it down",
		Long: `show prints a drill that was made, or is under way; ID may be the word last.
Providers and alternatives are described as the configuration has them now.`,
		Example: `  freehold drill show last --md drill.md
  freehold drill show 01936f5e-7c1a-7000-8000-1b2c3d4e5f60 --html exit.html`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			out, err := call(c.Context(), p, admin.DrillShow, admin.DrillIn{ID: a[0]})
			if err != nil {
				return err
			}
			if err := p.writeReport(f, &out); err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, out)
			}
			p.printDrill(&out)
			return nil
		},
	})
	f.flags(c)
	return c
}

func (p *program) drillStopCommand() *cobra.Command {
	return p.changes(p.facts(&cobra.Command{
		Use:     "stop",
		Short:   "End the drill under way",
		Example: `  freehold drill stop --reason "release tonight"`,
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.DrillStop, admin.DrillStopIn{Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printDrill(&out)
			return nil
		},
	}))
}

// maxPrompts bounds a file of prompts: it travels to the server whole.
const maxPrompts = 3 << 20

// jsonLines reads a file of one JSON object a line.
func jsonLines(file string) ([]json.RawMessage, error) {
	text, err := regular.Read(file, maxPrompts)
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxPrompts+1)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(line, &object); err != nil {
			return nil, usagef("%s:%d: is no JSON object: %w", file, n, err)
		}
		out = append(out, bytes.Clone(line))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(out) == 0 {
		return nil, usagef("%s has no prompts", file)
	}
	return out, nil
}
