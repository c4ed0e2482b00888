package cli

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"freehold/internal/classify/score"
)

// drawRouters draws, for each router, the mean score of the answers against the
// share of prompts that go to the strong model.
func drawRouters(file string, e *evaluated) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s or %s: %d prompts", e.Weak, e.Strong, e.Rows)
	p.Title.Padding, p.Title.TextStyle.Font.Size = vg.Points(6), vg.Points(11)
	p.X.Label.Text, p.Y.Label.Text = "calls to the strong model (% of prompts)", "mean score of the answers (0 to 1)"
	p.X.Min, p.X.Max = 0, 100
	p.Legend.XOffs, p.Legend.YOffs = -vg.Points(6), vg.Points(6) // below the curves, which rise
	p.Add(plotter.NewGrid())
	for i, r := range e.Routers {
		c := score.Quality(r.rows)
		points := make(plotter.XYs, len(c.Share))
		for j := range points {
			points[j] = plotter.XY{X: 100 * c.Share[j], Y: c.Quality[j]}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
		if i > 0 {
			line.Dashes, line.Width = plotutil.Dashes(i), vg.Points(1)
		}
		p.Add(line)
		label := r.Router
		if r.APGR != nil {
			label = fmt.Sprintf("%s, APGR %.3f", r.Router, *r.APGR)
		}
		p.Legend.Add(label, line)
	}
	if err := p.Save(16*vg.Centimeter, 11*vg.Centimeter, file); err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	return nil
}
