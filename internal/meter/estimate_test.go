package meter

import (
	"math"
	"strings"
	"testing"
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

// At most 64 KiB are read of text of any length, from all parts of it, and a
// text that fits is read whole.
func TestSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{prose, code, chin, "a", " ", "\xff", "é"}).Draw(t, "unit")
		s := strings.Repeat(unit, rapid.IntRange(1, 3<<20/len(unit)).Draw(t, "n"))
		w := sample(s)
		got := strings.Join(w, "")
		if len(s) <= maxWindows*windowBytes && got != s {
			t.Fatalf("%d bytes of %d were read", len(got), len(s))
		}
		if len(w) > maxWindows || len(got) > maxWindows*(windowBytes+64) || got == "" {
			t.Fatalf("%d windows, %d bytes", len(w), len(got))
		}
	})
}

func TestEstimateOfLongText(t *testing.T) {
	var e Estimator
	exact := codec.NewO200kBase()
	a, err := exact.Count(prose)
	if err != nil {
		t.Fatal(err)
	}
	b, err := exact.Count(chin)
	if err != nil {
		t.Fatal(err)
	}
	want := float64(20_000 * (a + b))
	text := strings.Repeat(prose, 20_000) + strings.Repeat(chin, 20_000) // 3 MB and 2.5 MB
	if got := float64(e.Text(text)); math.Abs(got-want)/want > 0.2 {
		t.Errorf("%.0f tokens, about %.0f expected", got, want)
	}
	// Text without words is one piece a window for the tokenizer.
	for _, unit := range []string{"a", " ", "\xff"} {
		n := int64(8 << 20)
		if got := e.Text(strings.Repeat(unit, int(n))); got < n/200 || got > n {
			t.Errorf("%d tokens for %d times %q", got, n, unit)
		}
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
