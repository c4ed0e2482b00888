package detect_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"freehold/internal/detect"
)

// Whatever the text, hits lie in it and in order, begin and end between
// characters, and in JSON within one string or number.
func FuzzFind(f *testing.F) {
	f.Add(`{"a":"bob@x.de +49 30 901820","b":["4111 1111 1111 1111",12345678]}`)
	f.Add(`{"arguments":"{\"mail\":\"\\u0062ob@x.de\\n\"}","p":"password=hunter2!X"}`)
	f.Add("-----BEGIN PRIVATE KEY-----\x00-----END eyJhbGciOiJIUzI1NiJ9.eyJ.sk-sk-sk- 0171/1234567 ＋49")
	f.Add(strings.Repeat("eyJaaaaaaaaa.", 20) + strings.Repeat("token=", 20))
	s, err := detect.Compile([]detect.Rule{{Kinds: detect.Kinds(), Patterns: map[string]string{"x": `[^a-z]{3}`}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		check := func(hits []detect.Hit, json bool) {
			last := 0
			for _, h := range hits {
				if h.Start < last || h.End <= h.Start || h.End > len(text) || h.Rules != 1 {
					t.Fatalf("%+v of %d bytes", h, len(text))
				}
				last = h.Start
				piece := text[h.Start:h.End]
				if utf8.ValidString(text) && !utf8.ValidString(piece) {
					t.Fatalf("%s: %q splits a character", h.Kind, piece)
				}
				if json && strings.Contains(strings.ReplaceAll(strings.ReplaceAll(piece, `\\`, ""), `\"`, ""), `"`) {
					t.Fatalf("%s: %q leaves its string", h.Kind, piece)
				}
			}
		}
		check(s.Text([]byte(text)), false)
		if json.Valid([]byte(text)) {
			check(s.JSON([]byte(text)), true)
		}
	})
}
