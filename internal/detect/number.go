package detect

// group is a run of digits within a number that is written in groups.
type group struct {
	size int
	end  int  // behind its last digit
	sep  byte // the separator after it; 0: none, and the number ends. Several count as the first.
	wide bool // more than one separator
}

// maxGroups and maxDigits bound what is taken for one number.
const (
	maxGroups = 20
	maxDigits = 24
)

// number looks at a number in groups that begins at i, and returns from where to
// look on. Of opaque text only what has a check digit counts.
func (s *scan) number(i int, opaque bool) int {
	s.split(i)
	first := s.groups[0].end
	if len(s.groups) == 1 && len(s.digits) < 7 && (first == len(s.text) || classes[s.text[first]] == other) {
		return first // most numbers
	}
	if i > 1 && s.text[i-1] == '.' && classes[s.text[i-2]] == digit && s.groups[0].size > 4 {
		return first // decimals
	}
	total := 0
	for _, g := range s.groups {
		total += g.size
	}
	for n := len(s.groups); n > 0; n-- {
		end := s.groups[n-1].end
		if total < 6 {
			break
		}
		// In more groups than eight only the digits of a card are written one by one.
		if n > 8 && (total < 14 || total > 19) {
			total -= s.groups[n-1].size
			continue
		}
		if k, to, ok := s.numeric(i, n, total, end); ok {
			s.add(k, i, to)
			return to
		}
		total -= s.groups[n-1].size
	}
	if s.wants(phone) && !opaque {
		if end, ok := s.national(i); ok {
			s.add(phone, i, end)
			return end
		}
	}
	return first
}

// split reads groups and digits from i on: groups of digits with one separator,
// or up to three, between them.
func (s *scan) split(i int) {
	t := s.text
	s.groups, s.digits = s.groups[:0], s.digits[:0]
	for len(s.groups) < maxGroups {
		from := i
		for i < len(t) && classes[t[i]] == digit {
			if len(s.digits) <= maxDigits {
				s.digits = append(s.digits, t[i])
			}
			i++
		}
		s.groups = append(s.groups, group{size: i - from, end: i})
		if len(s.digits) > maxDigits {
			return
		}
		g := &s.groups[len(s.groups)-1]
		for i < len(t) && i-g.end < 3 && separates[t[i]] {
			i++
		}
		if i == g.end || i >= len(t) || classes[t[i]] != digit {
			return
		}
		g.sep, g.wide = t[g.end], i-g.end > 1
	}
}

var separates = charset(" -./")

// layout packs the sizes of the first n groups, one byte each, the last lowest;
// 0 where it does not fit. The groups must all have the separator sep, or any
// one if sep is 0.
func (s *scan) layout(n int, sep byte) uint64 {
	if n > 8 {
		return 0
	}
	var l uint64
	for i, g := range s.groups[:n] {
		if i < n-1 && (sep != 0 && g.sep != sep || g.wide) {
			return 0
		}
		l = l<<8 | uint64(min(g.size, 255))
	}
	return l
}

// laid reports whether the first n groups have one of the layouts, written as
// numbers of digits ("3-2-4"), whatever single separators stand between them.
func (s *scan) laid(n int, layouts ...uint64) bool {
	l := s.layout(n, 0)
	for _, want := range layouts {
		if l == want && l != 0 {
			return true
		}
	}
	return false
}

// numeric tells what the first n groups, of total digits up to end, are. The
// number begins at i; to is behind it, a letter that belongs to it included.
func (s *scan) numeric(i, n, total, end int) (k kind, to int, ok bool) {
	d := s.digits
	if total > len(d) {
		return 0, 0, false
	}
	d = d[:total]
	if !s.ends(end) {
		return s.lettered(d, n, end)
	}
	if total >= 14 && s.wants(card) && isCard(d) && s.cardLayout(n, total) {
		return card, end, true
	}
	for _, id := range numericIDs[min(total, len(numericIDs)-1)] {
		if s.wants(id.kind) && id.is(s, d, i, n, end) {
			return id.kind, end, true
		}
	}
	if total == 6 || total == 8 || total == 17 {
		return s.lettered(d, n, end)
	}
	return 0, 0, false
}

// cardLayout reports whether card numbers are written in such groups: as one,
// in fours, as American Express and Diners print them, or in equal groups.
func (s *scan) cardLayout(n, total int) bool {
	if n == 1 {
		return true
	}
	if l := s.layoutOf(n); n <= 8 && (l == 0x04_06_05 || l == 0x04_06_04) {
		return true
	}
	size, sep := s.groups[0].size, s.groups[0].sep
	for i, g := range s.groups[:n] {
		if i < n-1 && (g.size != size || g.sep != sep) || g.size > size {
			return false
		}
	}
	return size == 4 || size <= 2 && total%size == 0
}

// layoutOf is layout whatever the separators.
func (s *scan) layoutOf(n int) uint64 {
	var l uint64
	for _, g := range s.groups[:min(n, 8)] {
		l = l<<8 | uint64(min(g.size, 255))
	}
	return l
}

// prefixes of card numbers: from and to are their first digits, in as many
// digits as from has; lengths are those of the whole number, one bit each.
var cardPrefixes = []struct {
	from, to, digits int
	lengths          uint32
}{
	{4, 4, 1, 1<<16 | 1<<19},                   // Visa
	{51, 55, 2, 1 << 16},                       // Mastercard
	{2221, 2720, 4, 1 << 16},                   // Mastercard
	{34, 34, 2, 1 << 15},                       // American Express
	{37, 37, 2, 1 << 15},                       // American Express
	{6011, 6011, 4, 1<<16 | 1<<19},             // Discover
	{644, 649, 3, 1<<16 | 1<<19},               // Discover
	{65, 65, 2, 1<<16 | 1<<19},                 // Discover, RuPay
	{62, 62, 2, 1<<16 | 1<<17 | 1<<18 | 1<<19}, // UnionPay
	{3528, 3589, 4, 1<<16 | 1<<19},             // JCB
	{300, 305, 3, 1 << 14},                     // Diners Club
	{309, 309, 3, 1 << 14},                     // Diners Club
	{36, 36, 2, 1 << 14},                       // Diners Club
	{38, 39, 2, 1 << 14},                       // Diners Club
	{2200, 2204, 4, 1<<16 | 1<<19},             // Mir
	{60, 60, 2, 1 << 16},                       // RuPay
	{5018, 5018, 4, 1<<16 | 1<<18 | 1<<19},     // Maestro
	{5020, 5020, 4, 1<<16 | 1<<18 | 1<<19},
	{5038, 5038, 4, 1<<16 | 1<<18 | 1<<19},
	{5893, 5893, 4, 1<<16 | 1<<18 | 1<<19},
	{6304, 6304, 4, 1<<16 | 1<<18 | 1<<19},
	{6759, 6763, 4, 1<<16 | 1<<18 | 1<<19},
	{9792, 9792, 4, 1 << 16}, // Troy
}

func isCard(d []byte) bool {
	if len(d) > 19 {
		return false
	}
	for i := range cardPrefixes {
		p := &cardPrefixes[i]
		if p.lengths>>len(d)&1 == 0 {
			continue
		}
		if n := value(d[:p.digits]); n >= p.from && n <= p.to {
			return luhn(d)
		}
	}
	return false
}

// value is the number that a few digits write.
func value(d []byte) int {
	n := 0
	for _, c := range d {
		n = n*10 + int(c-'0')
	}
	return n
}

// luhn checks the last digit of d by ISO/IEC 7812-1.
func luhn(d []byte) bool {
	sum := 0
	for i, c := range d {
		n := int(c - '0')
		if (len(d)-i)%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}
