package detect

import (
	"bytes"
	"slices"
)

// scan is one look at a folded text.
type scan struct {
	folded
	want  uint64
	found []finding
	// groups and digits are of the number that is looked at.
	groups []group
	digits []byte
	after  []byte // for following
	lower  []byte // for near
	// assigned and tried are how far it is known that nothing more is to be found:
	// of what was assigned last, and of each prefix. They keep texts that repeat
	// the beginning of a key from being read as often.
	assigned int
	tried    [prefixCount]int
}

type finding struct {
	kind     kind
	from, to int
}

// class says how a character of folded text is treated.
type class uint8

const (
	other  class = iota
	letter       // of ASCII
	digit
	joint // _: no word begins behind it
	at
	plus
	open // a parenthesis, which may begin a telephone number
	dash
	assign // = and :
)

var classes = func() (t [256]class) {
	for c := range t {
		switch c := byte(c); {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			t[c] = letter
		case c >= '0' && c <= '9':
			t[c] = digit
		}
	}
	t['_'], t['@'], t['+'], t['('], t['-'], t['='], t[':'] = joint, at, plus, open, dash, assign, assign
	return t
}()

// word reports a character that belongs to a word: none begins or ends beside it.
func word(c byte) bool {
	k := classes[c]
	return k == letter || k == digit || k == joint
}

func (s *scan) wants(k kind) bool { return s.want>>k&1 != 0 }

func (s *scan) add(k kind, from, to int) { s.found = append(s.found, finding{k, from, to}) }

const (
	numbers = 1<<phone | 1<<card | (1<<awsKey-1)&^(1<<usSSN-1)
	wordy   = 1<<iban | (1<<awsKey-1)&^(1<<usSSN-1) | (1<<kinds-1)&^(1<<awsKey-1)
)

// all looks at the whole text, once, from left to right.
func (s *scan) all() {
	t := s.text
	numeric, worded := s.want&numbers != 0, s.want&wordy != 0
	opaque := s.opaque
	s.assigned, s.tried = 0, [prefixCount]int{}
	for i := 0; i < len(t); {
		switch classes[t[i]] {
		case letter:
			from := i
			for i++; i < len(t) && (classes[t[i]] == letter || classes[t[i]] == digit); i++ {
			}
			if worded && (from == 0 || !word(t[from-1])) {
				i = max(i, s.word(from))
			}
		case digit:
			if numeric && (i == 0 || !word(t[i-1])) {
				if len(opaque) > 0 {
					for len(opaque) > 0 && opaque[0].to <= i {
						opaque = opaque[1:]
					}
				}
				i = s.number(i, len(opaque) > 0 && opaque[0].from <= i)
				continue
			}
			for i++; i < len(t) && classes[t[i]] == digit; i++ {
			}
		case at:
			if s.wants(email) {
				s.email(i)
			}
			i++
		case plus, open:
			if s.wants(phone) && i+1 < len(t) {
				i = s.international(i)
				continue
			}
			i++
		case dash:
			if t[i] == '-' && s.wants(privateKey) && i+10 < len(t) && t[i+1] == '-' {
				i = s.pem(i)
				continue
			}
			i++
		case assign:
			if s.wants(credential) {
				s.assignment(i)
			}
			i++
		default:
			i++
		}
	}
	s.distinct()
}

// distinct leaves of findings of one kind that overlap the one that begins first.
func (s *scan) distinct() {
	if len(s.found) < 2 {
		return
	}
	slices.SortStableFunc(s.found, func(a, b finding) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		return a.from - b.from
	})
	keep := s.found[:1]
	for _, f := range s.found[1:] {
		if last := &keep[len(keep)-1]; last.kind == f.kind && f.from < last.to {
			last.to = max(last.to, f.to)
			continue
		}
		keep = append(keep, f)
	}
	s.found = keep
}

// nearby is how far before a number a word may stand that says what it is.
const nearby = 48

// near reports whether one of the words, in lower case, stands shortly before i.
func (s *scan) near(i int, words [][]byte) bool {
	from := max(0, i-nearby)
	s.lower = s.lower[:0]
	for _, c := range s.text[from:i] {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		s.lower = append(s.lower, c)
	}
	for _, w := range words {
		if bytes.Contains(s.lower, w) {
			return true
		}
	}
	return false
}

func needles(words ...string) [][]byte {
	out := make([][]byte, len(words))
	for i, w := range words {
		out[i] = []byte(w)
	}
	return out
}

// ends reports whether a word may end before i.
func (s *scan) ends(i int) bool { return i >= len(s.text) || !word(s.text[i]) }
