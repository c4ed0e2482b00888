package judge

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// numeric compares the numbers that answers come to.
type numeric struct {
	tolerance Tolerance
	comma     bool // between the whole and its decimals
}

func (m numeric) fits(w *Expected) error {
	if _, ok := m.right(w); !ok {
		return errors.New("the expected answer has no number to compare with")
	}
	return nil
}

// right is the number that is expected.
func (m numeric) right(w *Expected) (Number, bool) {
	if w.Number != nil {
		return Number{Value: *w.Number}, !math.IsNaN(*w.Number) && !math.IsInf(*w.Number, 0)
	}
	for _, t := range w.Texts {
		if n, ok := LastNumber(t, m.comma); ok {
			return n, true
		}
	}
	return Number{}, false
}

func (m numeric) unusable(a *Answer) string {
	if _, ok := LastNumber(a.Text, m.comma); !ok {
		return "has no number"
	}
	return ""
}

func (m numeric) against(a *Answer, w *Expected) finding {
	got, _ := LastNumber(a.Text, m.comma)
	want, _ := m.right(w)
	return yes(m.tolerance.number(got, want), "is another number than expected", "%s for %s", got, want)
}

func (m numeric) agree(a, b *Answer) finding {
	x, _ := LastNumber(a.Text, m.comma)
	y, _ := LastNumber(b.Text, m.comma)
	return yes(m.tolerance.number(x, y), "the numbers differ", "%s and %s", x, y)
}

// Number is one read from a text.
type Number struct {
	Value   float64
	Percent bool // a percent sign stands behind it
}

func (n Number) String() string {
	s := strconv.FormatFloat(n.Value, 'g', -1, 64)
	if n.Percent {
		s += " %"
	}
	return s
}

// number reports two numbers that are near enough. Whoever leaves the percent
// sign out may mean 45 or 0.45 by 45 %.
func (t Tolerance) number(a, b Number) bool {
	if t.near(a.Value, b.Value) {
		return true
	}
	switch {
	case a.Percent && !b.Percent:
		return t.near(a.Value/100, b.Value)
	case b.Percent && !a.Percent:
		return t.near(a.Value, b.Value/100)
	}
	return false
}

// rounding is what is left of a value that was written in decimals and
// computed with: it is no difference.
const rounding = 1e-12

func (t Tolerance) near(a, b float64) bool {
	d, size := math.Abs(a-b), max(math.Abs(a), math.Abs(b))
	return a == b || d <= t.Absolute*(1+rounding) || d <= size*max(t.Relative, rounding)
}

// What a number is written with. Between thousands there may be a comma, a
// space that does not break, an apostrophe or an underscore.
var (
	written = regexp.MustCompile(`[0-9]+(?:[.,][0-9]+|['’_\x{00a0}\x{2009}\x{202f}][0-9]{3})*(?:[eE][+-]?[0-9]{1,3}\b)?`)
	boxed   = regexp.MustCompile(`\\boxed\{([^{}]*)\}`)
	grouped = regexp.MustCompile(`^[1-9][0-9]{0,2}(?:,[0-9]{3})+$`)
)

// maxRead is how much of a text's end is read for its last number, in bytes.
const maxRead = 64 << 10

// LastNumber is the number that a text comes to: the one behind the last ####
// in its line, else in the last \boxed{}, else the last one of all. Two whole numbers with a
// slash between them are a fraction. comma: it separates the decimals, and a
// point thousands; else it is the other way round, but for what cannot separate
// thousands: 3,5.
func LastNumber(text string, comma bool) (Number, bool) {
	if len(text) > maxRead {
		text = text[len(text)-maxRead:]
	}
	if at := strings.LastIndex(text, "####"); at >= 0 {
		line, _, _ := strings.Cut(text[at:], "\n")
		if n, ok := lastNumber(line, comma); ok {
			return n, true
		}
	}
	if all := boxed.FindAllStringSubmatch(text, -1); len(all) > 0 {
		if n, ok := lastNumber(all[len(all)-1][1], comma); ok {
			return n, true
		}
	}
	return lastNumber(text, comma)
}

func lastNumber(text string, comma bool) (Number, bool) {
	all := written.FindAllStringIndex(text, -1)
	for i := len(all) - 1; i >= 0; i-- {
		begin, end := all[i][0], all[i][1]
		value, ok := valueOf(text[begin:end], comma)
		if !ok {
			continue
		}
		if over, at, ok := above(text, all, i, comma); ok && value != 0 {
			value, begin = over/value, at
		}
		if negative(text[:begin]) {
			value = -value
		}
		if value == 0 {
			value = 0 // without a sign
		}
		rest := strings.TrimLeft(text[end:], " \u00a0\u202f\\")
		return Number{value, strings.HasPrefix(rest, "%") || strings.HasPrefix(rest, "％")}, true
	}
	return Number{}, false
}

// above is the whole number before a slash before the i-th one, which is whole,
// too. Three with slashes are a date.
func above(text string, all [][]int, i int, comma bool) (value float64, at int, ok bool) {
	slash := func(i int) bool { return i > 0 && text[all[i-1][1]:all[i][0]] == "/" }
	whole := func(i int) bool { return strings.Trim(text[all[i][0]:all[i][1]], "0123456789") == "" }
	after := strings.HasPrefix(text[all[i][1]:], "/")
	if !slash(i) || slash(i-1) || after || !whole(i) || !whole(i-1) {
		return 0, 0, false
	}
	value, ok = valueOf(text[all[i-1][0]:all[i-1][1]], comma)
	return value, all[i-1][0], ok
}

// negative reports a sign at the end of what stands before a number. Behind a
// digit or letter it is a hyphen: 3-5, GPT-4.
func negative(before string) bool {
	before = strings.TrimRight(before, "$€£¥")
	for _, sign := range [...]string{"-", "−", "–"} {
		if head, ok := strings.CutSuffix(before, sign); ok {
			last, _ := utf8.DecodeLastRuneInString(head)
			return head == "" || !unicode.IsLetter(last) && !unicode.IsDigit(last) && last != ')'
		}
	}
	return false
}

// valueOf reads digits with separators.
func valueOf(s string, comma bool) (float64, bool) {
	s, exponent, scientific := cutAny(s, "eE")
	for _, space := range [...]string{"'", "’", "_", "\u00a0", "\u2009", "\u202f"} {
		s = strings.ReplaceAll(s, space, "")
	}
	if comma {
		s = strings.NewReplacer(".", ",", ",", ".").Replace(s)
	}
	whole, part, point := strings.Cut(s, ".")
	switch {
	case grouped.MatchString(whole) && !strings.ContainsAny(part, ".,"):
		s = strings.ReplaceAll(s, ",", "")
	case !point && strings.Count(s, ",") == 1:
		s = strings.Replace(s, ",", ".", 1) // 3,5 cannot separate thousands
	case strings.Contains(s, ","):
		return 0, false // a list, a date: no number
	case strings.Contains(part, "."):
		if !grouped.MatchString(strings.ReplaceAll(s, ".", ",")) {
			return 0, false // a version, a date
		}
		s = strings.ReplaceAll(s, ".", "")
	}
	if scientific {
		s += "e" + exponent
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

func cutAny(s, chars string) (before, after string, found bool) {
	if at := strings.IndexAny(s, chars); at >= 0 {
		return s[:at], s[at+1:], true
	}
	return s, "", false
}
