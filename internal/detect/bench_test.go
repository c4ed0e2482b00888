package detect_test

import (
	"strings"
	"testing"

	"freehold/internal/detect"
)

// prose is ordinary text with numbers, in JSON.
const prose = `Please summarise the meeting of 12.03.2026: 14 people came, the budget is 1,250,000 EUR (up 3.5%), see https://example.org/docs/17.\n` +
	`Für die Größe des Saals wurden 1200 Plätze veranschlagt; \"Raum 4.12\" bleibt frei. Next steps: call the caterer, order 35 chairs.\n`

func BenchmarkJSON(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"300B", 300}, {"40KB", 40 << 10}, {"4MB", 4 << 20}} {
		body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat(prose, 1+size.bytes/len(prose)) + `"}]}`)
		for _, kinds := range []struct {
			name  string
			kinds []string
		}{{"all", detect.Kinds()}, {"pii", []string{"email", "iban", "card"}}} {
			s, err := detect.Compile([]detect.Rule{{Kinds: kinds.kinds}})
			if err != nil {
				b.Fatal(err)
			}
			b.Run(size.name+"/"+kinds.name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					s.JSON(body)
				}
			})
		}
	}
}

// BenchmarkAdversary measures texts made to be slow: each repeats the beginning
// of something.
func BenchmarkAdversary(b *testing.B) {
	s, err := detect.Compile([]detect.Rule{{Kinds: detect.Kinds()}})
	if err != nil {
		b.Fatal(err)
	}
	for _, piece := range []string{"eyJaaaaaaaaa.", "eyJ-", "sk-", "token=", "1 ", "0 1 ", "-----BEGIN ", "@", "a@a.", "://a:", "+", "(2", "DE12 ", "\u200b", "４", `\\`, "ab12"} {
		text := []byte(`"` + strings.Repeat(piece, (4<<20)/len(piece)) + `"`)
		b.Run(piece, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.JSON(text)
			}
		})
	}
}
