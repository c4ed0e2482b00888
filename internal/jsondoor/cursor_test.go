package jsondoor_test

import (
	"strings"
	"testing"

	"freehold/internal/jsondoor"
)

// walk reads a body with a cursor, and everything of its outer two levels by hand.
func walk(b []byte) bool {
	c := jsondoor.NewCursor(b)
	value(&c, 3)
	return c.Done()
}

func value(c *jsondoor.Cursor, depth int) {
	switch c.Peek() {
	case '{':
		if depth == 0 {
			c.Skip()
			return
		}
		c.Object()
		for {
			if _, ok := c.Member(); !ok {
				return
			}
			value(c, depth-1)
		}
	case '[':
		if depth == 0 {
			c.Skip()
			return
		}
		c.Array()
		for c.Element() {
			value(c, depth-1)
		}
	case '"':
		c.Text()
	case 'n':
		c.Null()
	case '7':
		c.Int()
	default:
		c.Skip()
	}
}

func TestCursor(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for in, want := range map[string]bool{
		` { "a" : [ 1 , "x\n" , { } , [ ] ] , "b" : null } `:         true,
		`{"a":{"b":{"c":{"d":[{"e":-1.5e3},true,false,null,"é"]}}}}`: true,
		`7`: true, `"x"`: true, `-1`: true, `70`: true, `"\ud800"`: true,
		``: false, `{`: false, `{"a"`: false, `{"a":`: false, `{"a":1`: false, `{"a":1,`: false, `{"a":1,}`: false, `{,}`: false,
		`[1,]`: false, `[,1]`: false, `[1 2]`: false, `{"a" 1}`: false, `{a:1}`: false, `{} {}`: false, `[`: false, `]`: false,
		`7.`: false, `07`: false, `nul`: false, `"x`: false, "\"\xff\"": false, "\uFEFF{}": false, `{"a":{"b":{"c":{"d":[}}}}`: false,
		deep(jsondoor.MaxDepth): true, deep(jsondoor.MaxDepth + 1): false,
		`{"a":` + deep(jsondoor.MaxDepth-1) + `}`: true, `{"a":` + deep(jsondoor.MaxDepth) + `}`: false,
	} {
		if got := walk([]byte(in)); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
	c := jsondoor.NewCursor([]byte(`{"n":41,"s":"a\tb","big":99999999999999999999}`))
	c.Object()
	c.Member()
	if n, ok := c.Int(); n != 41 || !ok {
		t.Errorf("%d %v", n, ok)
	}
	name, _ := c.Member()
	raw, escaped, ok := c.Text()
	if string(name) != "s" || !escaped || !ok || string(jsondoor.Unescape(nil, raw)) != "a\tb" {
		t.Errorf("%s %q %v %v", name, raw, escaped, ok)
	}
	c.Member()
	if _, ok := c.Int(); ok || !c.Failed() || c.Skip() || c.Element() || c.Object() || c.Done() {
		t.Error("a failed cursor goes on")
	}
}

// What a cursor reads, ParseLax accepts, and the other way round but for names
// with escapes.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"x\u00e9"}]}`, `{"a":1,}`, `[[[[[]]]]]`, "\"\xff\"", `{"\u0061":1}`, `7e`, ` [ 7 , "x" ] `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := walk(in)
		d, err := jsondoor.ParseLax(in, nil)
		if err == nil {
			d.Release()
		}
		if got && err != nil {
			t.Fatalf("%q: read, but ParseLax: %v", in, err)
		}
		if !got && err == nil && !strings.Contains(string(in), `\`) && !strings.Contains(string(in), "7") {
			t.Fatalf("%q: not read, but ParseLax accepts it", in)
		}
	})
}
