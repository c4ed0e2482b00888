package cascade

import (
	"encoding/json"
	"math"
	"slices"
)

// TopLogprobs is how many alternatives of each token a margin needs.
const TopLogprobs = 2

// leastSure is the share of an answer's tokens that its margin is made of, at
// least one token: a long answer is wrong where one word of it is.
const leastSure = 0.1

// Margin is how sure a model was of an answer, 0 to 1, from the logprobs of a
// chat completion's choice: at each token the difference between the
// probabilities of the likeliest two, and of these the mean over the tenth of
// the tokens with the smallest. ok is false where the logprobs do not say.
func Margin(logprobs json.RawMessage) (margin float64, ok bool) {
	var l struct {
		Content []struct {
			Top []struct {
				Logprob *float64 `json:"logprob"`
			} `json:"top_logprobs"`
		} `json:"content"`
	}
	if json.Unmarshal(logprobs, &l) != nil || len(l.Content) == 0 {
		return 0, false
	}
	margins := make([]float64, 0, len(l.Content))
	for i := range l.Content {
		first, second := 0.0, 0.0
		for _, t := range l.Content[i].Top {
			if t.Logprob == nil {
				return 0, false
			}
			p := math.Exp(min(*t.Logprob, 0))
			if math.IsNaN(p) {
				return 0, false
			}
			first, second = max(first, p), max(second, min(first, p))
		}
		if len(l.Content[i].Top) < TopLogprobs {
			return 0, false
		}
		margins = append(margins, first-second)
	}
	slices.Sort(margins)
	n := max(1, int(math.Round(leastSure*float64(len(margins)))))
	sum := 0.0
	for _, m := range margins[:n] {
		sum += m
	}
	return sum / float64(n), true
}
