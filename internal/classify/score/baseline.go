package score

import (
	"strings"

	"freehold/internal/classify"
)

// Rules is the router that people write by hand before they measure: words that
// give a task away, and how hard that kind of task is. A classifier has to be
// better than it.
func Rules(prompt string) (classify.Task, float64) {
	text := strings.ToLower(prompt)
	if len(text) > 4000 {
		text = text[:2000] + "\n" + text[len(text)-2000:]
	}
	for _, r := range rules {
		for _, w := range r.words {
			if strings.Contains(text, w) {
				return r.task, r.hard
			}
		}
	}
	if len(prompt) > 1500 {
		return classify.Summarize, 0.3
	}
	return classify.ChatQA, 0.4
}

var rules = []struct {
	task  classify.Task
	hard  float64
	words []string
}{
	{classify.Translate, 0.2, []string{"translate", "translation", "übersetz", "tradu", "vertaal", "翻译", "翻訳"}},
	{classify.Summarize, 0.1, []string{"summar", "summaris", "tl;dr", "tldr", "key points", "sum up", "in brief"}},
	{classify.Code, 0.9, []string{"```", "def ", "write a function", "python", "javascript", "import ", "sql", "stack trace", "regex"}},
	{classify.Maths, 0.8, []string{"\\frac", "\\boxed", "solve for", "equation", "how many", "how much", "probability", "calculate", "compute"}},
	{classify.Rewrite, 0.2, []string{"rewrite", "paraphrase", "rephrase", "proofread", "correct the grammar"}},
	{classify.Extract, 0.2, []string{"extract", "list all", "as json", "key details"}},
	{classify.Classification, 0.2, []string{"classify", "category", "categories", "positive or negative", "sentiment", "which of the following"}},
	{classify.RAGAnswer, 0.3, []string{"context:", "passage", "based on the", "answer the following question", "paragraph"}},
	{classify.Write, 0.5, []string{"write a", "compose", "draft", "story", "poem", "essay"}},
	{classify.Reasoning, 0.9, []string{"puzzle", "logic", "step by step", "clue", "prove", "why "}},
}
