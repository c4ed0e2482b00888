// Package rule compiles the conditions of routing rules (`when:` in
// config.yaml) and evaluates them. A condition is an expression in the language
// of github.com/expr-lang/expr, cut down to what always ends: variables of the
// request and its surroundings, constants, comparisons and arithmetic, and a
// few functions of a constant argument. No loops, no closures, no growth: an
// evaluation takes as many steps as the text has words.
//
// The language's own parser and type checker read a text; what they accept is
// turned into Go functions, so that an evaluation allocates nothing and takes
// nanoseconds.
//
// What is wrong with a text is told when it is compiled, with its place and the
// name that was likely meant. What goes wrong in an evaluation (a division by
// zero, a live value that nobody knows) is an error, and no match.
package rule

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Bounds of one condition.
const (
	maxText  = 4096 // bytes
	maxNodes = 500
)

// Names are the names of a configuration that conditions may use.
type Names struct {
	Targets []string // models, and deployments as MODEL@PROVIDER
	Classes []string // data classes
}

// Problem is what is wrong with a text, and where.
type Problem struct {
	Offset        int // characters before it
	Message, Hint string
}

// Condition is a compiled text. It is immutable and safe for concurrent use.
type Condition struct {
	text   string
	holds  boolean
	uses   Set
	live   []Live
	doubts []Problem
}

// Text is the condition as it was written.
func (c *Condition) Text() string { return c.text }

// Doubts are parts that can never hold, or always do.
func (c *Condition) Doubts() []Problem { return c.doubts }

// Uses are the variables that the condition reads.
func (c *Condition) Uses() Set { return c.uses }

// Live are the values that must be looked up for an evaluation, in the order
// in which Values.Live holds them.
func (c *Condition) Live() []Live { return c.live }

// Compile reads a condition. The problems are all unknown names at once, or
// the first of any other kind.
func Compile(text string, names Names) (*Condition, []Problem) {
	if len(text) > maxText {
		return nil, []Problem{{Message: fmt.Sprintf("the condition is longer than %d characters", maxText), Hint: "make several rules of it"}}
	}
	if !utf8.ValidString(text) {
		return nil, []Problem{{Message: "the condition is not UTF-8 text"}}
	}
	tree, err := read(text, parser.ParseWithConfig)
	if err != nil {
		return nil, []Problem{problemOf(err)}
	}
	w := walker{names: names}
	w.walk(tree.Node)
	if len(w.problems) > 0 {
		return nil, w.problems
	}
	if tree, err = read(text, checker.ParseCheck); err != nil {
		return nil, []Problem{problemOf(err)}
	}
	c := compiler{live: w.live}
	holds := c.boolean(tree.Node)
	if len(c.problems) > 0 {
		return nil, c.problems[:1]
	}
	return &Condition{text: text, holds: holds, uses: w.uses, live: w.live, doubts: w.doubts}, nil
}

// read reads a text with parser or checker. They are foreign code fed with
// whatever somebody typed: their panics are errors here.
func read(text string, with func(string, *conf.Config) (*parser.Tree, error)) (tree *parser.Tree, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the condition cannot be read: %v", r)
		}
	}()
	return with(text, grammar())
}

// Match evaluates the condition. On an error it does not hold.
func (c *Condition) Match(v *Values) (bool, error) {
	v.err = nil
	holds := c.holds(v)
	if v.err != nil {
		return false, fmt.Errorf("at character %d: %w", v.at+1, v.err)
	}
	return holds, nil
}

// problemOf puts an error of parser or checker into the words of the
// configuration's messages.
func problemOf(err error) Problem {
	p := Problem{Message: firstLine(err.Error())}
	var f *file.Error
	if errors.As(err, &f) {
		p.Offset, p.Message = f.From, firstLine(f.Message)
	}
	switch {
	case strings.Contains(p.Message, `Operator("=")`):
		p.Hint = "write == to compare"
	case strings.Contains(p.Message, "unrecognized character") || strings.Contains(p.Message, "literal not terminated"):
		p.Hint = `texts stand in quotes: task == "summarize"`
	case strings.Contains(p.Message, "mismatched types") && strings.Contains(p.Message, "[]string"):
		p.Hint = `tags and data_class are lists: write "x" in tags`
	case strings.HasPrefix(p.Message, "expected bool"):
		p.Hint = "compare it with something"
	}
	p.Message = reword(p.Message)
	return p
}

// reword puts the messages of the language into the documentation's words.
func reword(msg string) string {
	if msg == "unexpected token EOF" {
		return "the condition ends too early"
	}
	if kind, ok := strings.CutPrefix(msg, "expected bool, but got "); ok {
		return "the condition must be true or false, not " + types.Replace(kind)
	}
	if rest, ok := strings.CutPrefix(msg, "invalid operation: "); ok {
		op, operands, _ := strings.Cut(rest, " (mismatched ")
		_, operands, _ = strings.Cut(strings.TrimSuffix(operands, ")"), " ") // type, types
		return op + " does not fit " + types.Replace(operands)
	}
	if rest, ok := strings.CutPrefix(strings.TrimSuffix(msg, " in array"), "cannot use "); ok {
		return "cannot use " + types.Replace(strings.Replace(rest, " as type ", " as ", 1)) + " in a list"
	}
	return msg
}

var types = strings.NewReplacer(
	"[]string", "a list of texts", "[]interface {}", "a list", "float64", "a number", "string", "a text", "int", "a number", "bool", "true or false",
)

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
