package rule

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// Values are what a condition is evaluated with. Only what a condition Uses
// need be set. An evaluation writes to them: one at a time.
type Values struct {
	Task       string  `expr:"task"`
	Complexity float64 `expr:"complexity"`
	Confidence float64 `expr:"confidence"`
	Language   string  `expr:"language"`

	PromptTokens int  `expr:"prompt_tokens"`
	MaxTokens    int  `expr:"max_tokens"`
	Turns        int  `expr:"turns"`
	HasTools     bool `expr:"has_tools"`
	HasImages    bool `expr:"has_images"`
	JSON         bool `expr:"json"`
	Stream       bool `expr:"stream"`

	Key       string   `expr:"key"`
	Tags      []string `expr:"tags"`
	DataClass []string `expr:"data_class"`

	Hour int    `expr:"hour"`
	Day  string `expr:"day"`

	Draw float64 `expr:"draw"`

	// Numbers and States are the condition's live values, in their own order.
	Numbers []float64 `expr:"-"`
	States  []string  `expr:"-"`

	// The first error of an evaluation, and its place in the text. The evaluation
	// goes on with zeros then, and its result counts for nothing.
	err error
	at  int
}

// Set is a set of variables.
type Set uint32

// The variables.
const (
	Task Set = 1 << iota
	Complexity
	Confidence
	Language
	PromptTokens
	MaxTokens
	Turns
	HasTools
	HasImages
	JSON
	Stream
	Key
	Tags
	DataClass
	Hour
	Day
	Draw
)

// Classified are the variables that a look at the prompt's meaning gives.
const Classified = Task | Complexity | Confidence

var variables = map[string]Set{
	"task": Task, "complexity": Complexity, "confidence": Confidence, "language": Language,
	"prompt_tokens": PromptTokens, "max_tokens": MaxTokens, "turns": Turns, "has_tools": HasTools,
	"has_images": HasImages, "json": JSON, "stream": Stream, "key": Key, "tags": Tags, "data_class": DataClass,
	"hour": Hour, "day": Day, "draw": Draw,
}

// order lists the variables' names by their bits.
var order = slices.SortedFunc(maps.Keys(variables), func(a, b string) int { return int(variables[a]) - int(variables[b]) })

// Has reports whether s has any of t.
func (s Set) Has(t Set) bool { return s&t != 0 }

// Words of the variables that have few: anything else compared with them is a
// typing error.
var (
	Tasks = []string{"summarize", "classify", "extract", "translate", "rewrite", "rag_answer", "chat_qa", "write", "code", "maths", "reasoning"}
	Days  = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	// Health are the words for a deployment's or model's state.
	Health = []string{"up", "trial", "limited", "down"}
)

// Kind of a live value.
type Kind uint8

// The kinds of live values.
const (
	HealthOf     Kind = iota // health(NAME): one of Health
	QueueOf                  // queue(NAME): requests that wait for a place
	InFlightOf               // in_flight(NAME): requests under way
	FirstTokenOf             // first_token(NAME): recent 95th percentile, milliseconds
	SpendToday               // spend_today(SCOPE): US dollars
)

// functions are the live values by the name they are asked for by.
var functions = map[string]Kind{
	"health": HealthOf, "queue": QueueOf, "in_flight": InFlightOf, "first_token": FirstTokenOf, "spend_today": SpendToday,
}

// Scopes are whose money spend_today may be asked for.
var Scopes = []string{"workload", "key", "all"}

// Live is a value of the gateway's surroundings that a condition reads.
type Live struct {
	Kind   Kind
	Target string // a model, a deployment, or a scope
}

// String is the call as it is written.
func (l Live) String() string {
	for name, k := range functions {
		if k == l.Kind {
			return name + "(" + strconv.Quote(l.Target) + ")"
		}
	}
	return ""
}

// State reports a value that is a word, held in Values.States; the others are
// in Values.Numbers.
func (k Kind) State() bool { return k == HealthOf }

// index is the place of l among the values of its kind: words or numbers.
func (l Live) index(all []Live) int {
	n := 0
	for _, other := range all {
		if other == l {
			break
		}
		if other.Kind.State() == l.Kind.State() {
			n++
		}
	}
	return n
}

// grammar is the language of conditions, for its parser and checker.
func grammar() *conf.Config {
	c := conf.New(&Values{})
	c.Expect, c.MaxNodes = reflect.Bool, maxNodes
	for name := range c.Builtins {
		c.Disabled[name] = true
	}
	clear(c.Builtins)
	for name, kind := range functions {
		typ := reflect.TypeFor[func(string) float64]()
		if kind.State() {
			typ = reflect.TypeFor[func(string) string]()
		}
		c.Functions[name] = &builtin.Function{Name: name, Types: []reflect.Type{typ}}
	}
	return c
}

// Append appends the values of the variables and live values that c reads, as
// name=value, for people.
func (c *Condition) Append(b []byte, v *Values) []byte {
	sep := ""
	for _, name := range order {
		if !c.uses.Has(variables[name]) {
			continue
		}
		b = append(b, sep...)
		b = append(append(b, name...), '=')
		b = v.append(b, variables[name])
		sep = ", "
	}
	for _, l := range c.live {
		b = append(b, sep...)
		b = append(append(b, l.String()...), '=')
		if n := l.index(c.live); l.Kind.State() {
			b = append(b, v.States[n]...)
		} else {
			b = strconv.AppendFloat(b, v.Numbers[n], 'f', -1, 64)
		}
		sep = ", "
	}
	return b
}

func (v *Values) append(b []byte, s Set) []byte {
	fraction := func(f float64) []byte { return strconv.AppendFloat(b, f, 'f', 2, 64) }
	whole := func(n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
	text := func(t string) []byte {
		if t == "" {
			return append(b, '-')
		}
		return append(b, t...)
	}
	switch s {
	case Task:
		return text(v.Task)
	case Complexity:
		return fraction(v.Complexity)
	case Confidence:
		return fraction(v.Confidence)
	case Language:
		return text(v.Language)
	case PromptTokens:
		return whole(v.PromptTokens)
	case MaxTokens:
		return whole(v.MaxTokens)
	case Turns:
		return whole(v.Turns)
	case HasTools:
		return strconv.AppendBool(b, v.HasTools)
	case HasImages:
		return strconv.AppendBool(b, v.HasImages)
	case JSON:
		return strconv.AppendBool(b, v.JSON)
	case Stream:
		return strconv.AppendBool(b, v.Stream)
	case Key:
		return text(v.Key)
	case Tags:
		return text(strings.Join(v.Tags, "+"))
	case DataClass:
		return text(strings.Join(v.DataClass, "+"))
	case Hour:
		return whole(v.Hour)
	case Day:
		return text(v.Day)
	case Draw:
		return strconv.AppendFloat(b, v.Draw, 'f', 4, 64)
	}
	return b
}
