package detect

import (
	"math/bits"
	"time"
)

// numericID is a national id that consists of digits only. is sees the digits,
// where the number begins in the text, and in how many groups it is written.
type numericID struct {
	kind kind
	is   func(s *scan, d []byte, i, n, end int) bool
}

// numericIDs are the ids by their number of digits. Those whose check digit lets
// one of ten numbers or more through count only where they are written as such
// ids are, or a word before them says what they are.
var numericIDs = [...][]numericID{
	9:  {{usSSN, isSSN}, {caSIN, isSIN}, {nlBSN, isBSN}},
	10: {{sePersonnummer, isPersonnummer}},
	11: {{brCPF, isCPF}, {beRRN, isRRN}, {noFNR, isFNR}, {plPESEL, isPESEL}, {deSteuerID, isSteuerID}},
	12: {{sePersonnummer, isPersonnummer}, {inAadhaar, isAadhaar}},
	13: {{chAHV, isAHV}},
	15: {{frNIR, isNIR}},
	18: {{cnResidentID, isResidentID}},
	19: nil,
}

// Words that say what a number is.
var (
	ssnWords          = needles("ssn", "social security", "soc sec", "social sec")
	sinWords          = needles("sin ", "sin:", "sin#", "social insurance", "assurance sociale", " nas ")
	bsnWords          = needles("bsn", "burgerservice", "sofi")
	personnummerWords = needles("personnummer", "person nr", "personnr", "samordningsnummer")
	aadhaarWords      = needles("aadhaar", "aadhar", "adhaar", "uidai")
)

// isSSN follows the Social Security Administration's rules of 2011: no check
// digit, areas 000, 666 and 900 to 999 are not given.
func isSSN(s *scan, d []byte, i, n, end int) bool {
	area := value(d[:3])
	if area == 0 || area == 666 || area >= 900 || value(d[3:5]) == 0 || value(d[5:]) == 0 {
		return false
	}
	if s.layout(n, '-') == 0x03_02_04 || s.layout(n, ' ') == 0x03_02_04 {
		return s.alone(i, end)
	}
	return n == 1 && s.near(i, ssnWords)
}

// alone reports that the number is no part of a longer one with dashes.
func (s *scan) alone(i, end int) bool {
	t := s.text
	before := i > 1 && t[i-1] == '-' && word(t[i-2])
	after := end+1 < len(t) && t[end] == '-' && word(t[end+1])
	return !before && !after
}

func isSIN(s *scan, d []byte, i, n, _ int) bool {
	if d[0] == '0' || d[0] == '8' || !luhn(d) {
		return false
	}
	return (n == 1 || s.laid(n, 0x03_03_03)) && s.near(i, sinWords)
}

func isBSN(s *scan, d []byte, i, n, _ int) bool {
	sum := -int(d[8] - '0')
	for j := range 8 {
		sum += int(d[j]-'0') * (9 - j)
	}
	return sum%11 == 0 && value(d) != 0 && (n == 1 || s.laid(n, 0x04_02_03, 0x03_03_03)) &&
		s.near(i, bsnWords)
}

// isPersonnummer knows the forms YYMMDD-NNNN, YYMMDD+NNNN, YYYYMMDD-NNNN and,
// where the century or a word says what it is, the digits alone. Coordination
// numbers have 60 added to the day.
func isPersonnummer(s *scan, d []byte, i, n, _ int) bool {
	short := d
	if len(d) == 12 {
		if c := value(d[:2]); c != 19 && c != 20 {
			return false
		}
		short = d[2:]
	}
	if !month(short[2:4]) || !day(short[4:6], 60) || !luhn(short) {
		return false
	}
	if n == 2 {
		return s.layout(n, '-') == uint64(len(d)-4)<<8|4
	}
	return n == 1 && (len(d) == 12 || s.near(i, personnummerWords))
}

func isCPF(s *scan, d []byte, _, n, _ int) bool {
	if same(d) || check11(d[:9], 10) != d[9] || check11(d[:10], 11) != d[10] {
		return false
	}
	return n == 1 || s.laid(n, 0x03_03_03_02)
}

// check11 is the check digit of CPF: weights fall from w on.
func check11(d []byte, w int) byte {
	sum := 0
	for i, c := range d {
		sum += int(c-'0') * (w - i)
	}
	if r := sum % 11; r >= 2 {
		return byte('0' + 11 - r)
	}
	return '0'
}

func isRRN(s *scan, d []byte, _, n, _ int) bool {
	// BIS numbers add 20 or 40 to the month; either may be 0 where the date is not known.
	if m := value(d[2:4]) % 20; m > 12 || value(d[4:6]) > 31 || value(d[6:9]) == 0 || value(d[6:9]) == 999 {
		return false
	}
	rest := 97 - value(d[9:])
	if born := value(d[:9]); born%97 != rest%97 && (2_000_000_000+born)%97 != rest%97 {
		return false
	}
	return n == 1 || s.laid(n, 0x02_02_02_03_02, 0x06_03_02)
}

func isFNR(s *scan, d []byte, _, n, _ int) bool {
	// D numbers add 40 to the day, H numbers to the month.
	m := value(d[2:4])
	if !day(d[:2], 40) || m > 12 && m <= 40 || m > 52 || m == 0 {
		return false
	}
	if weigh(d[:10], 3, 7, 6, 1, 8, 9, 4, 5, 2, 1)%11 != 0 || weigh(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)%11 != 0 {
		return false
	}
	return n == 1 || s.laid(n, 0x06_05)
}

func isPESEL(_ *scan, d []byte, _, n, _ int) bool {
	if m := value(d[2:4]) % 20; m < 1 || m > 12 || !day(d[4:6], 0) {
		return false
	}
	return n == 1 && weigh(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0
}

// isSteuerID checks what the Bundeszentralamt fuer Steuern gives out: of the
// first ten digits one comes twice or three times, all others at most once, and
// the last is the check digit of ISO/IEC 7064 MOD 11,10.
func isSteuerID(s *scan, d []byte, _, n, _ int) bool {
	if d[0] == '0' || !(n == 1 || s.laid(n, 0x02_03_03_03)) {
		return false
	}
	var count [10]int
	for _, c := range d[:10] {
		count[c-'0']++
	}
	repeated := 0
	for _, c := range count {
		if c > 3 {
			return false
		}
		if c > 1 {
			repeated++
		}
	}
	if repeated != 1 {
		return false
	}
	product := 10
	for _, c := range d[:10] {
		sum := (int(c-'0') + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	return byte('0'+(11-product)%10) == d[10]
}

func isAadhaar(s *scan, d []byte, i, n, _ int) bool {
	if d[0] < '2' || !verhoeff(d) {
		return false
	}
	return s.layout(n, ' ') == 0x04_04_04 || s.layout(n, '-') == 0x04_04_04 ||
		n == 1 && s.near(i, aadhaarWords)
}

// verhoeff checks d by Verhoeff's scheme, in the dihedral group of ten elements.
func verhoeff(d []byte) bool {
	permute := [8][10]uint8{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4}}
	for i := 2; i < len(permute); i++ {
		for j := range permute[i] {
			permute[i][j] = permute[i-1][permute[1][j]]
		}
	}
	c := uint8(0)
	for i := range d {
		c = dihedral(c, permute[i%8][d[len(d)-1-i]-'0'])
	}
	return c == 0
}

// dihedral multiplies in the dihedral group of order ten: 0 to 4 are rotations,
// 5 to 9 reflections.
func dihedral(a, b uint8) uint8 {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return 5 + (a+b-5)%5
	case b < 5:
		return 5 + (a-5+5-b)%5
	}
	return (a - b + 5) % 5
}

func isAHV(s *scan, d []byte, _, n, _ int) bool {
	if value(d[:3]) != 756 || !(n == 1 || s.laid(n, 0x03_04_04_02)) {
		return false
	}
	return weigh(d, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)%10 == 0
}

func isNIR(s *scan, d []byte, _, n, _ int) bool {
	if !(n == 1 || s.laid(n, 0x0d_02, 0x01_02_02_02_03_03_02, 0x01_02_02_05_03_02)) {
		return false
	}
	return nir(d, 0)
}

// nir checks a French number; less is what a department of Corsica takes off.
func nir(d []byte, less int) bool {
	if (d[0] != '1' && d[0] != '2') || value(d[3:5]) == 0 || value(d[3:5]) > 12 && value(d[3:5]) < 20 {
		return false
	}
	return 97-(value(d[:13])-less)%97 == value(d[13:])
}

func isResidentID(_ *scan, d []byte, _, n, _ int) bool {
	return n == 1 && residentID(d[:17], d[17])
}

// residentID checks a number by GB 11643-1999: region, date of birth, ISO/IEC
// 7064 MOD 11-2.
func residentID(d []byte, last byte) bool {
	year := value(d[6:10])
	if d[0] < '1' || d[0] > '8' || year < 1900 || year > 2099 || !date(year, value(d[10:12]), value(d[12:14])) {
		return false
	}
	return "10X98765432"[weigh(d, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)%11] == upper(last)
}

// weigh sums the digits by their weights.
func weigh(d []byte, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += int(d[i]-'0') * w
	}
	return sum
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 0x20
	}
	return c
}

func month(d []byte) bool { m := value(d); return m >= 1 && m <= 12 }

// day reports a day of some month, or one to which more was added.
func day(d []byte, more int) bool {
	n := value(d)
	return n >= 1 && n <= 31 || more > 0 && n >= 1+more && n <= 31+more
}

func date(y, m, d int) bool {
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return t.Year() == y && int(t.Month()) == m && t.Day() == d
}

func same(d []byte) bool {
	var seen uint16
	for _, c := range d {
		seen |= 1 << (c - '0')
	}
	return bits.OnesCount16(seen) == 1
}
