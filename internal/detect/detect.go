// Package detect finds personal data and secrets in the text of a request:
// e-mail addresses, telephone numbers, IBANs, card numbers, national ids,
// credentials, and whatever patterns a configuration adds. Where a number has a
// check digit, it is checked.
//
// Text is folded before it is looked at: characters without width are not seen,
// full-width, mathematical and circled letters, digits of other scripts and
// look-alikes of other alphabets count as the ASCII characters that they are
// read as, and the escapes of JSON, and of JSON within JSON, as what they stand
// for. What is found keeps its place in the text as it was.
//
// Nothing here opens a socket, keeps a text, or repeats one in an error.
package detect

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// Hit is a piece of text that was found.
type Hit struct {
	// Kind is what it is: a name of Kinds, or of a rule's pattern.
	Kind string
	// Start and End are its place in the text that was scanned, in bytes.
	Start, End int
	// Rules are the places of the rules that look for it, one bit each.
	Rules uint64
}

// Rule is what one detector of a configuration looks for.
type Rule struct {
	// Kinds are names of Kinds or of Groups.
	Kinds []string
	// Patterns are regular expressions, by the name of their kind.
	Patterns map[string]string
}

// MaxRules is how many rules one Set may have.
const MaxRules = 64

// Set finds what any of its rules looks for. It is safe for concurrent use.
type Set struct {
	want     uint64 // kinds, one bit each
	rules    [kinds]uint64
	patterns []pattern
}

type pattern struct {
	name  string
	re    *regexp.Regexp
	rules uint64
}

// Compile makes the set of the rules. An unknown kind, or a pattern that is none
// or matches the empty text, is an error.
func Compile(rules []Rule) (*Set, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d detectors; at most %d can look at one request", len(rules), MaxRules)
	}
	s := &Set{}
	for i := range rules {
		bit := uint64(1) << i
		for _, name := range rules[i].Kinds {
			members := Members(name)
			if members == nil {
				return nil, fmt.Errorf("unknown kind %q", name)
			}
			for _, m := range members {
				k := kindOf(m)
				s.want |= 1 << k
				s.rules[k] |= bit
			}
		}
		for name, text := range rules[i].Patterns {
			re, err := Pattern(text)
			if err != nil {
				return nil, fmt.Errorf("pattern %s: %w", name, err)
			}
			s.patterns = append(s.patterns, pattern{name, re, bit})
		}
	}
	slices.SortFunc(s.patterns, func(a, b pattern) int {
		if a.name != b.name {
			return cmpText(a.name, b.name)
		}
		return cmpText(a.re.String(), b.re.String())
	})
	return s, nil
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Pattern compiles a regular expression in RE2's syntax, which takes time in
// proportion to the text and no more.
func Pattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	if re.MatchString("") {
		return nil, fmt.Errorf("%q matches the empty text", text)
	}
	return re, nil
}

// scans are scanners that nobody uses now, with their memory.
var scans = sync.Pool{New: func() any { return new(scan) }}

// maxKept bounds the memory that a scanner keeps for the next text.
const maxKept = 1 << 20

// JSON finds hits in a JSON text, in the order of their places: in every string
// of it, member names included, and in the numbers between them. A hit lies
// within one string. No two hits of one kind overlap; those of different kinds
// may. Text that is declared to be an image, sound or film is passed over.
func (s *Set) JSON(text []byte) []Hit { return s.find(text, true) }

// Text finds hits in a text that is no JSON.
func (s *Set) Text(text []byte) []Hit { return s.find(text, false) }

func (s *Set) find(text []byte, json bool) []Hit {
	sc := scans.Get().(*scan)
	sc.folded.read(text, json)
	sc.want, sc.found = s.want, sc.found[:0]
	if s.want != 0 {
		sc.all()
	}
	var hits []Hit
	if len(sc.found) > 0 {
		hits = make([]Hit, 0, len(sc.found))
	}
	for _, f := range sc.found {
		hits = append(hits, Hit{names[f.kind], sc.origin(f.from), sc.origin(f.to), s.rules[f.kind]})
	}
	for i := range s.patterns {
		hits = sc.matches(hits, &s.patterns[i])
	}
	Sort(hits)
	sc.done()
	return hits
}

// Sort puts hits in the order of their places, of those that begin together the
// longest first.
func Sort(hits []Hit) {
	slices.SortStableFunc(hits, func(a, b Hit) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return b.End - a.End
	})
}

// done gives the scanner back.
func (s *scan) done() {
	s.in = nil
	if cap(s.text) <= maxKept && cap(s.breaks) <= maxKept/8 && cap(s.found) <= maxKept/32 {
		scans.Put(s)
	}
}

// matches adds what a pattern finds. It sees one string of a JSON text at a
// time, and none that is only base64.
func (s *scan) matches(hits []Hit, p *pattern) []Hit {
	opaque := s.opaque
	for from := 0; from < len(s.text); {
		to := from
		for to < len(s.text) && s.text[to] != quote {
			to++
		}
		for len(opaque) > 0 && opaque[0].to <= from {
			opaque = opaque[1:]
		}
		if to > from && (len(opaque) == 0 || opaque[0].from > from) {
			for _, m := range p.re.FindAllIndex(s.text[from:to], -1) {
				if m[1] > m[0] {
					hits = append(hits, Hit{p.name, s.origin(from + m[0]), s.origin(from + m[1]), p.rules})
				}
			}
		}
		from = to + 1
	}
	return hits
}
