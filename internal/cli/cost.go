package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/capacity"
	"freehold/internal/cost"
	"freehold/internal/regular"
)

func (p *program) costCommand() *cobra.Command {
	return group("cost", "Check the models of hardware and money against facts", "  freehold cost validate rows.csv",
		p.costReplayCommand(), p.costValidateCommand())
}

func (p *program) costReplayCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "replay FILE",
		Short: "Compute a published table of break-even months again",
		Long: `replay reads a table of break-even months that somebody has published, as JSON,
with the prices, hardware and rates it was made of, and computes each cell:

  months = capex / (Q/3 x price of input + 2Q/3 x price of output - electricity)
  Q      = output tokens a second x 3600 x hours a month, one third of it input

The exit status is 1 where a cell is further off than the table's tolerance.`,
		Example: `  freehold cost replay break-even.json`,
		Args:    takes(1, 1),
		RunE:    func(_ *cobra.Command, a []string) error { return p.costReplay(a[0]) },
	})
}

// openData opens a file of data; - is standard input.
func (p *program) openData(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(p.in), nil
	}
	f, _, err := regular.Open(path)
	return f, err
}

func (p *program) costReplay(path string) (err error) {
	f, err := p.openData(path)
	if err != nil {
		return err
	}
	defer finish(&err, f.Close)
	table, err := cost.ReadPublished(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	cells, err := table.Replay()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	off := table.Off(cells)
	if p.json {
		err = printJSON(p.out, replayed(cells))
	} else {
		p.printCells(table, cells, len(off))
	}
	if len(off) > 0 {
		return errors.Join(err, errNo)
	}
	return err
}

// replayedCells are for programs: months as numbers, null where it never breaks even.
type replayedCells struct {
	Cells []replayedCell `json:"cells"`
}

type replayedCell struct {
	Model     string   `json:"model"`
	API       string   `json:"api"`
	Published float64  `json:"published"`
	Computed  *float64 `json:"computed"`
	Error     *float64 `json:"error"`
}

func replayed(cells []cost.Cell) replayedCells {
	out := replayedCells{[]replayedCell{}}
	of := func(d decimal.NullDecimal) *float64 {
		if !d.Valid {
			return nil
		}
		f := d.Decimal.InexactFloat64()
		return &f
	}
	for _, c := range cells {
		out.Cells = append(out.Cells, replayedCell{c.Model, c.API, c.Published.InexactFloat64(), of(c.Computed), of(c.Error)})
	}
	return out
}

func (p *program) printCells(of *cost.Published, cells []cost.Cell, off int) {
	t := &table{columns: []column{{head: "MODEL", keep: true}, {head: "API"}, {head: "PUBLISHED", right: true}, {head: "COMPUTED", right: true}, {head: "ERROR", right: true}}}
	for _, c := range cells {
		computed, by := "never", unknown
		if c.Computed.Valid {
			computed, by = c.Computed.Decimal.StringFixed(2), signed(c.Error.Decimal)
		}
		t.row(c.Model, c.API, c.Published.String(), computed, by)
	}
	p.print(t)
	fmt.Fprintf(p.out, "\nmonths until hardware has paid for itself; %s of %s further off than %s\n", count(int64(off)), plural(len(cells), "cell"), of.Tolerance)
}

func signed(d decimal.Decimal) string {
	s := d.StringFixed(3)
	if d.IsNegative() {
		return s
	}
	return "+" + s
}

func (p *program) costValidateCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "validate CSV",
		Short: "Score the capacity model on measured rows that it has not seen",
		Long: `validate reads measurements of inference servers, one row for each offered load,
in the form of pChitral/vllm-cost-meter (columns engine, model, precision,
hardware, gpus, rps, request_throughput, tps_output, ttft_mean_ms,
tpot_p50_ms), and predicts each row from hardware, model, precision, GPUs and
load alone. The model's efficiencies are fitted to the other rows: all rows of
one hardware and model are left out together.

Rows that carry less than 90 % of what they were offered are the knee and
beyond, and are scored apart: the others carry what is offered. Errors are
medians of |predicted / measured - 1|.`,
		Example: `  freehold cost validate rows.csv
  freehold cost validate rows.csv --json`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error { return p.costValidate(c.Context(), a[0]) },
	})
}

// scores are median errors, as shares; null of no rows.
type scores struct {
	Rows       int      `json:"rows"`
	Throughput *float64 `json:"tokens_per_s"`
	TPOT       *float64 `json:"time_per_output_token"`
	TTFT       *float64 `json:"time_to_first_token"`
}

func scoresOf(all []capacity.Scored) scores {
	median := func(of func(*capacity.Scored) float64) *float64 {
		m := capacity.Median(all, of)
		if math.IsNaN(m) {
			return nil
		}
		m = round4(m)
		return &m
	}
	return scores{len(all), median((*capacity.Scored).Error), median((*capacity.Scored).TPOT), median((*capacity.Scored).TTFT)}
}

// leftOut is what was said of the rows of one hardware and model.
type leftOut struct {
	Hardware string `json:"hardware"`
	Model    string `json:"model"`
	Knee     scores `json:"knee"`
	Below    scores `json:"below"`
}

// predicted is a row and what was said of it.
type predicted struct {
	Engine    string  `json:"engine"`
	Hardware  string  `json:"hardware"`
	GPUs      int     `json:"gpus"`
	Model     string  `json:"model"`
	Precision string  `json:"precision"`
	Rate      float64 `json:"rps"`
	Knee      bool    `json:"knee"`
	Measured  timed   `json:"measured"`
	Predicted timed   `json:"predicted"`
}

type timed struct {
	Throughput float64 `json:"tokens_per_s"`
	TPOT       float64 `json:"time_per_output_token_ms"`
	TTFT       float64 `json:"time_to_first_token_ms"`
}

// validated is the whole answer.
type validated struct {
	Knee   scores      `json:"knee"`
	Below  scores      `json:"below"`
	Groups []leftOut   `json:"left_out"`
	Rows   []predicted `json:"rows"`
}

func (p *program) costValidate(ctx context.Context, path string) (err error) {
	f, err := p.openData(path)
	if err != nil {
		return err
	}
	defer finish(&err, f.Close)
	known, err := capacity.Load()
	if err != nil {
		return err
	}
	rows, err := capacity.ReadRows(f, known)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var show *counter
	all, err := capacity.Validate(ctx, rows, func(done, of int) {
		if show == nil {
			show = p.newCounter("left out", of)
			return
		}
		show.add()
	})
	if show != nil {
		show.close()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	out := validatedOf(all)
	if p.json {
		return printJSON(p.out, out)
	}
	p.printValidated(out)
	return nil
}

// apart tells rows at the knee and beyond from those below it.
func apart(all []capacity.Scored) (knee, below []capacity.Scored) {
	for i := range all {
		if all[i].Row.Knee() {
			knee = append(knee, all[i])
		} else {
			below = append(below, all[i])
		}
	}
	return knee, below
}

func validatedOf(all []capacity.Scored) *validated {
	knee, below := apart(all)
	out := &validated{Knee: scoresOf(knee), Below: scoresOf(below), Groups: []leftOut{}, Rows: []predicted{}}
	for rest := all; len(rest) > 0; {
		var group, others []capacity.Scored
		first := rest[0].Row
		for i := range rest {
			if rest[i].Row.GPU == first.GPU && rest[i].Row.Model == first.Model {
				group = append(group, rest[i])
			} else {
				others = append(others, rest[i])
			}
		}
		knee, below := apart(group)
		out.Groups = append(out.Groups, leftOut{first.GPU.Name, first.Model.Name, scoresOf(knee), scoresOf(below)})
		rest = others
	}
	for i := range all {
		r, o := &all[i].Row, &all[i].Said
		out.Rows = append(out.Rows, predicted{
			r.Engine, r.GPU.Name, r.GPUs, r.Model.Name, r.Precision.Name, r.Rate, r.Knee(),
			timed{r.Throughput, float64(r.TPOT) * 1000, float64(r.TTFT) * 1000},
			timed{round4(o.Throughput), round4(float64(o.TPOT.P50) * 1000), round4(float64(o.TTFT.Mean) * 1000)},
		})
	}
	return out
}

func (p *program) printValidated(out *validated) {
	t := &table{columns: []column{{head: "LEFT OUT", keep: true}, {head: "ROWS", right: true}, {head: "TOKENS/S", right: true}, {head: "PER TOKEN", right: true}, {head: "FIRST TOKEN", right: true}}}
	share := func(f *float64) string {
		if f == nil {
			return none
		}
		return fmt.Sprintf("%.1f %%", 100**f)
	}
	row := func(name string, s scores) {
		if s.Rows > 0 {
			t.row(name, count(int64(s.Rows)), share(s.Throughput), share(s.TPOT), share(s.TTFT))
		}
	}
	for _, g := range out.Groups {
		row(g.Hardware+", "+g.Model+", knee", g.Knee)
	}
	for _, g := range out.Groups {
		row(g.Hardware+", "+g.Model+", below", g.Below)
	}
	row("each in turn, knee and beyond", out.Knee)
	row("each in turn, below the knee", out.Below)
	p.print(t)
	fmt.Fprintln(p.out, "\nmedian errors of rows that the calibration has not seen")
}
