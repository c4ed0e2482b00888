package redact_test

import (
	"strings"
	"testing"

	"freehold/internal/redact"
)

// BenchmarkJSON redacts 40 KB with 40 addresses, detection left out.
func BenchmarkJSON(b *testing.B) {
	s := set(b)
	text := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("Please write to bob@x.de of it, for she has not heard of us since the day before yesterday.\\n"+strings.Repeat("What else is there to be said? ", 29), 40) + `"}]}`)
	hits := s.JSON(text)
	if len(hits) != 40 {
		b.Fatal(len(hits))
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := redact.New(s, 1).JSON(text, hits); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream restores an answer of 4 KB that comes in words.
func BenchmarkStream(b *testing.B) {
	s := set(b)
	n := redact.New(s, 1)
	text := []byte(`["bob@x.de"]`)
	if _, err := n.JSON(text, s.JSON(text)); err != nil {
		b.Fatal(err)
	}
	words := strings.SplitAfter(strings.Repeat("She says that [EMAIL_1] has answered us [once] before. ", 75), " ")
	for b.Loop() {
		r := redact.Stream{Names: n}
		for _, w := range words {
			r.Push(w)
		}
		r.Rest()
	}
}
