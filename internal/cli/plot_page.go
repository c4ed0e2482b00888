package cli

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// What a plot is drawn into. Behind the right end there is room for half of the
// last number of an axis.
const (
	plotWidth  = 16 * vg.Centimeter
	plotHeight = 9 * vg.Centimeter // without title and legend
	plotEdge   = 8                 // points
	plotRight  = 16
)

// newPlot is a plot with a grid and as many numbers at its axes as are of use.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font.Size, p.Title.TextStyle.XAlign = vg.Points(11), draw.XLeft
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	p.Legend.Padding, p.Legend.TextStyle.Font.Size = vg.Points(2), vg.Points(10)
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	return p
}

// ticks are numbers at steps of 1, 2 or 5 times a power of ten.
func ticks(from, to float64) []plot.Tick {
	const most = 7
	step := math.Pow(10, math.Floor(math.Log10((to-from)/most)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (to-from)/(times*step) <= most {
			step *= times
			break
		}
	}
	places := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var out []plot.Tick
	for i := math.Ceil(from/step - 1e-9); i*step <= to+1e-9*step; i++ {
		out = append(out, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'f', places, 64)})
	}
	return out
}

// drawPage draws a plot with its title above it, on as many lines as it takes, and
// its legend below it, where neither hides a figure.
func drawPage(p *plot.Plot, height vg.Length, format string) ([]byte, error) {
	inner := *p
	title, legend := p.Title.TextStyle, p.Legend
	inner.Title.Text, inner.Legend = "", plot.NewLegend()
	lines := fold(title, p.Title.Text, plotWidth-plotEdge-plotRight)
	line := title.FontExtents().Height + vg.Points(2)
	above := vg.Length(len(lines))*line + plotEdge
	below := legend.Rectangle(draw.Canvas{}).Size().Y + plotEdge
	c, err := draw.NewFormattedCanvas(plotWidth, height+above+below+2*plotEdge, format)
	if err != nil {
		return nil, err
	}
	page := draw.New(c)
	page.SetColor(inner.BackgroundColor)
	page.Fill(page.Rectangle.Path())
	page = draw.Crop(page, plotEdge, -plotRight, plotEdge, -plotEdge)
	for i, text := range lines {
		page.FillText(title, vg.Point{X: page.Min.X, Y: page.Max.Y - vg.Length(i)*line}, text)
	}
	inner.Draw(draw.Crop(page, 0, 0, below, -above))
	legend.Draw(draw.Crop(page, 0, 0, 0, below-plotEdge-page.Rectangle.Size().Y))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// fold breaks a text into lines that fit, between words; a word that does not is
// shortened.
func fold(style text.Style, s string, width vg.Length) []string {
	var lines []string
	for _, word := range strings.Fields(s) {
		word = fit(style, word, width)
		if n := len(lines); n > 0 && style.Rectangle(lines[n-1]+" "+word).Size().X <= width {
			lines[n-1] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// fit takes out of the middle of a text what does not fit.
func fit(style text.Style, s string, width vg.Length) string {
	r := []rune(s)
	for cut := 0; style.Rectangle(s).Size().X > width && cut < len(r)-2; {
		cut++
		head := (len(r) - cut) * 2 / 3
		s = string(r[:head]) + "…" + string(r[head+cut:])
	}
	return s
}

// named fits a name into a legend.
func named(p *plot.Plot, format string, a ...any) string {
	return fit(p.Legend.TextStyle, fmt.Sprintf(format, a...), plotWidth-plotEdge-plotRight-p.Legend.ThumbnailWidth-plotEdge)
}
