package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"
)

// The plain text of a key is
//
//	fh_<id>_<secret><checksum>
//
// id: 10 characters of a-z2-7 (50 random bits), public, the key's name in logs.
// secret: 32 random bytes in base62, 43 characters.
// checksum: CRC-32 (IEEE) over all that stands before it, in base62, 6
// characters. It is no protection: it tells a mistyped or cut key from a
// revoked one without a look-up, and lets a secret scanner recognise a leaked
// key with next to no false alarms. The form is that of GitHub's tokens.
const (
	tokenPrefix   = "fh_"
	idLen         = 10
	secretLen     = 43
	checksumLen   = 6
	tokenLen      = len(tokenPrefix) + idLen + 1 + secretLen + checksumLen
	idAlphabet    = "abcdefghijklmnopqrstuvwxyz234567"
	base62Digits  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	secretBytes   = 32
	checksumStart = tokenLen - checksumLen
)

// Why a text is not a key. The texts are for people; none contains the input.
var (
	errNotOurs = errors.New("it is not a freehold key, which begins with " + tokenPrefix +
		": a vendor's own key does not work here; create one with `freehold keys create NAME`")
	errMistyped = fmt.Errorf("it is mistyped or was cut: a key has %d characters and ends in a checksum, "+
		"which does not fit; copy it again, whole", tokenLen)
)

// newToken draws a key from random, which must be cryptographically secure.
func newToken(random io.Reader) (id, plaintext string, err error) {
	var raw [idLen + secretBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", "", fmt.Errorf("draw a key: %w", err)
	}
	var b strings.Builder
	for _, c := range raw[:idLen] {
		b.WriteByte(idAlphabet[c&31]) // 256 is a multiple of 32: no bias
	}
	id = b.String()
	body := Prefix(id) + "_" + base62(new(big.Int).SetBytes(raw[idLen:]), secretLen)
	sum := checksum(body)
	return id, body + string(sum[:]), nil
}

// Prefix is the public part of a key, which may be shown and logged.
func Prefix(id string) string { return tokenPrefix + id }

// ParseKey tells the id of a key from its plain text. It checks form and
// checksum only: whether such a key was ever issued is [Keyring.Authenticate]'s
// to say. The error never contains the text.
func ParseKey(plaintext string) (id string, err error) {
	if !strings.HasPrefix(plaintext, tokenPrefix) {
		return "", errNotOurs
	}
	if len(plaintext) != tokenLen || plaintext[len(tokenPrefix)+idLen] != '_' {
		return "", errMistyped
	}
	id = plaintext[len(tokenPrefix) : len(tokenPrefix)+idLen]
	for i := range len(id) {
		if strings.IndexByte(idAlphabet, id[i]) < 0 {
			return "", errMistyped
		}
	}
	if sum := checksum(plaintext[:checksumStart]); string(sum[:]) != plaintext[checksumStart:] {
		return "", errMistyped
	}
	return id, nil
}

// hashKey is what the store keeps of a key.
//
// A plain SHA-256, not bcrypt, scrypt or argon2: those slow down the guessing
// of passwords, which people choose from a small set. A key's secret is 256
// random bits, so there is nothing to guess, and a slow hash would only hand
// every sender of bad keys a way to burn our CPU.
func hashKey(plaintext string) [sha256.Size]byte {
	var stack [tokenLen]byte // a key of ours costs no allocation
	return sha256.Sum256(append(stack[:0], plaintext...))
}

func checksum(body string) [checksumLen]byte {
	sum := ^uint32(0)
	for i := range len(body) { // a table look-up a byte: the package's own takes a slice, which would escape
		sum = crc32.IEEETable[byte(sum)^body[i]] ^ sum>>8
	}
	sum = ^sum
	var digits [checksumLen]byte
	for i := checksumLen - 1; i >= 0; i-- {
		digits[i] = base62Digits[sum%62]
		sum /= 62
	}
	return digits
}

// base62 writes n in exactly width digits, which must be enough for it.
func base62(n *big.Int, width int) string {
	digits := make([]byte, width)
	rest, base, digit := new(big.Int).Set(n), big.NewInt(62), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		rest.DivMod(rest, base, digit)
		digits[i] = base62Digits[digit.Int64()]
	}
	return string(digits)
}
