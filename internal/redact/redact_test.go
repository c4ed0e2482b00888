package redact_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"freehold/internal/detect"
	"freehold/internal/redact"
)

func set(t testing.TB) *detect.Set {
	t.Helper()
	s, err := detect.Compile([]detect.Rule{
		{Kinds: []string{"email", "card", "credential"}, Patterns: map[string]string{"case-number": `AZ-\d+"?`}},
		{Kinds: []string{"iban"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJSON(t *testing.T) {
	s := set(t)
	for _, c := range []struct{ text, want string }{
		{`{"a":"bob@x.de and anna@x.de, bob@x.de"}`, `{"a":"[EMAIL_1] and [EMAIL_2], [EMAIL_1]"}`},
		{`{"a":"[EMAIL_1] is bob@x.de"}`, `{"a":"[EMAIL_1] is [EMAIL_2]"}`},
		{`{"n":4111111111111111,"s":"4111 1111 1111 1111"}`, `{"n":"[CARD_1]","s":"[CARD_2]"}`},
		{`{"arguments":"{\"to\":\"bob@x.de\"}","bob@x.de":"AZ-12\" x"}`, `{"arguments":"{\"to\":\"[EMAIL_1]\"}","[EMAIL_1]":"[CASE_NUMBER_1] x"}`},
		{`{"password":"hunter2!X","b":"it is hunter2!X, not xhunter2!X"}`, `{"password":"[CREDENTIAL_1]","b":"it is [CREDENTIAL_1], not xhunter2!X"}`},
		{`{"iban":"DE89370400440532013000"}`, `{"iban":"DE89370400440532013000"}`}, // another detector's
		{`{"a":"\u0062ob@x.de"}`, `{"a":"[EMAIL_1]"}`},
		{`{"a":"[EMAIL\u005f1] [EMAIL\\_2] bob@x.de"}`, `{"a":"[EMAIL\u005f1] [EMAIL\\_2] [EMAIL_3]"}`},
		{`{"n":-4111111111111111}`, `{"n":"[CARD_1]"}`},
		// What stands again is found however it is written, and with what was found in it.
		{`{"password":"hunter2!X&7","b":"hunter2!X\u00267","c":"{\"p\":\"hunter2!X\\u00267\"}"}`, `{"password":"[CREDENTIAL_1]","b":"[CREDENTIAL_1]","c":"{\"p\":\"[CREDENTIAL_1]\"}"}`},
		{`{"password":"!bob@x.de!1A","b":"it is !bob@x.de!1A."}`, `{"password":"[CREDENTIAL_1]","b":"it is [CREDENTIAL_1]."}`},
	} {
		n := redact.New(s, 1)
		got, err := n.JSON([]byte(c.text), s.JSON([]byte(c.text)))
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.text, got, err, c.want)
		}
	}
}

// The placeholders of a conversation stay the same while it grows.
func TestStable(t *testing.T) {
	s := set(t)
	first, later := `["bob@x.de","anna@x.de"`, `["bob@x.de","anna@x.de","carl@x.de, anna@x.de"`
	var out []string
	for _, text := range []string{first + `]`, later + `]`} {
		n := redact.New(s, 1)
		got, err := n.JSON([]byte(text), s.JSON([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(string(got), "]"))
	}
	if !strings.HasPrefix(out[1], out[0]) {
		t.Errorf("%s, then %s", out[0], out[1])
	}
	// The messages grow, whatever stands behind them.
	for text, want := range map[string]string{
		`{"messages":["bob@x.de"],"system":"anna@x.de"}`:                                              `{"messages":["[EMAIL_2]"],"system":"[EMAIL_1]"}`,
		`{"messages":["bob@x.de",{"messages":"carl@x.de"}],"system":"anna@x.de, bob@x.de"}`:           `{"messages":["[EMAIL_2]",{"messages":"[EMAIL_3]"}],"system":"[EMAIL_1], [EMAIL_2]"}`,
		`{"x":"messages","m":{"messages":["bob@x.de"]},"messages" : ["carl@x.de"],"b":["anna@x.de"]}`: `{"x":"messages","m":{"messages":["[EMAIL_1]"]},"messages" : ["[EMAIL_3]"],"b":["[EMAIL_2]"]}`,
	} {
		n := redact.New(s, 1)
		got, err := n.JSON([]byte(text), s.JSON([]byte(text)))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

// What was replaced comes back, whatever the pieces in which an answer comes.
func TestRestore(t *testing.T) {
	s := set(t)
	text := `{"a":"bob@x.de","b":"AZ-12\"","c":"[EMAIL_7]"}`
	n := redact.New(s, 1)
	if _, err := n.JSON([]byte(text), s.JSON([]byte(text))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer, want string
		json         bool
	}{
		{"mail [EMAIL_1].", "mail bob@x.de.", false},
		{`[EMAIL\_1]`, "bob@x.de", false},
		{"[[EMAIL_1]]", "[bob@x.de]", false},
		{"[EMAIL_1", "[EMAIL_1", false},
		{"[EMAIL_2] [EMAIL_7] [email_1] [x] [", "[EMAIL_2] [EMAIL_7] [email_1] [x] [", false},
		{`{"case":"[CASE_NUMBER_1]"}`, `{"case":"AZ-12\""}`, true},
		{"[CASE_NUMBER_1]", `AZ-12"`, false},
		{"[" + strings.Repeat("A", 500) + "[EMAIL_1]", "[" + strings.Repeat("A", 500) + "bob@x.de", false},
	} {
		if got := n.Restore(c.answer, c.json); got != c.want {
			t.Errorf("%s: %s, want %s", c.answer, got, c.want)
		}
		rapid.Check(t, func(t *rapid.T) {
			stream := redact.Stream{Names: n, JSON: c.json}
			var b strings.Builder
			for rest := c.answer; rest != ""; {
				k := rapid.IntRange(1, min(len(rest), 9)).Draw(t, "piece")
				b.WriteString(stream.Push(rest[:k]))
				rest = rest[k:]
			}
			b.WriteString(stream.Rest())
			if b.String() != c.want {
				t.Fatalf("%s in pieces: %s", c.answer, b.String())
			}
		})
	}
}

// A value in JSON within JSON is what it stands for, not how it is written there.
func TestNested(t *testing.T) {
	s := set(t)
	text := `{"arguments":"{\"about\":\"AZ-12\\\"\"}","b":"AZ-12\""}`
	n := redact.New(s, 1)
	out, err := n.JSON([]byte(text), s.JSON([]byte(text)))
	if want := `{"arguments":"{\"about\":\"[CASE_NUMBER_1]\"}","b":"[CASE_NUMBER_1]"}`; err != nil || string(out) != want {
		t.Errorf("%s, %v", out, err)
	}
	if got := n.Restore(`{"about":"[CASE_NUMBER_1]"}`, true); got != `{"about":"AZ-12\""}` {
		t.Errorf("arguments: %s", got)
	}
	if got := n.Restore("[CASE_NUMBER_1]", false); got != `AZ-12"` {
		t.Errorf("text: %s", got)
	}
}

// What takes a part of the JSON within a string with it cannot be replaced.
func TestNestedIsNotBroken(t *testing.T) {
	s := set(t)
	for text, ok := range map[string]bool{
		`{"arguments":"{\"about\":\"AZ-12\"}"}`:            false, // the pattern takes the quote
		`{"arguments":"{\"about\":\"AZ-12.\"}"}`:           true,
		`{"arguments":" \n[\"bob@x.de\", {\"a\":\"x\"}]"}`: true,
		`{"text":"{AZ-12\" is no JSON"}`:                   true,
	} {
		n := redact.New(s, 1)
		if out, err := n.JSON([]byte(text), s.JSON([]byte(text))); (err == nil) != ok {
			t.Errorf("%s: %s, %v", text, out, err)
		}
	}
}

func TestText(t *testing.T) {
	s := set(t)
	text := `{"password":"hunter2!X","a":"bob@x.de"}`
	n := redact.New(s, 1)
	if _, err := n.JSON([]byte(text), s.JSON([]byte(text))); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Shown([]byte(`{"a":"hunter2!X\u0026, xhunter2!Xs","n":1}`), nil); err != nil || string(got) != `{"a":"[CREDENTIAL_1]\u0026, x[CREDENTIAL_1]s","n":1}` {
		t.Errorf("shown: %s, %v", got, err)
	}
	got, err := n.Text("hunter2!X, bob@x.de and eve@x.de")
	if want := "[CREDENTIAL_1], [EMAIL_1] and [EMAIL_2]"; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if back := n.Restore(got, false); back != "hunter2!X, bob@x.de and eve@x.de" {
		t.Errorf("back: %s", back)
	}
}

// Whatever the values, a redacted body is JSON, holds none of them, and is the
// body again when it is restored.
func TestRoundTrip(t *testing.T) {
	s := set(t)
	pieces := []string{"bob@x.de", "anna@müller.example", "4111 1111 1111 1111", "AZ-77\"", "password: tr0ub4dor&3", "[EMAIL_1]", "plain", "\n", "\\", "\"", "日本", "bob＠x.de", "\u200b"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8), func(p []string) string { return strings.Join(p, " ") })
		body := map[string]any{"m": rapid.SliceOfN(text, 1, 4).Draw(t, "texts"), "n": 4111111111111111}
		inner, err := json.Marshal(map[string]string{"x": text.Draw(t, "inner")})
		if err != nil {
			t.Fatal(err)
		}
		body["arguments"] = string(inner)
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		n := redact.New(s, 1)
		out, err := n.JSON(raw, s.JSON(raw))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"bob@x.de", "anna@müller.example", "4111 1111 1111 1111", "tr0ub4dor&3", "bob＠x.de", "AZ-77"} {
			if strings.Contains(string(out), v) {
				t.Fatalf("%s is in %s", v, out)
			}
		}
		var was, is any
		if err := json.Unmarshal(raw, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &is); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := restored(n, is); !reflect.DeepEqual(got, restored(n, was)) {
			t.Fatalf("%v, was %v", got, was)
		}
	})
}

// restored is a JSON value with what placeholders stand for; numbers as texts,
// as they come back.
func restored(n *redact.Names, v any) any {
	switch v := v.(type) {
	case string: // arguments of tool calls are JSON
		var inner any
		if !strings.HasPrefix(v, "{") {
			return n.Restore(v, false)
		} else if err := json.Unmarshal([]byte(n.Restore(v, true)), &inner); err != nil {
			return err.Error()
		}
		return inner
	case float64:
		return "4111111111111111"
	case []any:
		for i := range v {
			v[i] = restored(n, v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = restored(n, v[k])
		}
		return v
	}
	return v
}

// FuzzJSON: whatever JSON is redacted is JSON, has nothing left of what was found,
// and is what it was when it is restored.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":"bob@x.de [EMAIL_1] bob@x.de"}`, `[4111111111111111,-4111111111111111,"4111 1111 1111 1111"]`,
		`{"arguments":"{\"password\":\"hun\\\"ter2!X\",\"x\":[\"bob@x.de\"]}","b":"hun\"ter2!X"}`,
		`{"bob@x.de":"AZ-12\"","p":"password: !bob@x.de!1A","q":"!bob@x.de!1A"}`, `"\u0062ob\u0040x.de ＡＺ-1"`, `"AZ-1\\"`,
	} {
		f.Add(text)
	}
	s := set(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) || strings.Contains(strings.ToLower(text), `\ud`) {
			return // refused at the door, or half of a character
		}
		n := redact.New(s, 1)
		hits := s.JSON([]byte(text))
		out, err := n.JSON([]byte(text), hits)
		if err != nil {
			return // refused
		}
		if len(hits) == 0 && string(out) != text {
			t.Fatalf("nothing is found in %s: %s", text, out)
		}
		was, err := parsed(text)
		if err != nil {
			t.Fatal(err)
		}
		is, err := parsed(string(out))
		if err != nil {
			t.Fatalf("%s: %v: %s", text, err, out)
		}
		if !same(n, was, is) {
			t.Fatalf("%s is redacted as %s", text, out)
		}
		for _, h := range hits {
			if h.Rules&1 == 0 {
				continue
			}
			if found := text[h.Start:h.End]; len(found) > 12 && bytes.Contains(out, []byte(" "+found+" ")) {
				t.Fatalf("%s is left: %s", found, out)
			}
		}
		again, err := n.JSON(out, s.JSON(out))
		if err != nil || !json.Valid(again) {
			t.Fatalf("redacted again: %s, %v", again, err)
		}
	})
}

// parsed reads JSON, numbers as they are written.
func parsed(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// same reports that is, restored, means what was was. Numbers come as texts.
func same(n *redact.Names, was, is any) bool {
	switch w := was.(type) {
	case map[string]any:
		i, ok := is.(map[string]any)
		if !ok || len(i) != len(w) {
			return false
		}
		for k, v := range i {
			of, ok := w[n.Restore(k, false)]
			if !ok {
				of, ok = w[n.Restore(k, true)] // a name that is JSON
			}
			if !ok || !same(n, of, v) {
				return false
			}
		}
		return true
	case []any:
		i, ok := is.([]any)
		return ok && len(i) == len(w) && !slices.ContainsFunc(w, func(v any) bool {
			one := i[0]
			i = i[1:]
			return !same(n, v, one)
		})
	case string:
		i, ok := is.(string)
		if !ok || n.Restore(i, false) == w {
			return ok
		}
		inner, err := parsed(w)
		now, err2 := parsed(n.Restore(i, true))
		return err == nil && err2 == nil && reflect.DeepEqual(inner, now)
	}
	if s, ok := is.(string); ok { // a number, or a word of JSON
		now, err := parsed(n.Restore(s, false))
		return err == nil && reflect.DeepEqual(now, was)
	}
	return reflect.DeepEqual(was, is)
}

func FuzzRestore(f *testing.F) {
	f.Add("x [EMAIL_1] [EMAIL\\_1", 3, true)
	s := set(f)
	text := `{"a":"bob@x.de"}`
	f.Fuzz(func(t *testing.T, answer string, piece int, json bool) {
		n := redact.New(s, 1)
		if _, err := n.JSON([]byte(text), s.JSON([]byte(text))); err != nil {
			t.Fatal(err)
		}
		whole := n.Restore(answer, json)
		stream := redact.Stream{Names: n, JSON: json}
		var b strings.Builder
		for rest := answer; rest != ""; {
			k := min(len(rest), 1+max(piece, -piece, 0)%7)
			b.WriteString(stream.Push(rest[:k]))
			rest = rest[k:]
		}
		b.WriteString(stream.Rest())
		if b.String() != whole {
			t.Fatalf("%q in pieces %q", whole, b.String())
		}
	})
}
