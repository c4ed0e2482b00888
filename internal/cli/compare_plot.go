package cli

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"freehold/internal/compare"
)

// drawCompared draws, for each model whose cost is known, the difference of
// quality with its interval against what 1000 requests cost.
func drawCompared(file string, r *compare.Report) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s: %d requests, judged: %s", r.Workload, r.Rows, r.Judge.Kind)
	p.Title.Padding, p.Title.TextStyle.Font.Size = vg.Points(6), vg.Points(11)
	p.X.Label.Text, p.Y.Label.Text = "cost of 1000 requests (USD)", "quality less the baseline's (points of 100, 95 %)"
	p.Legend.Padding = vg.Points(2)
	p.Legend.Top, p.Legend.XOffs, p.Legend.YOffs = true, -vg.Points(6), -vg.Points(6)
	p.Add(plotter.NewGrid())
	drawn, right := 0, 0.0
	point := func(m *compare.Measured, y, low, high float64) error {
		if !m.PerThousand.Valid {
			return nil
		}
		x := m.PerThousand.Decimal.InexactFloat64()
		right = max(right, x)
		dot, err := plotter.NewScatter(plotter.XYs{{X: x, Y: y}})
		if err != nil {
			return err
		}
		dot.Color, dot.Shape, dot.Radius = plotutil.Color(drawn), draw.CircleGlyph{}, vg.Points(3.5)
		bar, err := plotter.NewLine(plotter.XYs{{X: x, Y: low}, {X: x, Y: high}})
		if err != nil {
			return err
		}
		bar.Color, bar.Width = plotutil.Color(drawn), vg.Points(1.5)
		p.Add(bar, dot)
		p.Legend.Add(m.Model, dot)
		drawn++
		return nil
	}
	if err := point(&r.Baseline, 0, 0, 0); err != nil {
		return err
	}
	for i := range r.Candidates {
		c := &r.Candidates[i]
		q := &c.Evidence.Quality
		if q.Pairs == 0 {
			continue
		}
		if err := point(&c.Measured, 100*q.Mean, 100*q.Low, 100*q.High); err != nil {
			return err
		}
	}
	if drawn == 0 {
		return errors.New("there is nothing to draw: what the answers cost is not known (models.MODEL.price in config.yaml says it)")
	}
	if right == 0 {
		right = 1
	}
	p.X.Min, p.X.Max = 0, 1.15*right
	floor, err := plotter.NewLine(plotter.XYs{{X: 0, Y: -100 * r.Margin}, {X: p.X.Max, Y: -100 * r.Margin}})
	if err != nil {
		return err
	}
	floor.Dashes, floor.Width = plotutil.Dashes(1), vg.Points(1)
	p.Add(floor)
	p.Legend.Add(fmt.Sprintf("accepted loss, %g points", 100*r.Margin), floor)
	// Room above the points for the legend, and a little below them.
	height := p.Y.Max - p.Y.Min
	p.Y.Max, p.Y.Min = p.Y.Max+0.08*float64(drawn+1)*height, p.Y.Min-0.05*height
	if err := p.Save(16*vg.Centimeter, 11*vg.Centimeter, file); err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	return nil
}
