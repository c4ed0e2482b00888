package classify

import (
	"math"
	"strings"
)

// stats are counts that the tokenizer makes while it reads.
type stats struct {
	bytes, words, letterRuns     int
	numbers, digits, upper, wide int
	lines, ideals                int
	symbols, questions, stops    int
	maths, brackets, quotes      int
	braces, commas, colons       int
	backslashes, backticks       int
	underscores, currency        int
	percents, angles             int
	choices                      int // lines of a list of choices, at the end
}

func (s *stats) symbol(r rune) {
	s.symbols++
	switch r {
	case '?', 0x00BF, 0x061F:
		s.questions++
	case '.', '!', ';':
		s.stops++
	case '+', '*', '/', '=', '^', '×', '÷', '√', '∑', '∫', '≤', '≥', '≠', '∈', 'π':
		s.maths++
	case '(', ')', '[', ']':
		s.brackets++
	case '"':
		s.quotes++
	case '{', '}':
		s.braces++
	case ',', 0x3001:
		s.commas++
	case ':':
		s.colons++
	case '\\':
		s.backslashes++
	case '`':
		s.backticks++
	case '_':
		s.underscores++
	case '$', '€', '£', '¥':
		s.currency++
	case '%':
		s.percents++
	case '<', '>':
		s.angles++
	}
}

// Hand-made features have their own places behind the buckets.
const (
	handBase  = buckets
	lengthBin = 0              // one of 16: how long the prompt is
	numberBin = lengthBin + 16 // one of 12: how many numbers it has
	sentences = numberBin + 12 // one of 12: how many sentences
	lineBin   = sentences + 12 // one of 12: how many lines
	choiceBin = lineBin + 12   // one of 8: how long the list of choices is
	flags     = choiceBin + 8  // 24 facts that hold or do not
	shares    = flags + 24     // 32 shares and logarithms
	cueBase   = shares + 32    // for each place and task: whether its cues stand there
	handCount = cueBase + cuePlaces*TaskCount
	bias      = buckets + handCount
	taskBase  = bias + 1 // see shape
	inputs    = taskBase + TaskCount*shapes
)

// shape is what the complexity head sees of a prompt apart for each task, times
// the task's chance: that it is the task, and how long the prompt is, how many
// numbers and sentences it has. A long word problem is a hard one; a long text to
// summarize is not.
type shape [shapes]float32

const shapes = 4

// logBin is the place of n on a scale of half powers of two.
func logBin(n, most int) int {
	return min(int(2*math.Log2(1+float64(n))), most)
}

func (s *scratch) hand(user string) {
	st := &s.stats
	add := func(i int, v float64) {
		if v != 0 {
			s.features = append(s.features, Feature{uint32(handBase + i), float32(v)})
		}
	}
	flag := 0
	is := func(b bool) {
		if b {
			add(flags+flag, 0.5)
		}
		flag++
	}
	share := 0
	put := func(v float64) {
		add(shares+share, v)
		share++
	}
	head, tail := begin(user, headWindow), end(user, tailWindow)
	options := inlineChoices(tail)

	add(lengthBin+min(max(logBin(st.bytes, 32)-8, 0), 15), 0.5)
	add(numberBin+logBin(st.numbers, 11), 0.5)
	add(sentences+logBin(st.stops+st.questions, 11), 0.5)
	add(lineBin+logBin(st.lines, 11), 0.5)
	add(choiceBin+min(st.choices, 7), 0.5)

	trimmed := strings.TrimRight(tail, " \t\r\n")
	opening := strings.TrimLeft(head, " \t\r\n")
	is(strings.HasSuffix(trimmed, "?"))
	is(strings.HasSuffix(trimmed, ":"))
	is(strings.HasSuffix(trimmed, "."))
	is(strings.Contains(head, "```") || strings.Contains(tail, "```"))
	is(strings.Contains(head, "def ") || strings.Contains(head, "func ") || strings.Contains(head, "class "))
	is(strings.Contains(head, ">>>") || strings.Contains(tail, ">>>"))
	is(strings.Contains(head, "return ") || strings.Contains(head, "import "))
	is(strings.Contains(head, "SELECT ") || strings.Contains(tail, "SELECT "))
	is(strings.Contains(head, "\\frac") || strings.Contains(head, "\\boxed") || strings.Contains(tail, "\\boxed"))
	is(strings.Count(head, "$") >= 2 && st.backslashes > 0)
	is(st.choices >= 3)
	is(options >= 2)
	is(st.bytes > 1000 && st.questions == 0)
	is(st.bytes > 1000 && st.questions == 1)
	is(st.bytes < 200 && st.questions == 1 && st.lines == 0)
	is(st.bytes < 200 && st.questions == 0 && st.lines == 0)
	is(strings.Contains(head, "__") || strings.Contains(tail, "__"))
	is(strings.Contains(head, "http://") || strings.Contains(head, "https://"))
	is(strings.HasPrefix(opening, "{") || strings.HasPrefix(opening, "["))
	is(firstUpper(opening))
	is(st.ideals > 4)
	is(st.wide > 4)

	s.shape = shape{
		1, float32(math.Log2(1+float64(st.bytes))/4 - 2), float32(math.Log2(1+float64(st.numbers))/2 - 1),
		float32(math.Log2(1+float64(st.stops+st.questions))/2 - 1),
	}

	n := float64(max(1, min(st.bytes, headWindow+tailWindow+systemWindow)))
	words := float64(max(1, st.letterRuns))
	all := float64(max(1, st.words))
	put(math.Log2(1+float64(st.bytes)) / 16)
	put(math.Log2(1+float64(st.numbers)) / 6)
	put(math.Log2(1+float64(st.lines)) / 6)
	put(float64(st.digits) / n * 4)
	put(float64(st.upper) / n * 4)
	put(float64(st.wide) / n)
	put(float64(st.symbols) / n * 4)
	put(n / words / 16)
	put(min(float64(st.questions), 4) / 4)
	put(float64(st.maths) / n * 8)
	put(float64(st.brackets) / n * 8)
	put(float64(st.quotes) / n * 8)
	put(float64(st.braces) / n * 8)
	put(float64(st.commas) / n * 8)
	put(float64(st.colons) / n * 8)
	put(float64(st.backslashes) / n * 8)
	put(min(float64(st.backticks), 8) / 8)
	put(float64(st.underscores) / n * 8)
	put(min(float64(st.currency), 8) / 8)
	put(min(float64(st.percents), 4) / 4)
	put(float64(st.angles) / n * 8)
	put(float64(st.numbers) / all)
	put(words / float64(1+st.stops+st.questions) / 64)
	s.features = append(s.features, Feature{bias, 1})
}

// firstUpper reports a text that begins with a capital letter.
func firstUpper(s string) bool { return s != "" && s[0] >= 'A' && s[0] <= 'Z' }

// choiceLines counts lines that begin as the choices of a list do: A. (A) a) 1.
func choiceLines(s string) int {
	n := 0
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimLeft(line, " \t(")
		if len(line) > 2 && (line[1] == '.' || line[1] == ')' || line[1] == ':') {
			if c := line[0] | 0x20; c >= 'a' && c <= 'j' || c >= '1' && c <= '9' {
				n++
			}
		}
	}
	return n
}

// inlineChoices counts choices within a line: (A) ... (B) ...
func inlineChoices(s string) int {
	n := 0
	for {
		i := strings.IndexByte(s, '(')
		if i < 0 || i+2 >= len(s) {
			return n
		}
		if c := s[i+1] | 0x20; s[i+2] == ')' && c >= 'a' && c <= 'j' {
			n++
		}
		s = s[i+1:]
	}
}
