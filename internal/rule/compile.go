package rule

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// A condition is made of functions of these types.
type (
	boolean func(*Values) bool
	number  func(*Values) float64
	text    func(*Values) string
)

var errZero = errors.New("division by zero")

func (v *Values) fail(at int, err error) float64 {
	if v.err == nil {
		v.at, v.err = at, err
	}
	return 0
}

// The variables by their types.
var (
	booleans = map[string]boolean{
		"has_tools": func(v *Values) bool { return v.HasTools }, "has_images": func(v *Values) bool { return v.HasImages },
		"json": func(v *Values) bool { return v.JSON }, "stream": func(v *Values) bool { return v.Stream },
	}
	numbers = map[string]number{
		"complexity": func(v *Values) float64 { return v.Complexity }, "confidence": func(v *Values) float64 { return v.Confidence },
		"prompt_tokens": func(v *Values) float64 { return float64(v.PromptTokens) },
		"max_tokens":    func(v *Values) float64 { return float64(v.MaxTokens) },
		"turns":         func(v *Values) float64 { return float64(v.Turns) },
		"hour":          func(v *Values) float64 { return float64(v.Hour) },
		"draw":          func(v *Values) float64 { return v.Draw },
	}
	texts = map[string]text{
		"task": func(v *Values) string { return v.Task }, "language": func(v *Values) string { return v.Language },
		"key": func(v *Values) string { return v.Key }, "day": func(v *Values) string { return v.Day },
	}
	lists = map[string]func(*Values) []string{
		"tags": func(v *Values) []string { return v.Tags }, "data_class": func(v *Values) []string { return v.DataClass },
	}
)

// compiler turns a tree that was checked into functions. What the checker lets
// through and no function is for is a problem.
type compiler struct {
	live     []Live
	problems []Problem
}

func (c *compiler) problem(n ast.Node, format string, args ...any) {
	c.problems = append(c.problems, Problem{Offset: n.Location().From, Message: fmt.Sprintf(format, args...)})
}

// Types of nodes.
const (
	isOther = iota
	isBoolean
	isNumber
	isText
)

func typeOf(n ast.Node) int {
	switch n.Type().Kind() {
	case reflect.Bool:
		return isBoolean
	case reflect.Int, reflect.Float64:
		return isNumber
	case reflect.String:
		return isText
	}
	return isOther
}

func (c *compiler) boolean(n ast.Node) boolean {
	switch n := n.(type) {
	case *ast.BoolNode:
		return func(*Values) bool { return n.Value }
	case *ast.IdentifierNode:
		if f := booleans[n.Value]; f != nil {
			return f
		}
	case *ast.UnaryNode:
		f := c.boolean(n.Node)
		return func(v *Values) bool { return !f(v) }
	case *ast.ConditionalNode:
		cond, yes, no := c.boolean(n.Cond), c.boolean(n.Exp1), c.boolean(n.Exp2)
		return func(v *Values) bool {
			if cond(v) {
				return yes(v)
			}
			return no(v)
		}
	case *ast.BinaryNode:
		return c.comparison(n)
	}
	c.problem(n, "this is neither true nor false")
	return nil
}

func (c *compiler) comparison(n *ast.BinaryNode) boolean {
	switch n.Operator {
	case "and", "&&":
		a, b := c.boolean(n.Left), c.boolean(n.Right)
		return func(v *Values) bool { return a(v) && b(v) }
	case "or", "||":
		a, b := c.boolean(n.Left), c.boolean(n.Right)
		return func(v *Values) bool { return a(v) || b(v) }
	case "in":
		return c.membership(n)
	case "contains", "startsWith", "endsWith":
		a, b := c.text(n.Left), c.text(n.Right)
		f := map[string]func(string, string) bool{"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix}[n.Operator]
		return func(v *Values) bool { return f(a(v), b(v)) }
	case "matches":
		a := c.text(n.Left)
		re := regexp.MustCompile(n.Right.(*ast.StringNode).Value) // the walker has seen that it compiles
		return func(v *Values) bool { return re.MatchString(a(v)) }
	}
	left, right := typeOf(n.Left), typeOf(n.Right)
	switch {
	case left != right:
		c.problem(n, "%s does not fit what stands beside it", n.Operator)
		return nil
	case left == isBoolean && n.Operator == "==":
		a, b := c.boolean(n.Left), c.boolean(n.Right)
		return func(v *Values) bool { return a(v) == b(v) }
	case left == isBoolean && n.Operator == "!=":
		a, b := c.boolean(n.Left), c.boolean(n.Right)
		return func(v *Values) bool { return a(v) != b(v) }
	case left == isNumber:
		return compare(n.Operator, c.number(n.Left), c.number(n.Right))
	case left == isText:
		return compare(n.Operator, c.text(n.Left), c.text(n.Right))
	}
	c.problem(n, "%s does not fit what stands beside it", n.Operator)
	return nil
}

func compare[T float64 | string](operator string, a, b func(*Values) T) boolean {
	switch operator {
	case "==":
		return func(v *Values) bool { return a(v) == b(v) }
	case "!=":
		return func(v *Values) bool { return a(v) != b(v) }
	case "<":
		return func(v *Values) bool { return a(v) < b(v) }
	case "<=":
		return func(v *Values) bool { return a(v) <= b(v) }
	case ">":
		return func(v *Values) bool { return a(v) > b(v) }
	}
	return func(v *Values) bool { return a(v) >= b(v) }
}

func (c *compiler) membership(n *ast.BinaryNode) boolean {
	switch right := n.Right.(type) {
	case *ast.IdentifierNode:
		if list := lists[right.Value]; list != nil && typeOf(n.Left) == isText {
			a := c.text(n.Left)
			return func(v *Values) bool { return slices.Contains(list(v), a(v)) }
		}
	case *ast.ArrayNode:
		switch typeOf(n.Left) {
		case isText:
			return among(c.text(n.Left), each(right.Nodes, c.text))
		case isNumber:
			return among(c.number(n.Left), each(right.Nodes, c.number))
		}
	}
	c.problem(n, `in wants a text and a list: "x" in tags, task in ["code", "maths"]`)
	return nil
}

func each[F any](nodes []ast.Node, compile func(ast.Node) F) []F {
	out := make([]F, len(nodes))
	for i, n := range nodes {
		out[i] = compile(n)
	}
	return out
}

func among[F ~func(*Values) T, T comparable](a F, list []F) boolean {
	return func(v *Values) bool {
		sought := a(v)
		return slices.ContainsFunc(list, func(f F) bool { return f(v) == sought })
	}
}

func (c *compiler) number(n ast.Node) number {
	switch n := n.(type) {
	case *ast.IntegerNode:
		v := float64(n.Value)
		return func(*Values) float64 { return v }
	case *ast.FloatNode:
		return func(*Values) float64 { return n.Value }
	case *ast.IdentifierNode:
		if f := numbers[n.Value]; f != nil {
			return f
		}
	case *ast.UnaryNode:
		f := c.number(n.Node)
		if n.Operator == "-" {
			return func(v *Values) float64 { return -f(v) }
		}
		return f
	case *ast.ConditionalNode:
		cond, yes, no := c.boolean(n.Cond), c.number(n.Exp1), c.number(n.Exp2)
		return func(v *Values) float64 {
			if cond(v) {
				return yes(v)
			}
			return no(v)
		}
	case *ast.CallNode:
		if l, ok := liveCall(n); ok && !l.Kind.State() {
			i := l.index(c.live)
			return func(v *Values) float64 { return v.Numbers[i] }
		}
	case *ast.BinaryNode:
		return c.arithmetic(n)
	}
	c.problem(n, "this is no number")
	return nil
}

func (c *compiler) arithmetic(n *ast.BinaryNode) number {
	a, b, at := c.number(n.Left), c.number(n.Right), n.Location().From
	switch n.Operator {
	case "+":
		return func(v *Values) float64 { return a(v) + b(v) }
	case "-":
		return func(v *Values) float64 { return a(v) - b(v) }
	case "*":
		return func(v *Values) float64 { return a(v) * b(v) }
	case "/":
		return func(v *Values) float64 {
			d := b(v)
			if d == 0 {
				return v.fail(at, errZero)
			}
			return a(v) / d
		}
	case "%":
		return func(v *Values) float64 {
			d := int64(b(v))
			if d == 0 {
				return v.fail(at, errZero)
			}
			return float64(int64(a(v)) % d)
		}
	}
	c.problem(n, "%s makes no number", n.Operator)
	return nil
}

func (c *compiler) text(n ast.Node) text {
	switch n := n.(type) {
	case *ast.StringNode:
		return func(*Values) string { return n.Value }
	case *ast.IdentifierNode:
		if f := texts[n.Value]; f != nil {
			return f
		}
	case *ast.ConditionalNode:
		cond, yes, no := c.boolean(n.Cond), c.text(n.Exp1), c.text(n.Exp2)
		return func(v *Values) string {
			if cond(v) {
				return yes(v)
			}
			return no(v)
		}
	case *ast.CallNode:
		if l, ok := liveCall(n); ok && l.Kind.State() {
			i := l.index(c.live)
			return func(v *Values) string { return v.States[i] }
		}
	case *ast.BinaryNode:
		if n.Operator == "+" {
			a, b := c.text(n.Left), c.text(n.Right)
			return func(v *Values) string { return a(v) + b(v) }
		}
	}
	c.problem(n, "this is no text")
	return nil
}
