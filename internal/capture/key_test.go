package capture_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"freehold/internal/capture"
)

func TestKeys(t *testing.T) {
	salt, other := bytes.Repeat([]byte{1}, capture.SaltSize), bytes.Repeat([]byte{2}, capture.SaltSize)
	raw := bytes.Repeat([]byte{0xfb}, 32) // its base64 forms differ
	id := func(secret string, salt []byte) string {
		k, err := capture.NewKey(secret, salt)
		check(t, err)
		return k.ID()
	}
	want := id(hex.EncodeToString(raw), salt)
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if got := id(e.EncodeToString(raw), salt); got != want {
			t.Errorf("%s is another key than the same bytes in hex", e.EncodeToString(raw))
		}
	}
	const words = "a passphrase of the owner's own"
	phrase := id(words, salt)
	seen := map[string]string{}
	for what, got := range map[string]string{
		"bytes": want, "bytes in another state": id(hex.EncodeToString(raw), other), "passphrase": phrase,
		"passphrase in another state": id(words, other), "another passphrase": id(words+"!", salt),
	} {
		if seen[got] != "" || len(got) != 12 {
			t.Errorf("%s: id %q, as %s", what, got, seen[got])
		}
		seen[got] = what
	}
	if phrase != id(words, salt) {
		t.Error("the same passphrase gives two keys")
	}
}
