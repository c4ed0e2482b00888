package cli

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"gonum.org/v1/plot/vg"

	"freehold/internal/compare"
	"freehold/internal/rollout"
)

// uncut fails if something of a plot is cut off by an edge: there all is white.
func uncut(t *testing.T, name string, text []byte) {
	t.Helper()
	image, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	b, drawn := image.Bounds(), 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := image.At(x, y).RGBA()
			if r+g+bl == 3*0xffff {
				continue
			}
			if drawn++; x < 3 || y < 3 || x >= b.Max.X-3 || y >= b.Max.Y-3 {
				t.Fatalf("%s: something is drawn at %d,%d of %v, beyond the edge", name, x, y, b.Max)
			}
		}
	}
	if drawn == 0 {
		t.Errorf("%s: nothing is drawn", name)
	}
	if dir := os.Getenv("FREEHOLD_PLOTS"); dir != "" { // to look at them
		if err := os.WriteFile(filepath.Join(dir, name+".png"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPlotsAreWhole: with long names and few or many of them nothing is cut off.
func TestPlotsAreWhole(t *testing.T) {
	long := strings.Repeat("a-rather-long-name-", 8)
	for _, n := range []int{1, 3, 40} {
		r := reported()
		r.Workload, r.From, r.To = "support "+long, "old-"+long, "new-"+long
		some := r.Shadowed.Segments
		r.Shadowed.Segments = nil
		for i := range n {
			q := some[i%len(some)]
			q.Name = []string{"language=de", "task=" + long, "length=over 16 KB"}[i%3]
			r.Shadowed.Segments = append(r.Shadowed.Segments, q)
		}
		plots, err := drawRollout(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range plots {
			uncut(t, fmt.Sprintf("%s-%d", x.name, n), x.png)
		}
		c := &compare.Report{Margin: 0.05, Rows: 200}
		c.Workload, c.Judge.Kind = "support "+long, "pairwise"
		c.Baseline = compare.Measured{Model: "old-" + long, PerThousand: decimal.NewNullDecimal(decimal.RequireFromString("2.91"))}
		for i := range n {
			m := compare.Candidate{Measured: compare.Measured{Model: fmt.Sprint(i, long), PerThousand: decimal.NewNullDecimal(decimal.New(int64(35*i), -2))}}
			mean := 0.01 * float64(i-3)
			m.Evidence.Quality = rollout.Quality{Pairs: 200, Mean: mean, Low: mean - 0.05, High: mean + 0.05, Floor: mean - 0.04}
			c.Candidates = append(c.Candidates, m)
		}
		file := filepath.Join(t.TempDir(), "compare.png")
		if err := drawCompared(file, c); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		uncut(t, fmt.Sprintf("compare-%d", n), text)
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		from, to float64
		want     string
	}{
		{0, 100, "0 20 40 60 80 100"}, {-8.3, 14.7, "-5 0 5 10"}, {0, 0.00031, "0.00000 0.00005 0.00010 0.00015 0.00020 0.00025 0.00030"},
		{-0.4, 0.4, "-0.4 -0.2 0.0 0.2 0.4"}, {0, 3400, "0 500 1000 1500 2000 2500 3000"},
	} {
		var got []string
		for _, x := range ticks(tt.from, tt.to) {
			got = append(got, x.Label)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%g to %g: %v", tt.from, tt.to, got)
		}
	}
}

// TestFold: a text stands on lines that fit, whole but for words that are too long.
func TestFold(t *testing.T) {
	style := newPlot("", "", "").Title.TextStyle
	width := 5 * vg.Centimeter
	text := "quality of one model less that of another, and of a third"
	lines := fold(style, text, width)
	if strings.Join(lines, " ") != text || len(lines) < 2 {
		t.Errorf("%q", lines)
	}
	lines = append(lines, fold(style, strings.Repeat("abc", 40)+" end", width)...)
	for _, l := range lines {
		if style.Rectangle(l).Size().X > width {
			t.Errorf("%q is too wide", l)
		}
	}
	if got := fit(style, strings.Repeat("abc", 40), width); !strings.HasPrefix(got, "abcabc") || !strings.HasSuffix(got, "abc") || !strings.Contains(got, "…") {
		t.Errorf("%q", got)
	}
}
