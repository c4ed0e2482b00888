package rule

import (
	"fmt"
	"math"
	"strconv"

	"github.com/expr-lang/expr/ast"
)

// span is between which numbers a variable is. below: its upper end is none of
// its values.
type span struct {
	low, high float64
	below     bool
}

// spans of the variables that are numbers. Live values have none below 0.
var spans = map[string]span{
	"complexity": {0, 1, false}, "confidence": {0, 1, false}, "draw": {0, 1, true}, "hour": {0, 23, false},
	"prompt_tokens": counts, "max_tokens": counts, "turns": counts,
}

var counts = span{0, math.Inf(1), false}

// String is the span in words.
func (s span) String() string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	switch {
	case math.IsInf(s.high, 1):
		return "at least " + number(s.low)
	case s.below:
		return "from " + number(s.low) + " to less than " + number(s.high)
	}
	return "from " + number(s.low) + " to " + number(s.high)
}

// never reports that no value of the span compares so with c.
func (s span) never(operator string, c float64) bool {
	over := c > s.high || s.below && c == s.high
	switch operator {
	case "==":
		return c < s.low || over
	case "<":
		return c <= s.low
	case "<=":
		return c < s.low
	case ">":
		return c >= s.high
	case ">=":
		return over
	}
	return false
}

// always reports that every value of the span compares so with c.
func (s span) always(operator string, c float64) bool {
	switch operator {
	case "!=":
		return s.never("==", c)
	case "<":
		return s.never(">=", c)
	case "<=":
		return s.never(">", c)
	case ">":
		return s.never("<=", c)
	case ">=":
		return s.never("<", c)
	}
	return false
}

// mirrored are the operators with their sides exchanged.
var mirrored = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// compared notes comparisons of a variable with a number whose outcome is always the same.
func (w *walker) compared(n *ast.BinaryNode) {
	if list, ok := n.Right.(*ast.ArrayNode); ok && n.Operator == "in" {
		for _, e := range list.Nodes {
			w.against(n.Left, "==", e)
		}
		return
	}
	w.against(n.Left, n.Operator, n.Right)
	w.against(n.Right, mirrored[n.Operator], n.Left)
}

func (w *walker) against(variable ast.Node, operator string, with ast.Node) {
	c, ok := constant(with)
	if !ok {
		return
	}
	var name, holds, hint string
	s, known := counts, true
	switch v := variable.(type) {
	case *ast.IdentifierNode:
		name = v.Value
		if s, ok = spans[name]; !ok {
			return
		}
	case *ast.CallNode:
		l, ok := liveCall(v)
		if !ok || l.Kind.State() {
			return
		}
		name, known = l.String(), false
	default:
		return
	}
	switch {
	case s.never(operator, c):
		holds = "never"
	case known && s.always(operator, c): // what is not known holds in no comparison
		holds = "always"
	default:
		return
	}
	if name == "draw" {
		hint = "draw < 0.1 is one in ten"
	}
	w.doubts = append(w.doubts, Problem{Offset: with.Location().From, Message: fmt.Sprintf("%s is %s, so this %s holds", name, s, holds), Hint: hint})
}

// constant is the number that a node is.
func constant(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		v, ok := constant(n.Node)
		if n.Operator == "-" {
			v = -v
		}
		return v, ok && (n.Operator == "-" || n.Operator == "+")
	}
	return 0, false
}
