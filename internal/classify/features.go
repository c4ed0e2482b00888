package classify

import (
	"math"
	"math/bits"
	"unicode/utf8"
)

// The features of a prompt are words and pairs of neighbouring words, hashed
// into buckets, three times: wherever they stand, among the first words of the
// user's turn, and among the last; and hand-made ones, which count what words
// do not tell. FeatureVersion changes whenever the same text gives other
// features, so that no model is used with features it was not trained on.
const (
	FeatureVersion = 1

	bucketBits = 16
	buckets    = 1 << bucketBits

	headWindow   = 2048 // bytes of the user's turn that are read from its begin
	tailWindow   = 1024 // and from its end
	systemWindow = 1024 // bytes of the instructions that are read

	edge = 12
)

// Feature is one entry of a prompt's sparse vector.
type Feature struct {
	Index uint32
	Value float32
}

// scratch is what one prompt needs while it is read. It is used again.
type scratch struct {
	tokens   []uint64
	features []Feature
	stats    stats
}

// namespaces keep the same words apart where they mean other things.
const (
	anywhere uint64 = 0x9e3779b97f4a7c15
	atHead   uint64 = 0xc2b2ae3d27d4eb4f
	atTail   uint64 = 0x165667b19e3779f9
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
	s.tokens, s.features, s.stats = s.tokens[:0], s.features[:0], stats{}
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
	s.grams(turn[:min(edge, len(turn))], atHead)
	s.grams(turn[max(0, len(turn)-edge):], atTail)
	s.stats.words = len(all)
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
			s.features = append(s.features, Feature{bucket(bits.RotateLeft64(t[i-1], 17)^h, space^pair), v})
		}
	}
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
	flush := func() {
		switch in {
		case letter:
			s.tokens = append(s.tokens, h)
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
			run++
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
