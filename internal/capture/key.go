package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// SaltSize is the size of a state's salt, in bytes.
const SaltSize = 32

// rounds of PBKDF2-HMAC-SHA256, as OWASP's Password Storage Cheat Sheet asks.
const rounds = 600_000

// Key seals and opens texts.
type Key struct {
	id   string
	aead cipher.AEAD
}

// NewKey makes the key of a secret: 32 bytes as hex or base64 are taken as they
// are, any other text as a passphrase, which costs a good part of a second.
// Either is bound to the state's salt.
func NewKey(secret string, salt []byte) (*Key, error) {
	master := decode32(secret)
	if master == nil {
		var err error
		if master, err = pbkdf2.Key(sha256.New, secret, salt, rounds, 32); err != nil {
			return nil, fmt.Errorf("derive the capture key: %w", err)
		}
	}
	derive := func(info string, n int) ([]byte, error) { return hkdf.Key(sha256.New, master, salt, info, n) }
	seal, err := derive("freehold capture seal 1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the capture key: %w", err)
	}
	id, err := derive("freehold capture key id 1", 6)
	if err != nil {
		return nil, fmt.Errorf("derive the capture key: %w", err)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, fmt.Errorf("derive the capture key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive the capture key: %w", err)
	}
	return &Key{id: hex.EncodeToString(id), aead: aead}, nil
}

// decode32 is the 32 bytes that a text encodes, or nil.
func decode32(text string) []byte {
	if b, err := hex.DecodeString(text); err == nil && len(b) == 32 {
		return b
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(text); err == nil && len(b) == 32 {
			return b
		}
	}
	return nil
}

// ID tells keys apart and says nothing of them.
func (k *Key) ID() string { return k.id }

// content is what is sealed of an exchange.
type content struct {
	User            string
	Request, Answer Text
}

// bound is what a sealed text belongs to: it opens for no other request.
func bound(id string) []byte { return []byte("freehold capture 1\x00" + id) }

// seal gives nonce, ciphertext and tag.
func (k *Key) seal(id string, c content) ([]byte, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("seal the texts of request %s: %w", id, err)
	}
	return k.aead.Seal(nil, nil, plain, bound(id)), nil
}

// open undoes seal.
func (k *Key) open(s Sealed) (content, error) {
	if s.SealKey != k.id {
		return content{}, fmt.Errorf("request %s was captured under the key %s, and capture.key is now %s: set capture.key to the former one to read it: %w",
			s.ID, s.SealKey, k.id, ErrWrongKey)
	}
	var c content
	plain, err := k.aead.Open(nil, nil, s.Text, bound(s.ID))
	if err == nil {
		err = json.Unmarshal(plain, &c)
	}
	if err != nil {
		return content{}, fmt.Errorf("request %s: %w: it was altered, or belongs to another request", s.ID, ErrDamaged)
	}
	return c, nil
}

// mark is how a state knows an end user: by a hash under its salt. It does not
// depend on the key, so that a user can be erased whatever key was in use.
func mark(salt []byte, user string) []byte {
	if user == "" {
		return nil
	}
	h := hmac.New(sha256.New, salt)
	h.Write([]byte("freehold capture user 1\x00" + user))
	return h.Sum(nil)[:16]
}
