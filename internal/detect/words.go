package detect

// word looks at the word that begins at i, and returns from where to look on.
func (s *scan) word(i int) int {
	t := s.text
	if s.want>>awsKey != 0 {
		if k, end := s.secret(i); end > i {
			if s.wants(k) {
				s.add(k, i, end)
			}
			return end
		}
	}
	if i+8 > len(t) {
		return i
	}
	second := classes[t[i+1]]
	switch {
	case second == letter && classes[t[i+2]] == digit && classes[t[i+3]] == digit && s.wants(iban):
		if end := s.iban(i); end > i {
			s.add(iban, i, end)
			return end
		}
	case second == letter && classes[t[i+2]] == letter && s.wants(itCodiceFiscale):
		if i+16 <= len(t) && s.ends(i+16) && codiceFiscale(t[i:i+16]) {
			s.add(itCodiceFiscale, i, i+16)
			return i + 16
		}
	}
	if second == letter && s.wants(ukNINO) {
		if end := s.nino(i); end > i {
			s.add(ukNINO, i, end)
			return end
		}
	}
	if c := upper(t[i]); c >= 'X' && c <= 'Z' && s.wants(esDNI) {
		if end := s.nie(i, c); end > i {
			s.add(esDNI, i, end)
			return end
		}
	}
	return i
}

// ibanLengths are the lengths of IBANs by country, of SWIFT's registry (release
// 99 of December 2024).
var ibanLengths = map[[2]byte]int{
	{'A', 'D'}: 24, {'A', 'E'}: 23, {'A', 'L'}: 28, {'A', 'T'}: 20, {'A', 'Z'}: 28, {'B', 'A'}: 20, {'B', 'E'}: 16,
	{'B', 'G'}: 22, {'B', 'H'}: 22, {'B', 'I'}: 27, {'B', 'R'}: 29, {'B', 'Y'}: 28, {'C', 'H'}: 21, {'C', 'R'}: 22,
	{'C', 'Y'}: 28, {'C', 'Z'}: 24, {'D', 'E'}: 22, {'D', 'J'}: 27, {'D', 'K'}: 18, {'D', 'O'}: 28, {'E', 'E'}: 20,
	{'E', 'G'}: 29, {'E', 'S'}: 24, {'F', 'I'}: 18, {'F', 'K'}: 18, {'F', 'O'}: 18, {'F', 'R'}: 27, {'G', 'B'}: 22,
	{'G', 'E'}: 22, {'G', 'I'}: 23, {'G', 'L'}: 18, {'G', 'R'}: 27, {'G', 'T'}: 28, {'H', 'N'}: 28, {'H', 'R'}: 21,
	{'H', 'U'}: 28, {'I', 'E'}: 22, {'I', 'L'}: 23, {'I', 'Q'}: 23, {'I', 'S'}: 26, {'I', 'T'}: 27, {'J', 'O'}: 30,
	{'K', 'W'}: 30, {'K', 'Z'}: 20, {'L', 'B'}: 28, {'L', 'C'}: 32, {'L', 'I'}: 21, {'L', 'T'}: 20, {'L', 'U'}: 20,
	{'L', 'V'}: 21, {'L', 'Y'}: 25, {'M', 'C'}: 27, {'M', 'D'}: 24, {'M', 'E'}: 22, {'M', 'K'}: 19, {'M', 'N'}: 20,
	{'M', 'R'}: 27, {'M', 'T'}: 31, {'M', 'U'}: 30, {'N', 'I'}: 28, {'N', 'L'}: 18, {'N', 'O'}: 15, {'O', 'M'}: 23,
	{'P', 'K'}: 24, {'P', 'L'}: 28, {'P', 'S'}: 29, {'P', 'T'}: 25, {'Q', 'A'}: 29, {'R', 'O'}: 24, {'R', 'S'}: 22,
	{'R', 'U'}: 33, {'S', 'A'}: 24, {'S', 'C'}: 31, {'S', 'D'}: 18, {'S', 'E'}: 24, {'S', 'I'}: 19, {'S', 'K'}: 24,
	{'S', 'M'}: 27, {'S', 'O'}: 23, {'S', 'T'}: 25, {'S', 'V'}: 28, {'T', 'L'}: 23, {'T', 'N'}: 24, {'T', 'R'}: 26,
	{'U', 'A'}: 29, {'V', 'A'}: 22, {'V', 'G'}: 24, {'X', 'K'}: 20, {'Y', 'E'}: 30,
}

// iban checks an IBAN by ISO 13616: length by country, remainder 1 modulo 97.
// Groups may have single spaces or dashes between them. It returns the end, i
// for none.
func (s *scan) iban(i int) int {
	t := s.text
	length := ibanLengths[[2]byte{upper(t[i]), upper(t[i+1])}]
	if length == 0 {
		return i
	}
	var chars [34]byte
	n, at := 0, i
	for n < length {
		if at >= len(t) {
			return i
		}
		switch c := t[at]; classes[c] {
		case letter, digit:
			chars[n] = upper(c)
			n++
		default:
			if (c != ' ' && c != '-' && c != '.') || at+1 >= len(t) || classes[t[at+1]] != letter && classes[t[at+1]] != digit {
				return i
			}
		}
		at++
	}
	if !s.ends(at) {
		return i
	}
	rest := 0
	for j := range length {
		c := chars[(j+4)%length]
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	if rest != 1 {
		return i
	}
	return at
}

// nino checks a British National Insurance number: no check digit, but prefixes
// that are not given and a suffix of A to D. It returns the end, i for none.
func (s *scan) nino(i int) int {
	a, b := upper(s.text[i]), upper(s.text[i+1])
	if ninoFirst[a] || ninoSecond[b] {
		return i
	}
	switch string([]byte{a, b}) {
	case "BG", "GB", "NK", "KN", "TN", "NT", "ZZ":
		return i
	}
	end, d := s.following(i+2, 6)
	if d == nil {
		return i
	}
	if end < len(s.text) && separates[s.text[end]] {
		end++
	}
	if end >= len(s.text) || !s.ends(end+1) {
		return i
	}
	if c := upper(s.text[end]); c < 'A' || c > 'D' {
		return i
	}
	return end + 1
}

var ninoFirst, ninoSecond = charset("DFIQUV"), charset("DFIQUVO")

// nie checks a Spanish number of foreigners, whose first letter is c. It
// returns the end, i for none.
func (s *scan) nie(i int, c byte) int {
	end, d := s.following(i+1, 7)
	if d == nil {
		return i
	}
	return s.dniLetter(end, int(c-'X')*10_000_000+value(d), i)
}

// dniLetter checks the letter of a Spanish number at end, a dash or space before
// it left out. It returns the end, none for none.
func (s *scan) dniLetter(end, number, none int) int {
	if end < len(s.text) && separates[s.text[end]] {
		end++
	}
	if end >= len(s.text) || !s.ends(end+1) || "TRWAGMYFPDXBNJZSQVHLCKE"[number%23] != upper(s.text[end]) {
		return none
	}
	return end + 1
}

// following reads n digits from i on, single separators between them left out.
// digits is nil where there are not so many.
func (s *scan) following(i, n int) (end int, digits []byte) {
	t := s.text
	s.after = s.after[:0]
	for len(s.after) < n {
		switch {
		case i >= len(t):
			return 0, nil
		case classes[t[i]] == digit:
			s.after = append(s.after, t[i])
		case !separates[t[i]] || i+1 >= len(t) || classes[t[i+1]] != digit:
			return 0, nil
		}
		i++
	}
	return i, s.after
}

// lettered tells what digits, in n groups up to end, are together with the
// letters that follow them.
func (s *scan) lettered(d []byte, n, end int) (k kind, to int, ok bool) {
	t := s.text
	if end >= len(t) {
		return 0, 0, false
	}
	switch {
	case len(d) == 8 && s.wants(esDNI) && (n == 1 || s.laid(n, 0x02_03_03)):
		to = s.dniLetter(end, value(d), end)
		return esDNI, to, to > end
	case len(d) == 17 && n == 1 && s.wants(cnResidentID):
		return cnResidentID, end + 1, upper(t[end]) == 'X' && s.ends(end+1) && residentID(d, t[end])
	case len(d) == 6 && n == 1 && s.wants(fiHETU) && end+5 <= len(t) && s.ends(end+5) && hetu(d, t[end:end+5]):
		return fiHETU, end + 5, true
	case len(d) == 6 && s.wants(frNIR) && (upper(t[end]) == 'A' || upper(t[end]) == 'B'):
		less := 1_000_000
		if upper(t[end]) == 'B' {
			less = 2_000_000
		}
		whole := append(append(make([]byte, 0, 15), d...), '0')
		to, rest := s.following(end+1, 8)
		return frNIR, to, rest != nil && whole[5] == '2' && s.ends(to) && nir(append(whole, rest...), less)
	}
	return 0, 0, false
}

// hetu checks a Finnish number: a date, a sign for the century, three digits and
// a check character.
func hetu(d, rest []byte) bool {
	if !day(d[:2], 0) || !month(d[2:4]) || !hetuSigns[upper(rest[0])] {
		return false
	}
	for _, c := range rest[1:4] {
		if classes[c] != digit {
			return false
		}
	}
	n := value(d)*1000 + value(rest[1:4])
	return "0123456789ABCDEFHJKLMNPRSTUVWXY"[n%31] == upper(rest[4])
}

var hetuSigns = charset("+-ABCDEFYXWVU")

// codiceFiscale checks an Italian number of 16 characters. Where two persons
// would have the same, digits are letters.
func codiceFiscale(w []byte) bool {
	sum := 0
	for i, c := range w {
		c = upper(c)
		isLetter := c >= 'A' && c <= 'Z'
		if !isLetter && (c < '0' || c > '9') {
			return false
		}
		switch i {
		case 0, 1, 2, 3, 4, 5, 8, 11, 15:
			if !isLetter {
				return false
			}
		default:
			if isLetter && !omocodia[c] {
				return false
			}
		}
		if i == 15 {
			return byte('A'+sum%26) == c
		}
		n := int(c - '0')
		if isLetter {
			n = int(c - 'A')
		}
		if i%2 == 0 { // the first is odd
			n = fiscalOdd[n]
		}
		sum += n
	}
	return false
}

var (
	omocodia  = charset("LMNPQRSTUV")
	fiscalOdd = [26]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
)
