package sdk

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// said is an answer with what breaks naive readers of streams: characters of
// two to four bytes, and enough words to be cut anywhere.
const said = "Grüße, 世界! 👋🏽 one two three four five six seven eight nine ten eleven twelve"

// say orders the mock to answer said.
const say = "Answer.\nmock: say " + said

// pixel is a PNG of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// largeImage is pixel with three megabytes of text in it, as a chunk that
// readers skip.
func largeImage() string {
	png, err := base64.StdEncoding.DecodeString(pixel)
	if err != nil {
		panic(err)
	}
	text := append([]byte("tEXtComment\x00"), bytes.Repeat([]byte("x"), 3<<20)...)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(text)-4))
	chunk = append(chunk, text...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(text))
	end := len(png) - 12 // IEND is last
	return base64.StdEncoding.EncodeToString(slices.Concat(png[:end], chunk, png[end:]))
}

// person is a closed schema.
var person = object{
	"type": "object", "additionalProperties": false, "required": list{"name", "age"},
	"properties": object{"name": object{"type": "string"}, "age": object{"type": "integer"}},
}

// weather is the schema of a tool's arguments.
var weather = object{"type": "object", "properties": object{"city": object{"type": "string"}}, "required": list{"city"}}

func user(content any) object { return object{"role": "user", "content": content} }

// merged is a with the members of b.
func merged(a, b object) object {
	out := object{}
	for _, o := range []object{a, b} {
		for k, v := range o {
			out[k] = v
		}
	}
	return out
}

func (c *cell) equal(what string, got, want any) {
	c.Helper()
	if !reflect.DeepEqual(got, want) {
		c.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// that fails the check with a message if ok is false.
func (c *cell) that(ok bool, format string, args ...any) {
	c.Helper()
	if !ok {
		c.Errorf(format, args...)
	}
}

// sameJSON compares JSON by value.
func (c *cell) sameJSON(what, got, want string) {
	c.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		c.Errorf("%s: %q is not JSON: %v", what, got, err)
		return
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		c.Fatal(err)
	}
	c.equal(what, g, w)
}

// obeys checks an answer that must be a person.
func (c *cell) obeys(text string) {
	c.Helper()
	var p map[string]any
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		c.Errorf("the answer %q is not JSON: %v", text, err)
		return
	}
	_, name := p["name"].(string)
	_, age := p["age"].(float64)
	c.that(name && age && len(p) == 2, "the answer %s does not obey the schema", text)
}

// lastBody is the last request that the provider got.
func (c *cell) lastBody() string {
	c.Helper()
	for _, m := range c.mocks() {
		if r := m.Requests(); len(r) > 0 {
			return string(r[len(r)-1].Body)
		}
	}
	c.Fatal("the provider got no request")
	return ""
}

// raises checks the failure that an SDK must raise. class is the Python
// exception's name.
func (c *cell) raises(o outcome, status int, class string) *failure {
	c.Helper()
	if o.Error == nil {
		c.Fatalf("no failure: %s", shown(o))
	}
	f := o.Error
	c.that(f.Status == status, "status %d, want %d: %+v", f.Status, status, *f)
	c.that(!c.python || f.Class == class, "the SDK raised %s, want %s", f.Class, class)
	c.that(f.Type != "" && f.Type != "None" && f.Type != "null", "error.type is empty: %s", f.Body)
	c.that(f.Message != "", "error.message is empty: %s", f.Body)
	return f
}

// unsupported checks that a parameter which the provider cannot honour is
// refused by name.
func (c *cell) unsupported(o outcome, param string) {
	c.Helper()
	f := c.raises(o, 400, "BadRequestError")
	c.that(strings.Contains(f.Message+f.Param, param), "the refusal does not name %s: %+v", param, *f)
	c.equal("requests that reached the provider", c.primary.Stats().Requests, 0)
}

// unknownThere checks that a member which nobody documents reaches a provider of
// the client's dialect, and is refused by name where it cannot.
func (c *cell) unknownThere(dialect string, p object, ops ...string) {
	c.Helper()
	for _, op := range ops {
		o := c.step(step{Op: op, Params: p, Extra: object{"x_new_member": object{"deep": list{1, 2}}}})
		if c.provider != dialect {
			c.unsupported(o, "x_new_member")
			continue
		}
		c.that(o.Error == nil, "%s refused: %+v", op, o.Error)
		c.that(strings.Contains(c.lastBody(), "x_new_member"), "%s: the member did not reach the provider: %s", op, c.lastBody())
	}
}

// unknownBack checks that what a provider says beyond the documented comes back
// to a client of its dialect, but for cookies.
func (c *cell) unknownBack(o outcome) {
	c.Helper()
	for _, name := range []string{"x_new_member", "x_inner", "x_usage"} {
		c.that(strings.Contains(string(o.Raw), name), "%s is lost: %s", name, o.Raw)
	}
	rest := o.Headers["x-ratelimit-remaining-requests"] + o.Headers["anthropic-ratelimit-requests-remaining"]
	c.that(strings.Contains(rest, "41"), "the provider's rate limits are lost: %v", o.Headers)
	c.equal("set-cookie", o.Headers["set-cookie"], "")
}

// headersOf asks with headers and returns those that reached the provider, which
// must not have what is between client and freehold alone.
func (c *cell) headersOf(op string, p object, headers map[string]string) http.Header {
	c.Helper()
	if o := c.step(step{Op: op, Params: p, Headers: headers}); o.Error != nil {
		c.Fatalf("%s: %+v", op, *o.Error)
	}
	r := c.primary.Requests()
	h := r[len(r)-1].Header
	c.equal(op+" cookie", h.Get("Cookie"), "")
	c.that(!strings.Contains(fmt.Sprint(h), c.key), "%s: the client's key reached the provider", op)
	return h
}

// waits checks a refusal that says when to come again.
func (c *cell) waits(o outcome, seconds int) {
	c.Helper()
	f := o.Error
	c.that(f != nil && (f.Status == 429 || f.Status == 503), "%+v", f)
	c.that(f != nil && f.RetryAfter == strconv.Itoa(seconds), "Retry-After is lost: %+v", f)
}

// cut checks that a stream without its end raised and was given no finish.
func (c *cell) cut(text, finish string, o outcome) {
	c.Helper()
	c.that(o.Error != nil, "the SDK did not raise on a cut stream: %s", shown(o))
	c.that(finish == "", "a finish was made up: %q", finish)
	c.that(strings.HasPrefix(said, text), "the text %q is not the beginning of the answer", text)
}

func shown(o outcome) string { return fmt.Sprintf("%.600s", fmt.Sprintf("%+v", o)) }
