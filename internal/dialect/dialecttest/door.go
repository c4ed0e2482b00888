package dialecttest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

// door checks what must never get in, made from every accepted body.
func door(t *testing.T, c dialect.Codec, f Fixtures) {
	for _, s := range f.Requests {
		t.Run(s.Name, func(t *testing.T) {
			body, err := c.Read(s.Op, s.Data)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			body.Release()
			for name, bad := range mutilate(s.Op, s.Data) {
				refused(t, c, Refusal{Name: name, Body: string(bad), Op: s.Op})
			}
			whole := bytes.TrimSpace(s.Data)
			for n := range whole {
				refused(t, c, Refusal{Name: "truncated", Body: string(whole[:n]), Op: s.Op})
			}
		})
	}
	for _, r := range f.Refused {
		t.Run(r.Name, func(t *testing.T) { refused(t, c, r) })
	}
}

// mutilate returns what the door refuses in any dialect: s is an object with a
// member "model" of string type.
func mutilate(op llm.Operation, s []byte) map[string][]byte {
	s = bytes.TrimSpace(s)
	inside := string(s[1:])
	object := func(first string) []byte { return []byte("{" + first + "," + inside) }
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	out := map[string][]byte{
		"duplicate":              object(`"model":"x"`),
		"duplicate, escaped":     object(`"mod\u0065l":"x"`),
		"duplicate in the depth": object(`"zz":[{"a":{"b":1,"b":1}}]`),
		"case variant":           object(`"Model":"x"`),
		"invalid UTF-8":          object(`"zz":"` + "\xff" + `"`),
		"half a surrogate pair":  object(`"zz":"\ud83d"`),
		"absurd depth":           object(`"zz":` + deep),
		"byte order mark":        append([]byte("\uFEFF"), s...),
		"trailing data":          append(bytes.Clone(s), `{}`...),
		"trailing bracket":       append(bytes.Clone(s), '}'),
		"an array":               append(append([]byte("["), s...), ']'),
		"a control character":    object("\"zz\":\"\x01\""),
		"single quotes":          object(`'zz':1`),
		"NaN":                    object(`"zz":NaN`),
	}
	if op == llm.Chat || op == llm.Completion {
		out["case variant of another"] = object(`"STREAM":true`)
		out["Unicode case variant"] = object(`"ſtream":true`)
	}
	return out
}

func refused(t *testing.T, c dialect.Codec, r Refusal) {
	t.Helper()
	b, err := c.Read(r.Op, []byte(r.Body))
	if err == nil {
		b.Release()
		t.Errorf("%s: accepted: %s", r.Name, clip(r.Body))
		return
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Errorf("%s: not a fault: %v", r.Name, err)
		return
	}
	if f.Kind != fault.BadRequest && f.Kind != fault.Unsupported || f.HTTPStatus() != 400 || f.Message == "" {
		t.Errorf("%s: %d %s %q", r.Name, f.HTTPStatus(), f.Kind, f.Message)
	}
	if r.Param != "" && f.Param != r.Param {
		t.Errorf("%s: param %q, want %q (%v)", r.Name, f.Param, r.Param, f)
	}
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}
