package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Key is an issued virtual key as the store and the snapshot hold it: all but
// the secret. Treat the keys that a [Keyring] hands out as read-only: requests
// share them.
type Key struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Hash is the SHA-256 of the whole plain text; never printed.
	Hash [sha256.Size]byte `json:"-"`
	// Family is the id of the first key of a chain of rotations. Limits are
	// counted by family, so that an overlap does not double them.
	Family   string `json:"family"`
	Replaces string `json:"replaces,omitempty"` // the id that this key was rotated from

	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by,omitempty"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
	Revoked   time.Time `json:"revoked,omitzero"` // zero: not revoked

	Grant

	// Rev is the store's revision of this row; see [Store].
	Rev int64 `json:"-"`
}

// Grant is what a key may do.
type Grant struct {
	// Workloads are names, or beginnings of names that end in *. "*" is all.
	Workloads []string `json:"workloads"`
	// Models: the key may also ask for a model or a vendor's model name directly.
	Models bool `json:"models,omitempty"`
	// Admin: the key may call the administration API.
	Admin  bool     `json:"admin,omitempty"`
	Limits Limits   `json:"limits,omitzero"`
	Tags   []string `json:"tags,omitempty"` // copied to the ledger rows of its requests
	// DataClasses are added to those of each request. Classes combine by
	// intersection, so a key can only tighten where bytes may go.
	DataClasses []string `json:"data_classes,omitempty"`
}

// Limits of a key; 0 is no limit.
type Limits struct {
	RequestsPerMinute int64 `json:"requests_per_minute,omitempty"`
	TokensPerMinute   int64 `json:"tokens_per_minute,omitempty"`
	Concurrent        int64 `json:"concurrent,omitempty"` // requests at a time
}

// String shows the key's public prefix and name.
func (k *Key) String() string { return fmt.Sprintf("%s (%s)", Prefix(k.ID), k.Name) }

// State says whether the key works at time now: "active", "expired" or
// "revoked" (which wins).
func (k *Key) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return "active"
}

// AllowWorkload returns nil or a [*Denied] that names what the key may call.
func (k *Key) AllowWorkload(name string) error {
	for _, scope := range k.Workloads {
		if beginning, ok := strings.CutSuffix(scope, "*"); ok && strings.HasPrefix(name, beginning) || scope == name {
			return nil
		}
	}
	may := "no workload"
	if len(k.Workloads) > 0 {
		may = strings.Join(k.Workloads, ", ")
	}
	return deny(CodeScopeDenied, k.ID, "key %s may not call the workload %q; it may call: %s. "+
		"Ask for a key with this workload in its scope", k, name, may)
}

// AllowModel returns nil or a [*Denied], for a request that names a model or a
// vendor's model instead of a workload.
func (k *Key) AllowModel(name string) error {
	if k.Models {
		return nil
	}
	return deny(CodeScopeDenied, k.ID, "key %s may not call the model %q directly, only workloads: %s. "+
		"Ask for a key that may call models", k, name, strings.Join(k.Workloads, ", "))
}

// AllowAdmin returns nil or a [*Denied].
func (k *Key) AllowAdmin() error {
	if k.Admin {
		return nil
	}
	return deny(CodeScopeDenied, k.ID, "key %s is not an administration key", k)
}

// check refuses a grant that could not mean what its author wants.
func (g *Grant) check() error {
	for _, scope := range g.Workloads {
		if scope == "" || strings.Contains(strings.TrimSuffix(scope, "*"), "*") {
			return fmt.Errorf("workload scope %q: give a name, the beginning of names with a * at its end, or *", scope)
		}
	}
	if slices.Contains(g.Tags, "") || slices.Contains(g.DataClasses, "") {
		return errors.New("an empty tag or data class: leave it out")
	}
	l := g.Limits
	for _, n := range []int64{l.RequestsPerMinute, l.TokensPerMinute, l.Concurrent} {
		if n < 0 {
			return fmt.Errorf("%d is no limit: give a positive number, or 0 for none", n)
		}
	}
	return nil
}
