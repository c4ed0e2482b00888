package detect

const (
	maxLocal  = 64
	maxDomain = 253
)

var localChars = charset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'")

// email looks at the address around the @ at i.
func (s *scan) email(i int) {
	t := s.text
	from := i
	for from > 0 && i-from < maxLocal && localChars[t[from-1]] {
		from--
	}
	for from < i && classes[t[from]] != letter && classes[t[from]] != digit && t[from] != '_' {
		from++
	}
	if from == i || t[i-1] == '.' {
		return
	}
	end := s.domain(i + 1)
	switch {
	case end == 0:
		return
	case string(t[from:i]) == "git" && end < len(t) && t[end] == ':':
		return // an address of Git, which is no mailbox
	case end-i > 3 && classes[t[i+1]] == digit && t[i+2] == 'x' && t[i+3] == '.':
		return // icon@2x.png
	}
	s.add(email, from, end)
}

// domain finds the end of the domain name that begins at i: at least two labels,
// the last of letters. 0 means that there is none. Names in other scripts than
// Latin count too, if they are not the text that goes on without a space.
func (s *scan) domain(i int) int {
	if end := s.labels(i, false); end > 0 {
		return end
	}
	return s.labels(i, true)
}

func (s *scan) labels(i int, wide bool) (end int) {
	t := s.text
	stop := min(len(t), i+maxDomain)
	for labels := 0; ; labels++ {
		from, letters := i, true
		for i < stop {
			k := classes[t[i]]
			if k != letter && k != digit && t[i] != '-' && (!wide || t[i] < 0x80) {
				break
			}
			letters = letters && (k == letter || t[i] >= 0x80)
			i++
		}
		size := i - from
		for size > 0 && t[from+size-1] == '-' {
			size--
		}
		if size == 0 || t[from] == '-' {
			return end
		}
		punycode := size > 4 && string(t[from:from+4]) == "xn--"
		if labels > 0 && (punycode || letters && size >= 2 && (size <= 24 || wide)) {
			end = from + size
		}
		if i >= stop || t[i] != '.' {
			return end
		}
		i++
	}
}

var phoneSeparates = charset(" -./()")

// international looks at a telephone number that begins at i with a + or a
// parenthesis, and returns from where to look on.
func (s *scan) international(i int) int {
	t := s.text
	if i > 0 && (word(t[i-1]) || t[i-1] == '+') {
		return i + 1
	}
	if t[i] == '(' {
		if end, ok := s.parenthesis(i); ok {
			s.add(phone, i, end)
			return end
		}
		return i + 1
	}
	at := i + 1
	if at < len(t) && t[at] == '(' {
		at++
	}
	if at >= len(t) || classes[t[at]] != digit {
		return i + 1
	}
	s.digits = s.digits[:0]
	good := 0
	for at < len(t) && classes[t[at]] == digit {
		if t[at] == '0' && at+1 < len(t) && t[at-1] == '(' && t[at+1] == ')' {
			at++ // the 0 that is only dialled at home
		} else {
			for at < len(t) && classes[t[at]] == digit && len(s.digits) < maxDigits {
				s.digits = append(s.digits, t[at])
				at++
			}
			if s.ends(at) && e164(s.digits) {
				good = at
			}
			if len(s.digits) > 15 || len(s.digits) == 11 && s.digits[0] == '1' {
				break
			}
		}
		from := at
		for at < len(t) && at-from < 3 && phoneSeparates[t[at]] {
			at++
		}
	}
	if good == 0 {
		return i + 1
	}
	s.add(phone, i, good)
	return good
}

// e164 reports digits with a country code and of a length that ITU-T E.164 allows.
func e164(d []byte) bool {
	n := len(d)
	switch {
	case n < 8 || n > 15:
		return false
	case d[0] == '1':
		return n == 11 && d[1] >= '2' && d[4] >= '2'
	case d[0] == '7':
		return n == 11
	}
	switch value(d[:2]) {
	case 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61,
		62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98:
		return n >= 9
	case 21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99:
		return true
	}
	return false
}

// parenthesis reads (212) 555-1234 and (030) 1234567.
func (s *scan) parenthesis(i int) (end int, ok bool) {
	t := s.text
	at := i + 1
	for at < len(t) && classes[t[at]] == digit && at-i <= 6 {
		at++
	}
	area := t[i+1 : at]
	if len(area) < 2 || at >= len(t) || t[at] != ')' {
		return 0, false
	}
	for at++; at < len(t) && at-i < 10 && separates[t[at]]; at++ {
	}
	if at >= len(t) || classes[t[at]] != digit {
		return 0, false
	}
	s.split(at)
	if area[0] == '0' {
		total := len(area)
		for _, g := range s.groups {
			if total += g.size; total > 12 {
				break
			}
			end = g.end
		}
		return end, end > 0 && total >= 8 && s.ends(end)
	}
	if len(area) != 3 || area[0] < '2' || len(s.groups) < 2 || s.groups[0].size != 3 || s.groups[1].size != 4 {
		return 0, false
	}
	end = s.groups[1].end
	return end, s.digits[0] >= '2' && s.ends(end)
}

var phoneWords = needles("phone", "telefon", "telef", "tel.", "tel:", "tel ", "mobile", "mobil", "handy", "whatsapp", "fax", "cell", "call me", "rufnummer", "celular", "movil", "cellulare")

// national reads the number that was split as a telephone number without a
// country code: of North America in 3-3-4 digits, with a leading 0 in groups, or
// any behind a word that says so.
func (s *scan) national(i int) (end int, ok bool) {
	d, g := s.digits, s.groups
	if n := 3; len(g) >= n && s.nanp(d, g[:n]) && s.alone(i, g[n-1].end) && s.ends(g[n-1].end) {
		return g[n-1].end, true
	}
	if n := 4; len(g) >= n && g[0].size == 1 && d[0] == '1' && s.nanp(d[1:], g[1:n]) && s.ends(g[n-1].end) {
		return g[n-1].end, true
	}
	n, total := 0, 0
	for n < len(g) && total+g[n].size <= 15 {
		total += g[n].size
		n++
	}
	if n == 0 || n > 8 || n < len(g) && g[n-1].sep == '-' {
		return 0, false
	}
	end = g[n-1].end
	if !s.ends(end) || len(d) < total {
		return 0, false
	}
	if total < 7 || dated(g[:n]) || quads(g[:n]) {
		return 0, false
	}
	told := s.near(i, phoneWords)
	switch part := i > 1 && classes[s.text[i-2]] == digit && separates[s.text[i-1]]; {
	case part && !told:
		return 0, false
	case d[0] == '0' && len(d) > 2 && d[1] == '0':
		return end, total >= 10 && (n > 1 && g[0].size <= 6 || told) && e164(d[2:total])
	case told:
		return end, true
	case d[0] != '0' || n < 2 || g[0].size < 2 || total < 9 || total > 12:
		return 0, false
	}
	return end, true
}

// nanp reports three groups of a number of North America.
func (s *scan) nanp(d []byte, g []group) bool {
	if g[0].size != 3 || g[1].size != 3 || g[2].size != 4 || d[0] < '2' || d[3] < '2' {
		return false
	}
	return !g[0].wide && g[0].sep == g[1].sep && (g[0].sep == '-' || g[0].sep == '.')
}

// dated reports groups that begin as a date does: 31.12.2024, 2024-12-31, 31/12/24.
func dated(g []group) bool {
	if len(g) < 3 || g[0].sep == ' ' || g[0].sep != g[1].sep || g[1].size > 2 {
		return false
	}
	if len(g) == 5 && g[3].size == 2 && g[4].size == 2 && g[2].size == 2 && g[2].sep == g[0].sep && g[3].sep == g[0].sep {
		return false // 01.23.45.67.89
	}
	return g[0].size == 4 && g[2].size == 2 || g[0].size <= 2 && (g[2].size == 4 || g[2].size == 2)
}

// quads reports an address of the Internet.
func quads(g []group) bool {
	if len(g) != 4 {
		return false
	}
	for i, q := range g {
		if q.size > 3 || i < 3 && q.sep != '.' {
			return false
		}
	}
	return true
}
