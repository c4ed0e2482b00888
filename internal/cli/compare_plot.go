package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"freehold/internal/compare"
)

// drawCompared draws, for each model whose cost is known, the difference of
// quality with its interval against what 1000 requests cost.
func drawCompared(file string, r *compare.Report) error {
	p := newPlot(fmt.Sprintf("%s: %s, judged: %s", r.Workload, plural(r.Rows, "request"), r.Judge.Kind),
		"cost of 1000 requests (USD)", "quality less the baseline's (points of 100)")
	drawn, right := 0, 0.0
	var floors plotter.XYs
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}} // when all colours are taken
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
		dot.Color, dot.Shape, dot.Radius = plotutil.Color(drawn), shapes[drawn/len(plotutil.DefaultColors)%len(shapes)], vg.Points(3.5)
		bar, err := plotter.NewLine(plotter.XYs{{X: x, Y: low}, {X: x, Y: high}})
		if err != nil {
			return err
		}
		bar.Color, bar.Width = plotutil.Color(drawn), vg.Points(1.5)
		p.Add(bar, dot)
		p.Legend.Add(named(p, "%s", m.Model), dot)
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
		if !c.PerThousand.Valid {
			continue
		}
		floors = append(floors, plotter.XY{X: c.PerThousand.Decimal.InexactFloat64(), Y: 100 * q.Floor})
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
	for i, at := range floors {
		half := 0.012 * p.X.Max
		stroke, err := plotter.NewLine(plotter.XYs{{X: at.X - half, Y: at.Y}, {X: at.X + half, Y: at.Y}})
		if err != nil {
			return err
		}
		stroke.Width = vg.Points(1)
		if p.Add(stroke); i == 0 {
			p.Legend.Add("surely above (95 %); the bars are intervals of 95 %", stroke)
		}
	}
	room := 0.05 * (p.Y.Max - p.Y.Min)
	p.Y.Max, p.Y.Min = p.Y.Max+room, p.Y.Min-room
	text, err := drawPage(p, plotHeight, strings.TrimPrefix(filepath.Ext(file), "."))
	if err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	return os.WriteFile(file, text, 0o644) //nolint:gosec // a plot is to be shown to others
}
