package jsondoor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"freehold/internal/jsondoor"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var schema = jsondoor.ObjectOf(jsondoor.Fields{
	"model": nil, "stream": nil, "temperature": nil, "metadata": nil,
	"messages": jsondoor.ArrayOf(jsondoor.ObjectOf(jsondoor.Fields{
		"role": nil,
		"content": jsondoor.ArrayOf(jsondoor.ObjectOf(jsondoor.Fields{
			"type": nil, "text": nil,
		})),
	})),
	"tool_choice": jsondoor.ObjectOf(jsondoor.Fields{"type": nil}),
	"inputSchema": nil,
})

func TestRefusals(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	many := func(last string) string {
		var b strings.Builder
		b.WriteString(`{"metadata":{`)
		for i := range 100 {
			fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		}
		return b.String() + `"` + last + `":1}}`
	}
	for _, c := range []struct {
		name, in string
		want     jsondoor.Reason
		where    string
	}{
		{"empty", ``, jsondoor.Truncated, "1:1"},
		{"white space", " \n ", jsondoor.Truncated, "2:2"},
		{"object cut", `{"model":"a"`, jsondoor.Truncated, "1:13"},
		{"string cut", `{"model":"a`, jsondoor.Truncated, "model 1:12"},
		{"character cut", "{\"model\":\"\xe6\xbc", jsondoor.Truncated, "model 1:13"},
		{"trailing", `{} {}`, jsondoor.Trailing, "1:4"},
		{"trailing bracket", `{}]`, jsondoor.Trailing, "1:3"},
		{"mark", "\uFEFF{}", jsondoor.Mark, "1:1"},
		{"trailing comma", `{"model":1,}`, jsondoor.Syntax, "1:12"},
		{"trailing comma in array", `{"messages":[1,]}`, jsondoor.Syntax, "messages[1] 1:16"},
		{"single quotes", `{'model':1}`, jsondoor.Syntax, "1:2"},
		{"comment", `{/**/}`, jsondoor.Syntax, "1:2"},
		{"leading zero", `{"temperature":01}`, jsondoor.Syntax, "1:17"},
		{"NaN", `{"temperature":NaN}`, jsondoor.Syntax, "temperature 1:16"},
		{"control character", "{\"model\":\"a\nb\"}", jsondoor.Syntax, "model 1:12"},
		{"bad escape", `{"model":"\x"}`, jsondoor.Syntax, "model 1:12"},
		{"invalid UTF-8", "{\"model\":\"a\xff\"}", jsondoor.Encoding, "model 1:12"},
		{"overlong", "{\"model\":\"\xc0\xaf\"}", jsondoor.Encoding, "model 1:11"},
		{"surrogate in UTF-8", "{\"model\":\"\xed\xa0\x80\"}", jsondoor.Encoding, "model 1:11"},
		{"lone surrogate", `{"model":"\ud800"}`, jsondoor.Surrogate, "model 1:11"},
		{"low surrogate first", `{"model":"\udc00\ud800"}`, jsondoor.Surrogate, "model 1:11"},
		{"duplicate", `{"model":"a","model":"b"}`, jsondoor.Duplicate, "model 1:14"},
		{"duplicate, escaped", `{"metadata":{"a":1,"\u0061":2}}`, jsondoor.Duplicate, "metadata.* 1:20"},
		{"duplicate, deep", `{"messages":[{"content":[{"x":[{"q":1,"q":1}]}]}]}`, jsondoor.Duplicate, "messages[0].content[0].*[0].* 1:39"},
		{"duplicate of many", many("k7"), jsondoor.Duplicate, ""},
		{"duplicate of many, escaped", many(`k\u0037`), jsondoor.Duplicate, ""},
		{"case variant", `{"Model":"a"}`, jsondoor.Variant, "* 1:2"},
		{"case variant beside", `{"model":"a","MODEL":"a"}`, jsondoor.Variant, "* 1:14"},
		{"escaped name", `{"mode\u006c":"a"}`, jsondoor.Variant, "* 1:2"},
		{"Unicode folding", `{"meſſages":[]}`, jsondoor.Variant, "* 1:2"},
		{"escaped Unicode folding", `{"me\u017f\u017fages":[]}`, jsondoor.Variant, "* 1:2"},
		{"nested case variant", `{"messages":[{"Role":"x"}]}`, jsondoor.Variant, "messages[0].* 1:15"},
		{"variant of camel case", `{"inputschema":1}`, jsondoor.Variant, "* 1:2"},
		{"deep", nest(129), jsondoor.TooDeep, ""},
		{"deep in the protocol", `{"metadata":` + nest(128) + `}`, jsondoor.TooDeep, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := jsondoor.Parse([]byte(c.in), schema)
			var e *jsondoor.Error
			if !errors.As(err, &e) {
				t.Fatalf("accepted: %v, %v", d, err)
			}
			got := strings.TrimSpace(fmt.Sprintf("%s %d:%d", e.Path, e.Line, e.Column))
			if e.Reason != c.want || c.where != "" && got != c.where {
				t.Errorf("%q at %q, want %q at %q", e.Reason, got, c.want, c.where)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, in := range []string{
		`{}`, ` [ ] `, `null`, `-0.5e+10`, `"\ud83d\ude00\"\\\/\b\f\n\r\t"`,
		`{"metadata":{"Model":1,"model":2,"MODEL":3}}`, // not the protocol's
		`{"unknown":1,"other":2}`, `{"max tokens":1}`,
		`{"tool_choice":"auto"}`, `{"tool_choice":{"type":"auto"}}`,
		strings.Repeat("[", 128) + strings.Repeat("]", 128),
	} {
		d, err := jsondoor.Parse([]byte(in), schema)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		d.Release()
	}
	for _, in := range []string{`{"model":1,"Model":2,"model":3}`, `"\ud800x\udc00"`} {
		d, err := jsondoor.ParseLax([]byte(in), schema)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		d.Release()
	}
}

func TestErrorHidesTheBody(t *testing.T) {
	for _, in := range []string{`{"metadata":{"s3cret":{"s3cret":s3cret}}}`, `{"s3cret":{"s3cret":1,"s3cret":2}}`, `{"model":"s3cret`} {
		if _, err := jsondoor.Parse([]byte(in), schema); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
}

func TestValues(t *testing.T) {
	in := `{"model":"a\u00e9\n","stream":true,"temperature":0.5,"messages":[{"role":"user","content":"hi"},{"content":[{"type":"text","text":""}]}],"x":12,"metadata":{"a":1},"n":null}`
	d, err := jsondoor.Parse([]byte(in), schema)
	if err != nil {
		t.Fatal(err)
	}
	r := d.Root()
	messages := r.Get("messages")
	x, _ := r.Get("x").Int()
	f, _ := r.Get("temperature").Float()
	b, ok := r.Get("stream").Bool()
	got := fmt.Sprintf("%q %v %v %v %v %d %q %v %d %v %v %v", r.Get("model").Text(), b, ok, f, x, messages.Len(),
		messages.First().Get("content").Text(), messages.First().Next().Get("content").First().Get("type").Is("text"),
		r.Get("metadata").Len(), r.Get("n").Exists(), r.Get("n").Present(), r.Get("absent").Get("more").First().Kind())
	want := `"aé\n" true true 0.5 12 2 "hi" true 0 true false nothing`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	d.Release()

	d, err = jsondoor.ParseLax([]byte(`{"model":"a","mod\u0065l":"b\ud800"}`), schema)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Root().Get("model").Text(); got != "b\uFFFD" {
		t.Errorf("last of duplicates: %q", got)
	}
	d.Release()
}

func TestInt(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0 true", "-0": "0 true", "12": "12 true", "-7": "-7 true",
		"9223372036854775807": "9223372036854775807 true", "-9223372036854775808": "-9223372036854775808 true",
		"9223372036854775808": "0 false", "-9223372036854775809": "0 false", "18446744073709551616": "0 false",
		"92233720368547758070": "0 false", "1.0": "0 false", "1e3": "0 false", `"1"`: "0 false",
	} {
		d, err := jsondoor.Parse([]byte(in), nil)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := d.Root().Int()
		if got := fmt.Sprint(n, ok); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		d.Release()
	}
}

func TestPatch(t *testing.T) {
	for _, c := range []struct {
		in   string
		do   func(p *jsondoor.Patch, r jsondoor.Value)
		want string
	}{
		{`{ "model" : "a", "x":1 }`, func(p *jsondoor.Patch, r jsondoor.Value) { p.Set(r, "model", []byte(`"b"`)) }, `{ "model" : "b", "x":1 }`},
		{`{"x":1}`, func(p *jsondoor.Patch, r jsondoor.Value) { p.Set(r, "model", []byte(`"b"`)) }, `{"x":1,"model":"b"}`},
		{`{ }`, func(p *jsondoor.Patch, r jsondoor.Value) {
			p.Set(r, "model", []byte(`"b"`))
			p.Set(r, "n", []byte(`2`))
		}, `{"model":"b","n":2 }`},
		{`{"a":1, "b":2, "c":3}`, func(p *jsondoor.Patch, r jsondoor.Value) { p.Delete(r.Get("a")) }, `{"b":2, "c":3}`},
		{`{"a":1, "b":2, "c":3}`, func(p *jsondoor.Patch, r jsondoor.Value) { p.Delete(r.Get("c")) }, `{"a":1, "b":2}`},
		{`{"a":1, "b":2, "c":3}`, func(p *jsondoor.Patch, r jsondoor.Value) { p.Delete(r.Get("b")); p.Delete(r.Get("c")) }, `{"a":1}`},
		{`{"a":1, "b":2, "c":3}`, func(p *jsondoor.Patch, r jsondoor.Value) {
			for m := r.First(); m.Exists(); m = m.Next() {
				p.Delete(m)
			}
			p.Insert(r, "d", []byte("4"))
		}, `{"d":4}`},
		{`{"a":1, "b":2}`, func(p *jsondoor.Patch, r jsondoor.Value) {
			p.Rename(r.Get("a"), "z")
			p.Replace(r.Get("a"), []byte("7"))
		}, `{"z":7, "b":2}`},
		{`{"messages":[{"role":"user","content":"x"},{"role":"a"}]}`, func(p *jsondoor.Patch, r jsondoor.Value) {
			m := r.Get("messages")
			p.Delete(m.First().Get("content"))
			p.Delete(m.First().Next())
		}, `{"messages":[{"role":"user"}]}`},
	} {
		d, err := jsondoor.Parse([]byte(c.in), schema)
		if err != nil {
			t.Fatal(err)
		}
		p := d.Patch()
		c.do(p, d.Root())
		if got := string(p.Bytes()); got != c.want {
			t.Errorf("%s: got %s, want %s", c.in, got, c.want)
		}
		d.Release()
	}
}

// Whatever is changed, the result is valid and holds just what it should.
func TestPatchProperty(t *testing.T) {
	flat := jsondoor.ObjectOf(jsondoor.Fields{"model": nil})
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), 0, 6, rapid.ID).Draw(t, "names")
		space := rapid.SampledFrom([]string{"", " ", "\n\t"})
		want := map[string]int{}
		in := "{" + space.Draw(t, "s")
		for i, n := range names {
			if i > 0 {
				in += "," + space.Draw(t, "s")
			}
			in += fmt.Sprintf("%q%s:%d%s", n, space.Draw(t, "s"), i, space.Draw(t, "s"))
			want[n] = i
		}
		d, err := jsondoor.Parse([]byte(in+"}"), flat)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Release()
		p := d.Patch()
		for _, n := range names {
			v := d.Root().Get(n)
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0:
				p.Delete(v)
				delete(want, n)
			case 1:
				p.Replace(v, []byte("99"))
				want[n] = 99
			case 2:
				p.Rename(v, n+"-new")
				want[n+"-new"] = want[n]
				delete(want, n)
			}
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "inserts") {
			n := fmt.Sprint("new", i)
			p.Insert(d.Root(), n, []byte("5"))
			want[n] = 5
		}
		out := p.Bytes()
		got := map[string]int{}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s -> %s: %v", in, out, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s -> %s: %s", in, out, diff)
		}
	})
}

func TestWriter(t *testing.T) {
	var w jsondoor.Writer
	w.Object().Key("a").Array().Int(1).Float(0.1).Float(1e30).Bool(true).Null().EndArray()
	w.Key("b").String("x\"\\\n\x01é\xff").Key("c").Object().EndObject().Key("d").Raw([]byte(`[1]`)).EndObject()
	want := `{"a":[1,0.1,1e+30,true,null],"b":"x\"\\\n\u0001é` + "\uFFFD" + `","c":{},"d":[1]}`
	if got := string(w.Buf); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStringRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		for _, in := range [][]byte{jsondoor.Quote(s), mustMarshal(s)} {
			d, err := jsondoor.Parse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Root().Text(); got != s {
				t.Fatalf("%q, want %q", got, s)
			}
			if !d.Root().Is(s) {
				t.Fatal("not itself")
			}
			d.Release()
		}
	})
}

func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// judge is what jsontext says of a body, with our depth limit.
func judge(in []byte) error {
	if bytes.HasPrefix(in, []byte("\uFEFF")) {
		return errors.New("byte order mark")
	}
	dec := jsontext.NewDecoder(bytes.NewReader(in))
	for {
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		if dec.StackDepth() > jsondoor.MaxDepth {
			return errors.New("too deep")
		}
		if dec.StackDepth() == 0 {
			break
		}
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return errors.New("trailing data")
	}
	return nil
}

func FuzzAgainstJSONText(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"\u0061":2}`, `{"model":"x","messages":[{"role":"user","content":"\ud83d\ude00"}]}`, `[1,2.5e-3,-0,true,false,null,""]`,
		`{"a":{"a":{"a":[]}}}`, "\"\xff\"", `"\ud800"`, `"\ud800\u0041"`, `{"a" : "long string with enough text for words" , "b":"\\"}`, "01", "1.", "-", `{"":0,"":1}`, "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want := judge(in)
		d, got := jsondoor.Parse(in, jsondoor.Everything)
		if (got == nil) != (want == nil) {
			t.Fatalf("%q: %v, but jsontext: %v", in, got, want)
		}
		if got == nil {
			check(t, d.Root())
			d.Release()
		}
		if d, err := jsondoor.Parse(in, nil); (err == nil) != (want == nil) {
			t.Fatalf("%q without a schema: %v", in, err)
		} else if err == nil {
			d.Release()
		}
		if d, err := jsondoor.ParseLax(in, jsondoor.Everything); err == nil {
			if !json.Valid(in) {
				t.Fatalf("%q: lax accepted what is not JSON", in)
			}
			d.Release()
		} else if want == nil {
			t.Fatalf("%q: lax refused: %v", in, err)
		}
	})
}

// check compares the remembered values with those of encoding/json.
func check(t *testing.T, v jsondoor.Value) {
	t.Helper()
	var want any
	if err := json.Unmarshal(v.Raw(), &want); err != nil {
		return // a number out of range
	}
	switch want := want.(type) {
	case string:
		if v.Text() != want || string(v.Bytes()) != want || string(v.AppendText(nil)) != want {
			t.Fatalf("string %q, want %q", v.Text(), want)
		}
	case []any:
		if v.Len() != len(want) {
			t.Fatalf("%d elements, want %d", v.Len(), len(want))
		}
	case map[string]any:
		if v.Len() != len(want) {
			t.Fatalf("%d members, want %d", v.Len(), len(want))
		}
		for k := range want {
			if !v.Get(k).Exists() {
				t.Fatalf("member %q missing", k)
			}
		}
	}
	for c := v.First(); c.Exists(); c = c.Next() {
		check(t, c)
	}
}

func chat(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"support-chat","stream":true,"temperature":0.2,"metadata":{"app":"x"},"messages":[{"role":"system","content":"You are helpful."}`)
	for b.Len() < size-600 {
		b.WriteString(`,{"role":"user","content":"`)
		b.WriteString(strings.Repeat("The quick brown fox jumps over the lazy dog. ", 12))
		b.WriteString(`\nNext line."}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	chunk := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}]}`)
	for _, c := range []struct {
		name string
		body []byte
	}{{"chunk", chunk}, {"1KB", chat(1000)}, {"40KB", chat(40_000)}, {"40KB-one", []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 40_000) + `"}]}`)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				d, err := jsondoor.Parse(c.body, schema)
				if err != nil {
					b.Fatal(err)
				}
				d.Release()
			}
		})
	}
}

// TestAppendEnds: the ends of a long text are whole characters, and cut no escape.
func TestAppendEnds(t *testing.T) {
	long := strings.Repeat("ab ", 400)
	for name, c := range map[string]struct {
		raw  string
		n    int
		want string
	}{
		"short":     {`"a\nb"`, 100, "a\nb"},
		"no string": {`7`, 100, ""},
		"long":      {`"` + long + `"`, 30, long[:30] + "\n" + long[1170:]},
		"umlauts":   {`"` + strings.Repeat("ä", 1000) + `"`, 101, strings.Repeat("ä", 50) + "\n" + strings.Repeat("ä", 51)},
		"escapes":   {`"` + strings.Repeat(`\ud83d\ude00`, 500) + `"`, 100, strings.Repeat("😀", 500)},
		"an escape where the cut would be": {`"` + strings.Repeat("x", 95) + `\u00e4` + strings.Repeat("y", 1000) + `"`, 98,
			strings.Repeat("x", 95) + "\n" + strings.Repeat("y", 98)},
	} {
		d, err := jsondoor.Parse([]byte(c.raw), jsondoor.Everything)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.Root().AppendEnds([]byte("<"), c.n)); got != "<"+c.want {
			t.Errorf("%s: %d bytes %.200q, want %d bytes %.200q", name, len(got)-1, got, len(c.want), c.want)
		}
	}
}
