package dialect_test

import (
	"bytes"
	"testing"

	"freehold/internal/dialect"

	"pgregory.net/rapid"
)

func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p dialect.Pieces
		var want, got []string
		for range rapid.IntRange(0, 200).Draw(t, "n") {
			text := bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "c"))}, rapid.IntRange(0, 300).Draw(t, "size"))
			want, got = append(want, string(text)), append(got, p.String(text))
			for i := range text {
				text[i] = '!' // the caller's memory is used again
			}
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("piece %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}
