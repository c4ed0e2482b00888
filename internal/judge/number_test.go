package judge_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"freehold/internal/judge"

	"pgregory.net/rapid"
)

func TestLastNumber(t *testing.T) {
	for _, c := range []struct {
		text    string
		comma   bool
		want    float64
		percent bool
	}{
		{"42", false, 42, false},
		{"The answer is 42.", false, 42, false},
		{"From 3 to 5.", false, 5, false},
		{"3-5", false, 5, false},
		{"x=-5", false, -5, false},
		{"It fell by −5.5 degrees", false, -5.5, false},
		{"-$12", false, -12, false},
		{"GPT-4", false, 4, false},
		{"-0", false, 0, false},
		{"1,234,567.89", false, 1234567.89, false},
		{"1.234.567,89", true, 1234567.89, false},
		{"1.234", false, 1.234, false},
		{"1.234", true, 1234, false},
		{"1,234", true, 1.234, false},
		{"1,234", false, 1234, false},
		{"1.5", true, 1.5, false},
		{"3,5", false, 3.5, false},
		{"0,125", false, 0.125, false},
		{"1.234.567", false, 1234567, false},
		{"1\u00a0234\u00a0567 people", false, 1234567, false},
		{"1\u202f234", false, 1234, false},
		{"1'234", false, 1234, false},
		{"12_000", false, 12000, false},
		{`5'10"`, false, 10, false},
		{"7 on 1.2.2026", false, 7, false},
		{"45%", false, 45, true},
		{"45 % of them", false, 45, true},
		{`45\%`, false, 45, true},
		{"3/4", false, 0.75, false},
		{"-1/2", false, -0.5, false},
		{"1/0", false, 0, false},
		{"12/11/2026", false, 2026, false},
		{"1.5e3", false, 1500, false},
		{"1e-2", false, 0.01, false},
		{"so 9. #### 18\nI used 3 steps.", false, 18, false},
		{"12 #### 18", false, 18, false},
		{"#### none, but 4 before", false, 4, false},
		{`\boxed{18} in 3 steps`, false, 18, false},
		{`\boxed{x} in 3 steps`, false, 3, false},
		{"9" + strings.Repeat(" ", 70_000) + "8", false, 8, false},
	} {
		got, ok := judge.LastNumber(c.text, c.comma)
		if !ok || got.Value != c.want || got.Percent != c.percent || math.Signbit(got.Value) != (c.want < 0) {
			t.Errorf("%.60q: %v %v, want %v", c.text, got, ok, c.want)
		}
	}
	for _, s := range []string{"", "seven", "1.2.3", "%", "9e999"} {
		if n, ok := judge.LastNumber(s, false); ok {
			t.Errorf("%q is %v", s, n)
		}
	}
}

// A number is read as it was written, in every way of grouping.
func TestNumbersAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(0, 1_000_000_000).Draw(t, "whole")
		cents := rapid.IntRange(0, 99).Draw(t, "cents")
		minus := rapid.SampledFrom([]string{"", "-", "−"}).Draw(t, "sign")
		sep := rapid.SampledFrom([]string{",", "'", "_", "\u00a0", ""}).Draw(t, "separator")
		comma := rapid.Bool().Draw(t, "comma")
		point := "."
		if comma {
			point = ","
			if sep == "," {
				sep = "."
			}
		}
		digits := fmt.Sprint(whole)
		for i := len(digits) - 3; i > 0; i -= 3 {
			digits = digits[:i] + sep + digits[i:]
		}
		text := fmt.Sprintf("%s%s%s%02d", minus, digits, point, cents)
		want := float64(whole) + float64(cents)/100
		if minus != "" {
			want = -want
		}
		got, ok := judge.LastNumber("That is "+text+", I think.", comma)
		if !ok || math.Abs(got.Value-want) > 1e-6 {
			t.Fatalf("%s: %v %v, want %v", text, got, ok, want)
		}
	})
}

func FuzzLastNumber(f *testing.F) {
	f.Add("1,234.5 %", false)
	f.Add("1/2/3e5'100", true)
	f.Fuzz(func(t *testing.T, s string, comma bool) {
		n, ok := judge.LastNumber(s, comma)
		if math.IsNaN(n.Value) || math.IsInf(n.Value, 0) || !ok && n != (judge.Number{}) || ok && !strings.ContainsAny(s, "0123456789") {
			t.Errorf("%q: %v %v", s, n, ok)
		}
	})
}
