package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"freehold/internal/language"
	"freehold/internal/suggest"
)

// known are all names that a condition may use.
var known = slices.Sorted(func(yield func(string) bool) {
	for n := range maps.Keys(variables) {
		if !yield(n) {
			return
		}
	}
	for n := range maps.Keys(functions) {
		if !yield(n) {
			return
		}
	}
})

// operators are the binary ones that are allowed: those that cost the same
// whatever their operands are, or a comparison of texts.
var operators = []string{
	"and", "&&", "or", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%",
	"in", "contains", "startsWith", "endsWith", "matches",
}

// walker checks a tree and notes what it reads.
type walker struct {
	names    Names
	uses     Set
	live     []Live
	problems []Problem
	doubts   []Problem
}

func (w *walker) problem(n ast.Node, hint, format string, args ...any) {
	w.problems = append(w.problems, Problem{Offset: n.Location().From, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (w *walker) walk(n ast.Node) {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode:
	case *ast.IdentifierNode:
		w.identifier(n)
	case *ast.UnaryNode:
		w.walk(n.Node)
	case *ast.BinaryNode:
		w.binary(n)
	case *ast.ConditionalNode:
		w.walk(n.Cond)
		w.walk(n.Exp1)
		w.walk(n.Exp2)
	case *ast.ArrayNode:
		for _, e := range n.Nodes {
			w.walk(e)
		}
	case *ast.CallNode:
		w.call(n)
	default:
		w.problem(n, "a condition compares values; it has no loops, members, maps or variables of its own", "this cannot stand in a condition")
	}
}

func (w *walker) identifier(n *ast.IdentifierNode) {
	if set, ok := variables[n.Value]; ok {
		w.uses |= set
		return
	}
	if _, ok := functions[n.Value]; ok {
		w.problem(n, "write "+n.Value+`("NAME")`, "%s is a function", n.Value)
		return
	}
	hint := suggest.Hint(n.Value, known)
	if hint == "" {
		hint = `texts stand in quotes; docs/rules.md lists the names`
	}
	w.problem(n, hint, "unknown name %q", n.Value)
}

func (w *walker) binary(n *ast.BinaryNode) {
	if !slices.Contains(operators, n.Operator) {
		w.problem(n, "", "the operator %s cannot stand in a condition", n.Operator)
		return
	}
	w.walk(n.Left)
	w.walk(n.Right)
	w.compared(n)
	switch n.Operator {
	case "==", "!=", "in":
		w.words(n.Left, n.Right)
		w.words(n.Right, n.Left)
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			w.problem(n.Right, `write it in quotes: key matches "^team-"`, "the pattern of matches must be a text")
		} else if _, err := regexp.Compile(pattern.Value); err != nil {
			w.problem(n.Right, "", "%v", err)
		}
	case "/", "%":
		switch d := n.Right.(type) {
		case *ast.IntegerNode:
			if d.Value == 0 {
				w.problem(n.Right, "", "division by zero")
			}
		case *ast.FloatNode:
			if d.Value == 0 {
				w.problem(n.Right, "", "division by zero")
			}
		}
	}
}

// words checks the texts that a variable of few words is compared with.
func (w *walker) words(variable, with ast.Node) {
	var what string
	var all []string
	switch v := variable.(type) {
	case *ast.IdentifierNode:
		what = v.Value
		switch v.Value {
		case "task":
			all = Tasks
		case "day":
			all = Days
		case "language":
			all = append(language.Codes(), "")
		case "data_class":
			what, all = "data class", w.names.Classes
		default:
			return
		}
	case *ast.CallNode:
		l, ok := liveCall(v)
		if !ok || l.Kind != HealthOf {
			return
		}
		what, all = "state", Health
	default:
		return
	}
	texts := []ast.Node{with}
	if list, ok := with.(*ast.ArrayNode); ok {
		texts = list.Nodes
	}
	for _, t := range texts {
		if s, ok := t.(*ast.StringNode); ok && !slices.Contains(all, s.Value) {
			hint := suggest.Hint(s.Value, all)
			if what == "language" && hint == "" {
				hint = "ISO 639-1 codes are told: " + strings.Join(language.Codes(), ", ")
			}
			w.problem(s, hint, "unknown %s %q", what, s.Value)
		}
	}
}

// liveCall is what a call asks for, if it is one of ours with a text.
func liveCall(n *ast.CallNode) (Live, bool) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) != 1 {
		return Live{}, false
	}
	kind, ok := functions[callee.Value]
	arg, text := n.Arguments[0].(*ast.StringNode)
	if !ok || !text {
		return Live{}, false
	}
	return Live{kind, arg.Value}, true
}

func (w *walker) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		w.problem(n, "", "this cannot be called")
		return
	}
	if _, ok := functions[callee.Value]; !ok {
		if _, ok := variables[callee.Value]; ok {
			w.problem(callee, "write it without ()", "%s is not a function", callee.Value)
			return
		}
		w.problem(callee, suggest.Hint(callee.Value, slices.Sorted(maps.Keys(functions))), "unknown function %q", callee.Value)
		return
	}
	l, ok := liveCall(n)
	if !ok {
		w.problem(n, "write "+callee.Value+`("NAME")`, "%s takes one name, in quotes", callee.Value)
		return
	}
	names, what := w.names.Targets, "model or deployment"
	if l.Kind == SpendToday {
		names, what = Scopes, "scope"
	}
	if !slices.Contains(names, l.Target) {
		w.problem(n.Arguments[0], suggest.Hint(l.Target, names), "unknown %s %q", what, l.Target)
		return
	}
	if !slices.Contains(w.live, l) {
		w.live = append(w.live, l)
	}
}
