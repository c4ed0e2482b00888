package cli

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"freehold/internal/admin"
)

// plotted is a plot in both forms.
type plotted struct {
	name, title string
	svg, png    []byte
}

// drawRollout draws what there is to draw of a rollout.
func drawRollout(r *admin.RolloutReportOut) ([]plotted, error) {
	var out []plotted
	for _, x := range []struct {
		name string
		draw func(*admin.RolloutReportOut) (*plot.Plot, error)
	}{{"quality", drawCourse}, {"segments", drawSegments}, {"latency", drawLatencies}} {
		p, err := x.draw(r)
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", x.name, err)
		}
		if p == nil {
			continue
		}
		d := plotted{name: x.name, title: p.Title.Text}
		height := plotHeight
		if x.name == "segments" {
			height = max(10*segmentHeight, vg.Length(len(r.Shadowed.Segments)+4)*segmentHeight) // the axis takes some of it
		}
		for ext, to := range map[string]*[]byte{"svg": &d.svg, "png": &d.png} {
			if *to, err = drawPage(p, height, ext); err != nil {
				return nil, fmt.Errorf("draw %s: %w", x.name, err)
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// level adds a line of one height, dashed, with its place in the legend.
func level(p *plot.Plot, name string, from, to, y float64) error {
	line, err := plotter.NewLine(plotter.XYs{{X: from, Y: y}, {X: to, Y: y}})
	if err != nil {
		return err
	}
	line.Dashes, line.Width = plotutil.Dashes(1), vg.Points(1)
	p.Add(line)
	p.Legend.Add(named(p, "%s", name), line)
	return nil
}

// drawCourse draws the mean difference with its confidence sequence over pairs.
func drawCourse(r *admin.RolloutReportOut) (*plot.Plot, error) {
	if len(r.Course) < 2 {
		return nil, nil
	}
	p := newPlot(fmt.Sprintf("%s: quality of %s less that of %s", r.Workload, r.To, r.From), "judged pairs", "difference of quality (points of 100)")
	var mean, band plotter.XYs
	for _, c := range r.Course {
		mean = append(mean, plotter.XY{X: float64(c.N), Y: 100 * c.Mean})
		band = append(band, plotter.XY{X: float64(c.N), Y: 100 * c.High})
	}
	for _, c := range slices.Backward(r.Course) {
		band = append(band, plotter.XY{X: float64(c.N), Y: 100 * c.Low})
	}
	area, err := plotter.NewPolygon(band)
	if err != nil {
		return nil, err
	}
	area.Color, area.LineStyle.Width = color.NRGBA{R: 90, G: 130, B: 200, A: 70}, 0
	line, err := plotter.NewLine(mean)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width = plotutil.Color(2), vg.Points(1.5)
	p.Add(area, line)
	p.Legend.Add("mean", line)
	p.Legend.Add("95 % at all looks together", area)
	last := float64(r.Course[len(r.Course)-1].N)
	if err := level(p, fmt.Sprintf("accepted loss, %g of 100 points", 100*r.Plan.Margin), 0, last, -100*r.Plan.Margin); err != nil {
		return nil, err
	}
	p.X.Min, p.X.Max = 0, last
	// The first intervals are as wide as can be, and would hide the rest.
	end := r.Course[len(r.Course)-1]
	reach := 100 * max(3*(end.High-end.Low)/2, 2*r.Plan.Margin)
	p.Y.Min, p.Y.Max = max(-100, 100*end.Mean-reach), min(100, 100*end.Mean+reach)
	for i := range band {
		band[i].Y = min(max(band[i].Y, p.Y.Min), p.Y.Max)
	}
	for i := range mean {
		mean[i].Y = min(max(mean[i].Y, p.Y.Min), p.Y.Max)
	}
	area.XYs, line.XYs = []plotter.XYs{band}, mean
	return p, nil
}

// drawSegments draws the difference in each segment with its interval.
func drawSegments(r *admin.RolloutReportOut) (*plot.Plot, error) {
	s := r.Shadowed.Segments
	if len(s) == 0 {
		return nil, nil
	}
	p := newPlot(fmt.Sprintf("%s: difference of quality by segment", r.Workload), "difference of quality (points of 100)", "segment (judged pairs)")
	p.Y.Tick.Label.Font.Size = vg.Points(8)
	var names []string
	for i := range s {
		q := &s[len(s)-1-i] // the first one on top
		names = append(names, fit(p.Y.Tick.Label, q.Name, plotWidth/3)+fmt.Sprintf(" (%d)", q.Pairs))
		y := float64(i)
		line, err := plotter.NewLine(plotter.XYs{{X: 100 * q.Low, Y: y}, {X: 100 * q.High, Y: y}})
		if err != nil {
			return nil, err
		}
		sure, err := plotter.NewLine(plotter.XYs{{X: 100 * q.Floor, Y: y - 0.2}, {X: 100 * q.Floor, Y: y + 0.2}})
		if err != nil {
			return nil, err
		}
		dot, err := plotter.NewScatter(plotter.XYs{{X: 100 * q.Mean, Y: y}})
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = plotutil.Color(2), vg.Points(1.5)
		sure.Color, sure.Width = plotutil.Color(2), vg.Points(1.5)
		dot.Color, dot.Shape, dot.Radius = plotutil.Color(2), draw.CircleGlyph{}, vg.Points(3)
		p.Add(line, sure, dot)
		if i == 0 {
			p.Legend.Add("mean, interval of 95 %; the upright stroke: surely above (95 %)", line, dot)
		}
	}
	for _, x := range []struct {
		name string
		at   float64
	}{{"no difference", 0}, {fmt.Sprintf("accepted loss, %g of 100 points", 100*r.Plan.Margin), -100 * r.Plan.Margin}} {
		line, err := plotter.NewLine(plotter.XYs{{X: x.at, Y: -0.5}, {X: x.at, Y: float64(len(s)) - 0.5}})
		if err != nil {
			return nil, err
		}
		if x.at != 0 {
			line.Dashes = plotutil.Dashes(1)
		}
		line.Width = vg.Points(1)
		p.Add(line)
		p.Legend.Add(x.name, line)
	}
	p.NominalY(names...)
	room := 0.03 * (p.X.Max - p.X.Min)
	p.X.Min, p.X.Max = p.X.Min-room, p.X.Max+room
	p.Y.Min, p.Y.Max = -0.5, float64(len(s))-0.5
	return p, nil
}

// segmentHeight is what a segment takes of a plot's height.
const segmentHeight = 16

// drawLatencies draws the latency below which a share of the answers lies.
func drawLatencies(r *admin.RolloutReportOut) (*plot.Plot, error) {
	p := newPlot(fmt.Sprintf("%s: latencies beside clients' requests", r.Workload), "share of answers (%)", "latency (ms)")
	p.X.Min, p.X.Max, p.Y.Min = 0, 100, 0
	drawn, names := 0, [2]string{r.From, r.To}
	for _, f := range []struct {
		what string
		of   [2][]float64
	}{{"whole answer", r.Totals}, {"first content", r.Firsts}} {
		for arm, values := range f.of {
			if len(values) < 2 {
				continue
			}
			sorted := slices.Sorted(slices.Values(values))
			var points plotter.XYs
			for q := 0.0; q <= 100; q++ {
				points = append(points, plotter.XY{X: q, Y: sorted[int(q/100*float64(len(sorted)-1)+0.5)]})
			}
			line, err := plotter.NewLine(points)
			if err != nil {
				return nil, err
			}
			line.Color, line.Width = plotutil.Color(2*arm), vg.Points(1.5)
			if f.what == "first content" {
				line.Dashes = plotutil.Dashes(1)
			}
			p.Add(line)
			p.Legend.Add(named(p, "%s, %s", names[arm], f.what), line)
			drawn++
		}
	}
	if drawn == 0 {
		return nil, nil
	}
	return p, nil
}
