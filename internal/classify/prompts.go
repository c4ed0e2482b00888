package classify

import (
	_ "embed" // the prompts
	"io"
	"strings"
)

//go:embed data/prompts.jsonl
var prompts string

// Prompts are labelled prompts of all tasks, written for freehold, as JSON lines.
// The embedded model was trained on them. What is adapted to other rows is held to
// what it made of these, so that it does not lose what the rows do not speak of.
func Prompts() io.Reader { return strings.NewReader(prompts) }
