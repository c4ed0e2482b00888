package auth

import (
	"crypto/sha256"
	"crypto/subtle"
)

// AdminKey is a configured secret, held as its hash. The zero AdminKey matches
// nothing: an administration key that was never set opens no door.
type AdminKey struct {
	hash [sha256.Size]byte
	set  bool
}

// NewAdminKey takes the configured secret. An empty secret makes the zero AdminKey.
func NewAdminKey(secret string) AdminKey {
	return AdminKey{hash: sha256.Sum256([]byte(secret)), set: secret != ""}
}

// Matches compares in a time that depends neither on the secret nor on how much
// of it was right: both sides are hashed first, so that length does not show
// either.
func (a AdminKey) Matches(presented string) bool {
	hash := sha256.Sum256([]byte(presented))
	same := subtle.ConstantTimeCompare(hash[:], a.hash[:]) == 1
	return same && a.set
}
