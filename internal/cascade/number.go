package cascade

import (
	"strconv"
	"strings"
)

// numeric reports a word that is a number, with a sign, a currency or a percent
// sign perhaps.
func numeric(s string) bool {
	_, core, _ := affixes(s)
	if core == "" || len(core) > maxNumber {
		return false
	}
	for i := range len(core) {
		if c := core[i]; (c < '0' || c > '9') && c != ',' && c != '.' {
			return false
		}
	}
	return core[0] != ',' && core[len(core)-1] != ',' && strings.ContainsAny(core, "0123456789")
}

// maxNumber is the longest number that is read as one, in bytes.
const maxNumber = 64

// affixes cuts a word into what stands before, in and behind its number.
func affixes(s string) (before, core, behind string) {
	core = strings.TrimLeft(s, "+-−$€£¥")
	before = s[:len(s)-len(core)]
	trimmed := strings.TrimRight(core, "%$€£¥°")
	return before, trimmed, core[len(trimmed):]
}

// plain writes a number as every spelling of it: without commas between
// thousands, without zeros that say nothing, without a plus.
func plain(s string) string {
	before, core, behind := affixes(s)
	core = ungroup(core)
	if strings.Count(core, ".") > 1 || strings.Contains(core, ",") {
		return before + core + behind // a date, a version, a decimal comma: as it is
	}
	whole, part, _ := strings.Cut(core, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if part = strings.TrimRight(part, "0"); part != "" {
		whole += "." + part
	}
	before = strings.ReplaceAll(strings.ReplaceAll(before, "−", "-"), "+", "")
	if whole == "0" {
		before = strings.ReplaceAll(before, "-", "")
	}
	return before + whole + behind
}

// ungroup takes commas between thousands away: 1,234,567.8. A single comma
// before three digits is one where the digits before it are no zero.
func ungroup(s string) string {
	whole, part, point := strings.Cut(s, ".")
	groups := strings.Split(whole, ",")
	if len(groups) < 2 || len(groups[0]) == 0 || len(groups[0]) > 3 || groups[0][0] == '0' {
		return s
	}
	for _, g := range groups[1:] {
		if len(g) != 3 {
			return s
		}
	}
	whole = strings.Join(groups, "")
	if point {
		return whole + "." + part
	}
	return whole
}

// jsonNumber writes a JSON number as every spelling of its value: its digits
// without zeros at either end, and their exponent.
func jsonNumber(s string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	e := int64(0)
	if exponent != "" {
		var err error
		if e, err = strconv.ParseInt(exponent, 10, 32); err != nil {
			return s // nobody's number: equal to itself only
		}
	}
	sign := ""
	if m, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", m
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+part, "0")
	e -= int64(len(part))
	trimmed := strings.TrimRight(digits, "0")
	e += int64(len(digits) - len(trimmed))
	if trimmed == "" {
		return "0"
	}
	return sign + trimmed + "e" + strconv.FormatInt(e, 10)
}
