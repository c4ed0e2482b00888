package auth

import (
	"crypto/subtle"
	"maps"
	"slices"
	"strings"
	"time"
)

// snapshot is an immutable view of all keys. Requests read it without a lock.
type snapshot struct {
	byID map[string]*Key
	rev  int64 // the greatest revision in it
}

// with returns a snapshot with changed keys added or replaced. A key that is
// older than the one held is ignored, so that a slow reader of the store cannot
// bring back a revoked key.
func (s *snapshot) with(changed []Key) *snapshot {
	next := &snapshot{byID: maps.Clone(s.byID), rev: s.rev}
	for _, key := range changed {
		next.rev = max(next.rev, key.Rev)
		if held := next.byID[key.ID]; held != nil && held.Rev >= key.Rev {
			continue
		}
		next.byID[key.ID] = &key
	}
	return next
}

// list returns the keys, oldest first.
func (s *snapshot) list() []*Key {
	return slices.SortedFunc(maps.Values(s.byID), func(a, b *Key) int {
		if order := a.Created.Compare(b.Created); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// noKey stands in for an unknown id, so that known and unknown ids take the
// same path. Its hash is of nothing that hashes to it.
var noKey Key

// successor returns the key that replaced an id, or nil.
func (s *snapshot) successor(id string) *Key {
	for _, key := range s.byID {
		if key.Replaces == id {
			return key
		}
	}
	return nil
}

// authenticate finds the key of a plain text.
//
// The id is public and selects the row; what decides is the hash of the whole
// text, compared in constant time before anything else about the key is said:
// who does not hold the secret cannot learn whether an id exists, is expired or
// was revoked, neither from the answer nor from its time.
func (s *snapshot) authenticate(plaintext string, now time.Time) (*Key, *Denied) {
	id, err := ParseKey(plaintext)
	if err != nil {
		return nil, deny(CodeInvalidKey, "", "the key is not valid: %v", err)
	}
	key, known := s.byID[id]
	if !known {
		key = &noKey
	}
	hash := hashKey(plaintext)
	same := subtle.ConstantTimeCompare(hash[:], key.Hash[:]) == 1
	if !same || !known {
		return nil, deny(CodeInvalidKey, "", "the key %s... is not known here: it was issued by another installation or never; "+
			"create one with `freehold keys create NAME`", Prefix(id))
	}
	switch key.State(now) {
	case "revoked":
		return nil, deny(CodeRevokedKey, key.ID, "the key %s was revoked at %s: use its successor or create a new one", key, key.Revoked.UTC().Format(time.RFC3339))
	case "expired":
		return nil, deny(CodeExpiredKey, key.ID, "the key %s expired at %s: use its successor or create a new one", key, key.Expires.UTC().Format(time.RFC3339))
	}
	return key, nil
}
