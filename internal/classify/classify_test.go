package classify_test

import (
	"bytes"
	"strings"
	"testing"

	"freehold/internal/classify"
)

func embedded(t testing.TB) *classify.Model {
	t.Helper()
	m, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTasksInSeveralLanguages(t *testing.T) {
	m := embedded(t)
	story := strings.Repeat("The harbour was quiet when the last ferry left for the islands. ", 12)
	for prompt, want := range map[string]string{
		"Summarize the following text in two sentences:\n\n" + story:                 "summarize",
		"Fasse den folgenden Text in zwei Sätzen zusammen:\n\n" + story:              "summarize",
		"Translate into French: The weather is fine today and we go to the beach.":   "translate",
		"Write a Python function that reverses a linked list and add unit tests.":    "code",
		"Classify the sentiment of this review as positive or negative: I loved it!": "classify",
	} {
		if v := m.Classify("", prompt); v.Task.String() != want {
			t.Errorf("%.60q: %s (%.2f), want %s", prompt, v.Task, v.Confidence, want)
		}
	}
}

// Whatever the bytes, a verdict is a set of chances.
func FuzzClassify(f *testing.F) {
	for _, s := range []string{"", "hi", "\xff\xfe", "sum\u200bmarize this", "ｓｕｍｍａｒｉｚｅ", strings.Repeat("a b\n", 20000)} {
		f.Add(s, s)
	}
	m := embedded(f)
	f.Fuzz(func(t *testing.T, system, user string) {
		v := m.Classify(system, user)
		sum := 0.0
		for _, p := range v.Tasks {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("a chance of %v", p)
			}
			sum += p
		}
		if !(sum > 0.99 && sum < 1.01) || !(v.Complexity >= 0 && v.Complexity <= 1) || !(v.Confidence >= 0 && v.Confidence <= 1) {
			t.Fatalf("%+v", v)
		}
		if again := m.ClassifyBytes([]byte(system), []byte(user)); again != v {
			t.Fatalf("bytes: %+v, text: %+v", again, v)
		}
	})
}

// Letters that only look different, or that nobody sees, change nothing.
func TestDisguise(t *testing.T) {
	m := embedded(t)
	want := m.Classify("", "Summarize this article for me")
	for _, s := range []string{"Sum\u200bmarize th\u200dis article for me", "Ｓｕｍｍａｒｉｚｅ ｔｈｉｓ article for me"} {
		if got := m.Classify("", s); got.Task != want.Task {
			t.Errorf("%q: %s, want %s", s, got.Task, want.Task)
		}
	}
}

// A file that is not a whole, unaltered model is an error, never a model.
func TestBadFiles(t *testing.T) {
	good, err := embedded(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := classify.Load(good); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("no model at all"), "half": good[:len(good)/2], "one byte short": good[:len(good)-1],
		"more": append(bytes.Clone(good), 0), "zeros": make([]byte, len(good)),
	} {
		if m, err := classify.Load(file); err == nil || m != nil {
			t.Errorf("%s: loaded", name)
		}
	}
	for at := 0; at < len(good); at += 1 + len(good)/300 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		if m, err := classify.Load(bad); err == nil || m != nil {
			t.Errorf("byte %d altered: loaded", at)
		}
	}
}

func FuzzLoad(f *testing.F) {
	good, err := embedded(f).Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:200])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		if m, err := classify.Load(file); (m == nil) == (err == nil) {
			t.Fatalf("%v, %v", m, err)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	m := embedded(b)
	for name, n := range map[string]int{"300 characters": 300, "40 KB": 40000} {
		text := "Summarize the following text.\n" + strings.Repeat("The harbour was quiet when the last ferry left. ", n/48+1)
		text = text[:n]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Classify("", text)
			}
		})
	}
}
