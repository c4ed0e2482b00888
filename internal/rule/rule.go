// Package rule compiles the conditions of routing rules (`when:` in
// config.yaml) and evaluates them. A condition is an expression in the language
// of github.com/expr-lang/expr, cut down to what always ends: variables of the
// request and its surroundings, constants, comparisons and arithmetic, and a
// few functions of a constant argument. No loops, no closures, no growth: an
// evaluation takes as many steps as the text has words.
//
// What is wrong with a text is told when it is compiled, with its place and the
// name that was likely meant. What goes wrong in an evaluation (a division by
// zero, a live value that nobody knows) is an error, and no match.
package rule

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
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
	text    string
	program *vm.Program
	uses    Set
	live    []Live
}

// Text is the condition as it was written.
func (c *Condition) Text() string { return c.text }

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
	tree, err := parse(text)
	if err != nil {
		return nil, []Problem{problemOf(err)}
	}
	w := walker{names: names}
	w.walk(tree.Node)
	if len(w.problems) > 0 {
		return nil, w.problems
	}
	c := &Condition{text: text, uses: w.uses, live: w.live}
	if c.program, err = c.compile(); err != nil {
		return nil, []Problem{problemOf(err)}
	}
	return c, nil
}

// parse reads the text. The parser is foreign code fed with whatever somebody
// typed: its panics are errors here.
func parse(text string) (tree *parser.Tree, err error) {
	defer rescue(&err)
	return parser.ParseWithConfig(text, options())
}

func (c *Condition) compile() (p *vm.Program, err error) {
	defer rescue(&err)
	opts := append(environment(), expr.Patch(&patcher{live: c.live}))
	return expr.Compile(c.text, opts...)
}

func rescue(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the condition cannot be read: %v", r)
	}
}

// machines are the evaluators that are not at work.
var machines = sync.Pool{New: func() any { return new(vm.VM) }}

// Match evaluates the condition. On an error it does not hold.
func (c *Condition) Match(v *Values) (bool, error) {
	m := machines.Get().(*vm.VM)
	defer machines.Put(m)
	out, err := m.Run(c.program, v)
	if err != nil {
		return false, plain(err)
	}
	match, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("the condition gives %v, neither true nor false", out)
	}
	return match, nil
}

// plain is an evaluation's error in one line, without the picture of the text.
func plain(err error) error {
	var f *file.Error
	if !errors.As(err, &f) {
		return err
	}
	msg := strings.TrimPrefix(f.Message, "runtime error: ")
	return fmt.Errorf("at character %d: %s", f.From+1, firstLine(msg))
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
	return msg
}

var types = strings.NewReplacer(
	"[]string", "a list of texts", "[]interface {}", "a list", "float64", "a number", "string", "a text", "int", "a number", "bool", "true or false",
)

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// patcher puts what the evaluator knows in the place of our functions: a live
// value's place in Values, and a division that refuses zero.
type patcher struct {
	live []Live
}

// Visit implements ast.Visitor.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.CallNode:
		call, ok := liveCall(n)
		if !ok {
			return
		}
		for i, l := range p.live {
			if l != call {
				continue
			}
			ast.Patch(node, &ast.MemberNode{Node: &ast.IdentifierNode{Value: l.Kind.holder()}, Property: &ast.IntegerNode{Value: l.index(p.live[:i])}})
			return
		}
	case *ast.BinaryNode:
		if n.Operator == "/" {
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: divide}, Arguments: []ast.Node{n.Left, n.Right}})
		}
	}
}
