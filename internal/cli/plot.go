package cli

import (
	"fmt"
	"path/filepath"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// drawBench draws the distributions of a measurement into a directory: for each
// figure the latency below which a share of the requests lies, at rest and at
// peak. It returns the files.
func drawBench(dir string, b *benched) ([]string, error) {
	var files []string
	for _, figure := range []struct {
		name, title string
		of          func(*part) *hdrhistogram.Histogram
	}{
		{"first-token", "time to the first content", func(p *part) *hdrhistogram.Histogram { return p.first }},
		{"gap", "gap between pieces of a stream", func(p *part) *hdrhistogram.Histogram { return p.gap }},
		{"total", "whole answer", func(p *part) *hdrhistogram.Histogram { return p.total }},
	} {
		p := plot.New()
		p.Title.Text = fmt.Sprintf("%s: %s", b.Workload, figure.title)
		p.X.Label.Text, p.Y.Label.Text = "share of requests (%)", "latency (ms)"
		if figure.name == "gap" {
			p.X.Label.Text = "share of gaps (%)"
		}
		p.X.Min, p.X.Max, p.Y.Min = 0, 100, 0
		p.Legend.Top, p.Legend.Left = true, true
		p.Add(plotter.NewGrid())
		drawn := 0
		for i, x := range b.Parts {
			h := figure.of(x)
			if h.TotalCount() == 0 {
				continue
			}
			line, err := plotter.NewLine(curve(h))
			if err != nil {
				return nil, err
			}
			line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
			p.Add(line)
			p.Legend.Add(fmt.Sprintf("%s, %d at a time", x.Name, x.Concurrency), line)
			drawn++
		}
		if drawn == 0 {
			continue
		}
		for _, ext := range []string{"svg", "png"} {
			file := filepath.Join(dir, "bench-"+figure.name+"."+ext)
			if err := p.Save(16*vg.Centimeter, 10*vg.Centimeter, file); err != nil {
				return nil, fmt.Errorf("draw %s: %w", file, err)
			}
			files = append(files, file)
		}
	}
	return files, nil
}

// curve is the quantile function of a histogram, in milliseconds.
func curve(h *hdrhistogram.Histogram) plotter.XYs {
	var out plotter.XYs
	for q := 0.0; q <= 100; q += 0.5 {
		out = append(out, plotter.XY{X: q, Y: float64(h.ValueAtQuantile(q)) / 1000})
	}
	return out
}
