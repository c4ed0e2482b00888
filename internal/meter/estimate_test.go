package meter

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"
)

const (
	prose = "The gateway stands between applications and whoever serves the models, and carries each workload, step by step and with evidence, from one place to another.\n"
	code  = "func (b *PriceBook) Listing(ref Ref) (l Listing, ok bool, err error) {\n\tif err := b.Warm(); err != nil {\n\t\treturn Listing{}, false, err\n\t}\n"
	chin  = "网关位于应用程序和提供模型的人之间,并逐步将每个工作负载从一个地方带到另一个地方。"
)

func TestEstimateText(t *testing.T) {
	var e Estimator
	exact := codec.NewO200kBase()
	for name, text := range map[string]string{
		"word": "hello", "one byte": "a", "emoji": "👩‍👩‍👧", "prose": prose, "code": code, "chinese": chin,
		"a page of prose": strings.Repeat(prose, 20), "half a megabyte of code": strings.Repeat(code, 4000),
		"broken UTF-8": "abc\xff\xfe def",
	} {
		want, err := exact.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		got := e.Text(text)
		if off := math.Abs(float64(got)-float64(want)) / float64(want); off > 0.02 {
			t.Errorf("%s: %d, the tokenizer counts %d", name, got, want)
		}
	}
	if got := e.Text(""); got != 0 {
		t.Errorf("nothing has %d tokens", got)
	}
}

// Text of any length takes the time of 64 KiB; the mixture below is read in
// every part.
func TestEstimateIsBounded(t *testing.T) {
	var e Estimator
	e.Text("load")
	text := strings.Repeat(prose, 40_000) + strings.Repeat(chin, 40_000) // 6.4 MB and 5 MB
	for _, s := range []string{text, strings.Repeat("a", 8<<20), strings.Repeat(" ", 8<<20), strings.Repeat("\xff", 8<<20)} {
		start := time.Now()
		n := e.Text(s)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%d MiB took %s", len(s)>>20, took)
		}
		if n < int64(len(s))/200 || n > int64(len(s)) {
			t.Errorf("%d tokens for %d bytes", n, len(s))
		}
	}
	exact := codec.NewO200kBase()
	a, _ := exact.Count(prose)
	b, _ := exact.Count(chin)
	want := float64(40_000 * (a + b))
	if got := float64(e.Text(text)); math.Abs(got-want)/want > 0.2 {
		t.Errorf("%.0f tokens, about %.0f expected", got, want)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int]int64{-1: 0, 0: 0, 1: 1, 4: 1, 5: 2, 4000: 1000} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %d, want %d", n, got, want)
		}
	}
}

// A window never starts inside a character of valid text.
func TestBoundary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("a é\n漢👧")), 1, 300, -1).Draw(t, "s")
		i := rapid.IntRange(0, len(s)).Draw(t, "i")
		j := boundary(s, i)
		if j > i || i-j > 64 || !utf8.ValidString(s[:j]) {
			t.Fatalf("boundary(%q, %d) = %d", s, i, j)
		}
	})
}

func BenchmarkEstimate(b *testing.B) {
	var e Estimator
	text := strings.Repeat(prose, 20_000)
	e.Text("load")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		e.Text(text)
	}
}
