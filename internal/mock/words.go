package mock

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"
)

// vocabulary holds the words of generated text. Some are not ASCII, so that
// streams carry characters of two, three and four bytes.
var vocabulary = strings.Fields(`
able about above across after again air all alone along also amber among answer any apple area around as ask at away back
band bank base be bear beat bell below best between big bird black blue board boat body book both bottom box branch bread
break bright bring brown build burn café call calm came can care carry case cat cause cell chain change chart check child
circle city class clean clear climb close cloud coast cold color come common copper corn cotton could count course cover
cross crowd dark day deal deep degree desk direct door down draw dream dress drive dry early earth east edge egg eight end
enough enter even ever face fact fair far farm fast feel few field fig fill final find fine fire first fish five flat floor
flow flower follow food foot form forty forward found four free fresh friend front full garden gave gentle glass go gold
good grand grass gray great green ground grow half hand harbor hard have head hear heart heavy high hill hold home hope
horse hour house ice idea île inch iron island join jump just keep key kind king knew lake land large late lead leaf learn
left letter level light line list little long look lot love low made main many map mark may measure meet might mile mind
mine minute moon more morning most motion mountain move much music must naïve name near need never new next night north
note now number ocean odd off often oil old once one only open orange order other out over own page paint paper part pass
path pattern perhaps piece place plain plan plane plant play point pond power press problem pull pure push quick quiet quite
rain ran reach read ready real red rest right ring rise river road rock room root round rule run salt same sand sea season
second seed seem sense sentence serve seven shape sharp ship shore short show side silver simple sing sky sleep slow small
smooth snow soft soil some song soon sound south space speak spring square stand star start state stay steel step still
stone story straight stream street strong study such sudden summer sun sure table tail take talk tall teach ten than that
then thick thin think third thought three through tide time to together top total touch toward town tree true turn twenty
two under until up use valley very view voice walk wall warm watch water wave way weather well west wheel when while white
whole wide wild wind window winter wire wise with wonder wood word work world write year yellow yes yet young zürich Ω 日本
naïveté Ελλάδα москва 東京 🙂 🚀`)

// mix scrambles x (SplitMix64's finalizer).
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// hash is a 64-bit hash of texts, kept apart from each other.
func hash(seed uint64, texts ...string) uint64 {
	h := fnv.New64a()
	for _, t := range texts {
		_, _ = h.Write([]byte(t)) // a hash never fails
		_, _ = h.Write([]byte{0})
	}
	return mix(h.Sum64() ^ mix(seed))
}

// random is a source of chance that depends on the key alone.
func random(key uint64) *rand.Rand { return rand.New(rand.NewPCG(key, mix(key))) }

// prose is an endless text of which word i depends on the key and i alone, so
// that it can be taken up anywhere.
type prose uint64

func (p prose) at(i int, salt uint64) uint64 { return mix(uint64(p) ^ mix(uint64(i)<<8|salt)) }

// stops says whether a sentence ends after word i.
func (p prose) stops(i int) bool { return p.at(i, 1)%9 == 0 }

// token is word i with what stands before it.
func (p prose) token(i int) string {
	w := vocabulary[p.at(i, 0)%uint64(len(vocabulary))]
	space := " "
	if i == 0 || p.stops(i-1) {
		r, n := utf8.DecodeRuneInString(w)
		w = string(unicode.ToUpper(r)) + w[n:]
		if i == 0 {
			space = ""
		} else if p.at(i-1, 2)%4 == 0 {
			space = "\n\n"
		}
	}
	switch {
	case p.stops(i):
		w += "."
	case p.at(i, 3)%12 == 0:
		w += ","
	}
	return space + w
}

// words are the words from..to-1; the last one ends a sentence.
func (p prose) words(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		t := p.token(i)
		if i == to-1 {
			t = strings.TrimRight(t, ".,") + "."
		}
		b.WriteString(t)
	}
	return b.String()
}

// after continues prefix, a text that is not the beginning of this one: from
// the word that its length gives, completing a word that stands cut at its
// end. Whatever part of the continuation is put behind the prefix is continued
// to the same end.
func (p prose) after(prefix string, length int) string {
	k := len(strings.Fields(prefix))
	if k > length { // a foreign beginning, longer than the answer would be
		length = (k + 15) / 16 * 16
	}
	last := prefix[strings.LastIndexFunc(prefix, unicode.IsSpace)+1:]
	rest, begun := "", false
	if last != "" {
		want := p.token(k - 1)
		if k == length {
			want = p.words(k-1, k)
		}
		if rest, begun = strings.CutPrefix(strings.TrimLeftFunc(want, unicode.IsSpace), last); !begun {
			rest = ""
		}
	}
	if k == length {
		if begun {
			return rest
		}
		length = (k/16 + 1) * 16
	}
	more := p.words(k, length)
	if prefix != "" && last == "" {
		more = strings.TrimLeftFunc(more, unicode.IsSpace)
	}
	return rest + more
}

// chain is the text of legacy completions, which have a prompt and no
// beginning of an answer: the next word depends on the three words before it, so
// that a prompt that ends with a part of the answer is continued alike. The
// word "finis." ends it.
type chain uint64

const finis = "finis."

func (c chain) next(before []string) string {
	h := hash(uint64(c), before[max(len(before)-3, 0):]...)
	if h%37 == 0 {
		return finis
	}
	return vocabulary[h>>8%uint64(len(vocabulary))]
}

// after continues prompt by at most limit words.
func (c chain) after(prompt string, limit int) string {
	f := strings.Fields(prompt)
	var b strings.Builder
	r, _ := utf8.DecodeLastRuneInString(prompt)
	space := prompt == "" || unicode.IsSpace(r)
	if !space { // perhaps the last word is only the beginning of one
		part := f[len(f)-1]
		f = f[:len(f)-1]
		if rest, ok := strings.CutPrefix(c.next(f), part); ok && rest != "" {
			b.WriteString(rest)
			limit--
			part += rest
		}
		f = append(f, part)
	}
	for ; limit > 0; limit-- {
		if len(f) > 0 && f[len(f)-1] == finis {
			break
		}
		w := c.next(f)
		f = append(f, w)
		if !space {
			b.WriteByte(' ')
		}
		space = false
		b.WriteString(w)
	}
	return b.String()
}

// tokens cuts text into tokens: words with the white space before them.
func tokens(text string) []string {
	var out []string
	start, word := 0, false
	for i, r := range text {
		if unicode.IsSpace(r) {
			if word {
				out, start = append(out, text[start:i]), i
			}
			word = false
		} else {
			word = true
		}
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

// Chunking says into which pieces a streamed text is cut.
type Chunking string

// Ways to cut text.
const (
	ChunkWords  Chunking = "words"  // one token each
	ChunkRandom Chunking = "random" // random numbers of characters, by seed
	ChunkRunes  Chunking = "runes"  // one character each
	ChunkWhole  Chunking = "whole"  // one piece
)

// Chunkings lists them.
func Chunkings() []Chunking { return []Chunking{ChunkWords, ChunkRandom, ChunkRunes, ChunkWhole} }

// cut cuts text.
func (c Chunking) cut(text string, key uint64) []string {
	if text == "" {
		return nil
	}
	var out []string
	switch c {
	case ChunkWhole:
		return []string{text}
	case ChunkRunes:
		for _, r := range text {
			out = append(out, string(r))
		}
	case ChunkRandom:
		rnd, start, left := random(hash(key, text)), 0, 0
		for i := range text {
			if i > start && left == 0 {
				out, start = append(out, text[start:i]), i
			}
			if i == start {
				left = rnd.IntN(12) + 1
			}
			left--
		}
		out = append(out, text[start:])
	default:
		return tokens(text)
	}
	return out
}
