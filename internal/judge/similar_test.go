package judge_test

import (
	"math"
	"strings"
	"testing"

	"freehold/internal/judge"
)

func TestSimilar(t *testing.T) {
	for _, c := range []struct {
		a, b          string
		cosine, rouge float64
	}{
		{"The cat sat.", "the CAT sat", 1, 1},
		{"a b c d", "d c b a", 1, 0.25},
		{"a b c", "a x c", 2.0 / 3, 2.0 / 3},
		{"a", "b", 0, 0},
		{"", "", 0, 0},
		{"", "a", 0, 0},
		{"...", "a", 0, 0},
		{"a a a a", "a", 1, 0.4},
		{"東京は首都", "東京が首都", 0.8, 0.8},
		{"go1.26東京x", "go1 26 東 京 x", 1, 1},
		{strings.Repeat("a ", 2000) + "b", strings.Repeat("a ", 2000) + "c", 1, 1},
		{strings.Repeat("a b ", 5000), strings.Repeat("a b ", 5000), 1, 1},
	} {
		got := judge.Similar(c.a, c.b)
		if math.Abs(got.Cosine-c.cosine) > 1e-9 || math.Abs(got.RougeL-c.rouge) > 1e-9 {
			t.Errorf("%.20q, %.20q: %+v, want %v and %v", c.a, c.b, got, c.cosine, c.rouge)
		}
		if judge.Similar(c.b, c.a) != got {
			t.Errorf("%.20q, %.20q: the order matters", c.a, c.b)
		}
	}
}

// Similarity is in every verdict and changes none.
func TestSimilarityIsShown(t *testing.T) {
	v := judged(t, judge.Spec{Kind: judge.Exact}, judge.Sample{Baseline: text("one two"), Candidate: text("two one")})
	if v.Similarity.Cosine != 1 || v.Similarity.RougeL != 0.5 || v.Candidate != 0 {
		t.Errorf("%+v", v)
	}
}
