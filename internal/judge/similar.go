package judge

import (
	"math"
	"strings"
	"unicode"
)

// Similarity is how much two texts have in common, each from 0 to 1. It tells
// nothing about which one is better, and little about whether both are right.
type Similarity struct {
	Cosine float64 `json:"cosine"`  // of the sets of words
	RougeL float64 `json:"rouge_l"` // F1 of the longest common subsequence of words
}

// maxWords is how many words of each text are compared.
const maxWords = 2000

// Similar compares the words of two texts. It is the same in either order.
func Similar(a, b string) Similarity {
	x, y := words(a), words(b)
	if len(x) == 0 || len(y) == 0 {
		return Similarity{}
	}
	left, right := set(x), set(y)
	common := 0
	for w := range left {
		if right[w] {
			common++
		}
	}
	same := make([]int, len(y)+1) // of the longest common subsequence
	for _, w := range x {
		diagonal := 0
		for j, v := range y {
			above := same[j+1]
			if w == v {
				same[j+1] = diagonal + 1
			} else {
				same[j+1] = max(above, same[j])
			}
			diagonal = above
		}
	}
	return Similarity{
		Cosine: min(1, float64(common)/math.Sqrt(float64(len(left))*float64(len(right)))),
		RougeL: 2 * float64(same[len(y)]) / float64(len(x)+len(y)),
	}
}

// words cuts a text into lower-case words. Of scripts without spaces each
// character is one.
func words(s string) []string {
	var out []string
	for _, f := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }) {
		begin := 0
		for i, r := range f {
			if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai) {
				continue
			}
			if begin < i {
				out = append(out, f[begin:i])
			}
			begin = i + len(string(r))
			out = append(out, f[i:begin])
		}
		if begin < len(f) {
			out = append(out, f[begin:])
		}
		if len(out) >= maxWords {
			return out[:maxWords]
		}
	}
	return out
}

func set(words []string) map[string]bool {
	out := make(map[string]bool, len(words))
	for _, w := range words {
		out[w] = true
	}
	return out
}
