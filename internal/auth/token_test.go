package auth

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTokenForm(t *testing.T) {
	// Fixed random bytes: the form is a promise, old keys must parse for ever.
	id, plaintext, err := newToken(bytes.NewReader(bytes.Repeat([]byte{0xab}, idLen+secretBytes)))
	if err != nil {
		t.Fatal(err)
	}
	const want = "fh_llllllllll_ehv1hsdOHPxDuX3xn9YyIKbgl4yJuySCWzdimD4heup2lFNRe"
	if id != "llllllllll" || plaintext != want {
		t.Errorf("key %q with id %q; want %q", plaintext, id, want)
	}
	for range 100 {
		id, plaintext, err := newToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseKey(plaintext); err != nil || got != id {
			t.Errorf("ParseKey of a new key: %q, %v; want %q", got, err, id)
		}
	}
	if _, _, err := newToken(strings.NewReader("short")); err == nil {
		t.Error("a key was made without enough randomness")
	}
}

// TestTokenTypo: a changed, lost or swapped character is always noticed.
func TestTokenTypo(t *testing.T) {
	_, plaintext, err := newToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range plaintext {
		for _, c := range []byte("a0Z_ \x00") {
			if plaintext[i] == c {
				continue
			}
			typo := plaintext[:i] + string(c) + plaintext[i+1:]
			if _, err := ParseKey(typo); err == nil {
				t.Errorf("a wrong character at %d was not noticed", i)
			}
		}
		if _, err := ParseKey(plaintext[:i] + plaintext[i+1:]); err == nil {
			t.Errorf("a lost character at %d was not noticed", i)
		}
	}
}

func TestBase62(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, secretBytes).Draw(t, "raw")
		n := new(big.Int).SetBytes(raw)
		text := base62(n, secretLen)
		// math/big writes the digits 0-9a-zA-Z: the same values, another case.
		swapped := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a':
				return r - 'a' + 'A'
			case r >= 'A':
				return r - 'A' + 'a'
			}
			return r
		}, text)
		back, ok := new(big.Int).SetString(swapped, 62)
		if !ok || back.Cmp(n) != 0 || len(text) != secretLen {
			t.Fatalf("%v written as %q", n, text)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	_, plaintext, err := newToken(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{plaintext, plaintext[:20], "fh_", "", "sk-abc", "fh_" + strings.Repeat("_", 60), "Bearer " + plaintext} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseKey(text)
		if err == nil {
			if len(text) != tokenLen || !strings.HasPrefix(text, Prefix(id)+"_") || len(id) != idLen {
				t.Errorf("%q was taken for a key with id %q", text, id)
			}
			return
		}
		if id != "" {
			t.Errorf("an id %q beside an error", id)
		}
		if len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the input: %v", err)
		}
	})
}
