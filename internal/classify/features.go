package classify

import (
	"math"
	"unicode/utf8"
)

// The features of a prompt are words and pairs of neighbouring words, hashed
// into buckets, three times: wherever they stand, among the first words of the
// user's turn, and among the last; words once more by what the prompt looks like,
// and the first letters of long ones; and hand-made ones, which count what words do
// not tell. FeatureVersion changes whenever the same text gives other
// features, so that no model is used with features it was not trained on.
const (
	FeatureVersion = 2

	bucketBits = 16
	buckets    = 1 << bucketBits

	headWindow   = 2048 // bytes of the user's turn that are read from its begin
	tailWindow   = 1024 // and from its end
	systemWindow = 1024 // bytes of the instructions that are read

	edge    = 12 // words that count as head or tail
	cueEdge = 24 // and for cues
	stem    = 5  // letters that stand for a word which has more
)

// Feature is one entry of a prompt's sparse vector.
type Feature struct {
	Index uint32
	Value float32
}

// scratch is what one prompt needs while it is read. It is used again.
type scratch struct {
	tokens   []uint64
	stems    []uint64 // of the words that are longer
	features []Feature
	stats    stats
	shape    shape
}

// namespaces keep the same words apart where they mean other things.
const (
	anywhere uint64 = 0x9e3779b97f4a7c15
	atHead   uint64 = 0xc2b2ae3d27d4eb4f
	atTail   uint64 = 0x165667b19e3779f9
	inForm   uint64 = 0x27d4eb2f165667c5
	asStem   uint64 = 0x0000000001234567
	pair     uint64 = 0xd6e8feb86659fd93
)

// mix spreads the bits of a hash.
func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return h
}

func bucket(h, space uint64) uint32 { return uint32(mix(h^space) >> (64 - bucketBits)) }

// read makes the features of a prompt, in the scratch.
func (s *scratch) read(system, user string) {
	s.tokens, s.stems, s.features, s.stats = s.tokens[:0], s.stems[:0], s.features[:0], stats{}
	s.stats.bytes = len(system) + len(user)
	s.tokenize(begin(system, systemWindow))
	instructions := len(s.tokens)
	if len(user) <= headWindow+tailWindow {
		s.tokenize(user)
	} else {
		s.tokenize(begin(user, headWindow))
		s.tokenize(end(user, tailWindow))
	}
	all, turn := s.tokens, s.tokens[instructions:]
	s.grams(all, anywhere)
	s.stats.words = len(all)
	s.stats.choices = choiceLines(end(user, tailWindow))
	s.words(all, inForm+s.stats.form()*pair)
	s.words(s.stems, asStem)
	s.grams(turn[:min(edge, len(turn))], atHead)
	s.grams(turn[max(0, len(turn)-edge):], atTail)
	s.cues(instructions)
	s.hand(user)
}

// grams adds tokens and pairs of tokens. Long texts have no more weight than
// short ones.
func (s *scratch) grams(t []uint64, space uint64) {
	if len(t) == 0 {
		return
	}
	v := float32(1 / math.Sqrt(float64(len(t))))
	for i, h := range t {
		s.features = append(s.features, Feature{bucket(h, space), v})
		if i > 0 {
			s.features = append(s.features, Feature{bucket(both(t[i-1], h), space^pair), v})
		}
	}
}

// words adds tokens alone.
func (s *scratch) words(t []uint64, space uint64) {
	if len(t) == 0 {
		return
	}
	v := float32(1 / math.Sqrt(float64(len(t))))
	for _, h := range t {
		s.features = append(s.features, Feature{bucket(h, space), v})
	}
}

// form is what a prompt looks like. Words say other things in an examination with
// choices than in a question of one line.
func (s *stats) form() uint64 {
	switch {
	case s.choices >= 3:
		return 0
	case s.braces+s.backticks+s.underscores+s.backslashes > 3:
		return 1
	case s.numbers >= 2 && s.bytes < 1500 && s.numbers*40 > s.words:
		return 2
	case s.bytes < 250:
		return 3
	}
	return 4
}

// begin is the start of a text up to n bytes, and end its end, cut between
// characters.
func begin(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func end(s string, n int) string {
	if len(s) <= n {
		return s
	}
	i := len(s) - n
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}

// tokenize appends the hashes of a text's tokens: words, numbers (as how long
// they are), symbols, ends of lines; and counts what it sees.
func (s *scratch) tokenize(text string) {
	const (
		seed  = 0xcbf29ce484222325
		prime = 0x100000001b3
	)
	st := &s.stats
	h, in, run := uint64(seed), space, 0
	var first uint64 // letters of a word
	flush := func() {
		switch in {
		case letter:
			s.tokens = append(s.tokens, h)
			if run > stem {
				s.stems = append(s.stems, first)
			}
			st.letterRuns++
		case digit:
			s.tokens = append(s.tokens, mix(uint64(min(run, 5))))
			st.numbers++
			st.digits += run
		}
		h, in, run = seed, space, 0
	}
	var last rune
	for i := 0; i < len(text); {
		r := rune(text[i])
		var c class
		if r < utf8.RuneSelf {
			e := ascii[r]
			if e.lower != byte(r) {
				st.upper++
			}
			r, c = rune(e.lower), e.class
			i++
		} else {
			var n int
			r, n = utf8.DecodeRuneInString(text[i:])
			r, c = fold(r)
			i += n
			st.wide++
		}
		switch c {
		case nothing:
			continue
		case letter:
			if in != letter {
				flush()
				in = letter
			}
			h = (h ^ uint64(r)) * prime
			if run++; run == stem {
				first = h
			}
		case digit:
			if in != digit {
				flush()
				in = digit
			}
			run++
		case space:
			flush()
		case newline:
			flush()
			st.lines++
			if last != '\n' {
				s.tokens = append(s.tokens, '\n')
			}
		case ideal:
			flush()
			s.tokens = append(s.tokens, mix(uint64(r)))
			st.ideals++
		default:
			if r == '\'' && in == letter { // don't, l'eau: one word each
				continue
			}
			flush()
			if last != r {
				s.tokens = append(s.tokens, mix(uint64(r)))
			}
			st.symbol(r)
		}
		if c != space {
			last = r
		}
	}
	flush()
}
