package config

import (
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Path is a file name; after Load a relative one has been joined to the
// directory of the configuration file.
type Path string

// Size is a number of bytes.
type Size int64

// Names is a list of names that may be written as one name.
type Names []string

const day = 24 * time.Hour

var (
	durationPart = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h|d|w)`)
	sizeText     = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]i?B?|B)?$`)
	decimalText  = regexp.MustCompile(`^[0-9]{1,12}(?:\.[0-9]{1,18})?$`)
)

// parseDuration reads Go's notation and also days (d) and weeks (w); a bare 0
// or a sign is refused.
func parseDuration(s string) (time.Duration, error) {
	rest, sum := s, new(big.Rat)
	for rest != "" {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		n, ok := new(big.Rat).SetString(m[1])
		if !ok {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		unit := map[string]time.Duration{
			"ns": 1, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
			"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day,
		}[m[2]]
		sum.Add(sum, n.Mul(n, new(big.Rat).SetInt64(int64(unit))))
		rest = rest[len(m[0]):]
	}
	ns := new(big.Int).Quo(sum.Num(), sum.Denom())
	if !ns.IsInt64() || ns.Sign() <= 0 {
		return 0, fmt.Errorf("%q is not a duration above zero", s)
	}
	return time.Duration(ns.Int64()), nil
}

// parseSize reads 32MiB, 500kB, 1G (powers of 1024 with an i, else of 1000)
// and plain bytes.
func parseSize(s string) (Size, error) {
	m := sizeText.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	n, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	base := int64(1000)
	if strings.Contains(m[2], "i") {
		base = 1024
	}
	if m[2] != "" {
		for range strings.IndexByte("BKMGT", strings.ToUpper(m[2])[0]) {
			n.Mul(n, new(big.Rat).SetInt64(base))
		}
	}
	bytes := new(big.Int).Quo(n.Num(), n.Denom())
	if !bytes.IsInt64() || bytes.Sign() <= 0 {
		return 0, fmt.Errorf("%q is not a size above zero", s)
	}
	return Size(bytes.Int64()), nil
}

// String writes a size in the largest unit that fits without a remainder.
func (s Size) String() string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for s != 0 && s%1024 == 0 && i < len(units)-1 {
		s, i = s/1024, i+1
	}
	return strconv.FormatInt(int64(s), 10) + units[i]
}

// parsePrice reads an exact decimal of at most 18 places; no sign, no exponent.
func parsePrice(s string) (decimal.Decimal, error) {
	if !decimalText.MatchString(s) {
		return decimal.Decimal{}, fmt.Errorf("%q is not a price", s)
	}
	return decimal.NewFromString(s)
}

// parsePrefix reads a CIDR, or a single address as a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is not a network", s)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 { // addresses are compared in the short form
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits behind its length; the network is %s", s, p.Masked())
	}
	return p, nil
}

// parseHedgeAfter reads p95 or 800ms.
func parseHedgeAfter(s string) (HedgeAfter, error) {
	if p, ok := strings.CutPrefix(s, "p"); ok {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || f < 1 || f > 99.9 {
			return HedgeAfter{}, fmt.Errorf("%q is not a percentile from p1 to p99.9", s)
		}
		return HedgeAfter{Percentile: f}, nil
	}
	d, err := parseDuration(s)
	return HedgeAfter{Delay: d}, err
}

// String is the form of the file.
func (h HedgeAfter) String() string {
	if h.Percentile > 0 {
		return "p" + strconv.FormatFloat(h.Percentile, 'f', -1, 64)
	}
	return h.Delay.String()
}
