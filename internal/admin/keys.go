package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"freehold/internal/auth"
	"freehold/internal/history"
	"freehold/internal/server"
)

// Key is a virtual key without its secret.
type Key struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	State       string     `json:"state" doc:"active, expired, revoked"`
	Prefix      string     `json:"prefix" doc:"how the key begins"`
	Replaces    string     `json:"replaces,omitempty" doc:"id of the key that it was rotated from"`
	Created     time.Time  `json:"created"`
	CreatedBy   string     `json:"created_by,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	Workloads   []string   `json:"workloads"`
	Models      bool       `json:"models" doc:"may also ask for models by name"`
	Admin       bool       `json:"admin"`
	RPM         int64      `json:"requests_per_minute,omitempty"`
	TPM         int64      `json:"tokens_per_minute,omitempty"`
	Concurrent  int64      `json:"concurrent,omitempty"`
	Tags        []string   `json:"tags"`
	DataClasses []string   `json:"data_classes"`
}

func (s *Service) keyOf(k *auth.Key) Key {
	return Key{
		ID: k.ID, Name: k.Name, State: k.State(s.app.Clock()), Prefix: auth.Prefix(k.ID), Replaces: k.Replaces,
		Created: k.Created.UTC(), CreatedBy: k.CreatedBy, Expires: moment(k.Expires), Revoked: moment(k.Revoked),
		Workloads: orEmpty(k.Workloads), Models: k.Models, Admin: k.Admin, RPM: k.Limits.RequestsPerMinute,
		TPM: k.Limits.TokensPerMinute, Concurrent: k.Limits.Concurrent, Tags: orEmpty(k.Tags), DataClasses: orEmpty(k.DataClasses),
	}
}

// KeysOut lists keys.
type KeysOut struct {
	Keys []Key `json:"keys"`
}

func (s *Service) keysList(ctx context.Context, _ Caller, _ None) (KeysOut, error) {
	out := KeysOut{Keys: []Key{}}
	if err := s.app.Keys.Refresh(ctx); err != nil {
		return out, err
	}
	for _, k := range s.app.Keys.List() {
		out.Keys = append(out.Keys, s.keyOf(k))
	}
	return out, nil
}

// KeysCreateIn describes a key.
type KeysCreateIn struct {
	Name        string    `json:"name" doc:"what the key is for"`
	Workloads   []string  `json:"workloads,omitempty" doc:"names, of vector indexes index:NAME, or beginnings that end in *; absent: all, but none for an administration key"`
	Models      bool      `json:"models,omitempty" doc:"may also ask for models by name"`
	Admin       bool      `json:"admin,omitempty" doc:"may administer"`
	Expires     time.Time `json:"expires,omitzero"`
	RPM         int64     `json:"requests_per_minute,omitempty"`
	TPM         int64     `json:"tokens_per_minute,omitempty"`
	Concurrent  int64     `json:"concurrent,omitempty"`
	Tags        []string  `json:"tags,omitempty" doc:"copied to the requests of the key"`
	DataClasses []string  `json:"data_classes,omitempty" doc:"added to each request: can only tighten"`
	Reason      string    `json:"reason,omitempty"`
}

// KeyIssued is a new key. Key is its plain text, shown this once.
type KeyIssued struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Key     string     `json:"key" doc:"the plain text: in this answer and nowhere else"`
	Expires *time.Time `json:"expires,omitempty"`
	// Replaces and OldExpires are of a rotation.
	Replaces   string     `json:"replaces,omitempty"`
	OldExpires *time.Time `json:"old_expires,omitempty" doc:"until when the replaced key works"`
}

func (s *Service) keysCreate(ctx context.Context, c Caller, in KeysCreateIn) (KeyIssued, error) {
	cfg := s.app.Config()
	for _, name := range in.DataClasses {
		if cfg.DataClasses[name] == nil {
			return KeyIssued{}, missing("data class", name, cfg.DataClasses, "data_classes in config.yaml defines them")
		}
	}
	for _, w := range in.Workloads {
		index, isIndex := strings.CutPrefix(w, server.IndexScope)
		switch {
		case strings.HasSuffix(w, "*"):
		case isIndex && cfg.Indexes[index] == nil:
			return KeyIssued{}, missing("index", index, cfg.Indexes, "indexes in config.yaml names them")
		case !isIndex && cfg.Workloads[w] == nil:
			return KeyIssued{}, missing("workload", w, cfg.Workloads, "freehold workloads lists them")
		}
	}
	key, plaintext, err := s.app.Keys.Create(ctx, auth.Request{
		Name: in.Name, By: c.Who.String(), Expires: in.Expires,
		Grant: auth.Grant{
			Workloads: in.Workloads, Models: in.Models, Admin: in.Admin, Tags: in.Tags, DataClasses: in.DataClasses,
			Limits: auth.Limits{RequestsPerMinute: in.RPM, TokensPerMinute: in.TPM, Concurrent: in.Concurrent},
		},
	})
	if err != nil {
		return KeyIssued{}, err
	}
	err = s.note(ctx, history.Change{Kind: history.KindKeyCreate, Subject: key.ID, Who: c.Who, Why: in.Reason, Details: details(&key)})
	if err != nil {
		return KeyIssued{}, s.takeBack(ctx, &key, err)
	}
	return KeyIssued{ID: key.ID, Name: key.Name, Key: plaintext, Expires: moment(key.Expires)}, nil
}

// note puts a change on record. What is not on record must not be in effect,
// revocations apart.
func (s *Service) note(ctx context.Context, c history.Change) error {
	_, err := s.app.History.Append(ctx, c)
	if err != nil {
		s.app.Log.Error("a change is not in the history", "kind", string(c.Kind), "subject", c.Subject, "who", c.Who.String(), "error", err)
	}
	return err
}

// takeBack revokes a key whose creation could not be put on record.
func (s *Service) takeBack(ctx context.Context, k *auth.Key, cause error) error {
	cause = fmt.Errorf("the key is not issued, for its creation cannot be put into the history: %w", cause)
	if _, err := s.app.Keys.Revoke(context.WithoutCancel(ctx), k.ID); err != nil {
		return errors.Join(cause, fmt.Errorf("and %s could not be revoked: %w", k, err))
	}
	return cause
}

func details(k *auth.Key) map[string]string {
	d := map[string]string{"name": k.Name, "workloads": strings.Join(k.Workloads, ",")}
	put := func(name, v string) {
		if v != "" {
			d[name] = v
		}
	}
	if k.Models {
		put("models", "true")
	}
	if k.Admin {
		put("admin", "true")
	}
	if !k.Expires.IsZero() {
		put("expires", k.Expires.Format(time.RFC3339))
	}
	put("replaces", k.Replaces)
	put("tags", strings.Join(k.Tags, ","))
	put("data_classes", strings.Join(k.DataClasses, ","))
	for name, n := range map[string]int64{
		"requests_per_minute": k.Limits.RequestsPerMinute, "tokens_per_minute": k.Limits.TokensPerMinute, "concurrent": k.Limits.Concurrent,
	} {
		if n > 0 {
			d[name] = strconv.FormatInt(n, 10)
		}
	}
	return d
}

// KeysRevokeIn names a key.
type KeysRevokeIn struct {
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"`
}

// KeysRevokeOut is the revoked key. Warning says what went wrong beside it.
type KeysRevokeOut struct {
	Key
	Warning string `json:"warning,omitempty"`
}

// keysRevoke ends a key, and does so also when the history cannot take it: a
// leaked key must not stay open because the record was tampered with.
func (s *Service) keysRevoke(ctx context.Context, c Caller, in KeysRevokeIn) (KeysRevokeOut, error) {
	key, err := s.app.Keys.Revoke(ctx, in.ID)
	if err != nil {
		return KeysRevokeOut{}, err
	}
	out := KeysRevokeOut{Key: s.keyOf(&key)}
	err = s.note(ctx, history.Change{
		Kind: history.KindKeyRevoke, Subject: key.ID, Who: c.Who, Why: in.Reason, Details: map[string]string{"name": key.Name},
	})
	if err != nil {
		out.Warning = "the key is revoked, but that is NOT in the history: " + err.Error()
	}
	return out, nil
}

// KeysRotateIn names a key and how long it works beside its successor.
type KeysRotateIn struct {
	ID      string `json:"id"`
	Overlap string `json:"overlap,omitempty" doc:"such as 24h; absent: the old key ends at once"`
	Reason  string `json:"reason,omitempty"`
}

func (s *Service) keysRotate(ctx context.Context, c Caller, in KeysRotateIn) (KeyIssued, error) {
	var overlap time.Duration
	if in.Overlap != "" {
		var err error
		if overlap, err = time.ParseDuration(in.Overlap); err != nil {
			return KeyIssued{}, invalid(fmt.Sprintf("overlap: %q is not a duration", in.Overlap), "such as 24h or 30m")
		}
		if overlap < 0 {
			return KeyIssued{}, invalid(fmt.Sprintf("overlap: %s is negative", overlap), "such as 24h; without one the old key ends at once")
		}
	}
	if err := s.app.Keys.Refresh(ctx); err != nil {
		return KeyIssued{}, err
	}
	old, err := s.app.Keys.Get(in.ID)
	if err != nil {
		return KeyIssued{}, err
	}
	if err := s.rotatable(old); err != nil {
		return KeyIssued{}, err
	}
	// The record comes first: once the old key has an end, a rotation could
	// not be taken back without leaving its users with no key at all.
	change := history.Change{
		Kind: history.KindKeyRotate, Subject: old.ID, Who: c.Who, Why: in.Reason,
		Details: map[string]string{"name": old.Name, "overlap": overlap.String()},
	}
	if err := s.note(ctx, change); err != nil {
		return KeyIssued{}, fmt.Errorf("the key is not rotated, for that cannot be put into the history: %w", err)
	}
	key, plaintext, err := s.app.Keys.Rotate(ctx, in.ID, overlap, c.Who.String())
	if err != nil {
		change.Details["failed"] = err.Error()
		return KeyIssued{}, errors.Join(err, s.note(context.WithoutCancel(ctx), change))
	}
	out := KeyIssued{ID: key.ID, Name: key.Name, Key: plaintext, Expires: moment(key.Expires), Replaces: old.ID}
	if now, err := s.app.Keys.Get(old.ID); err == nil {
		out.OldExpires = moment(now.Expires)
	}
	return out, nil
}

// rotatable says why a key cannot be rotated, or nil.
func (s *Service) rotatable(k *auth.Key) error {
	if state := k.State(s.app.Clock()); state != "active" {
		return conflict(fmt.Sprintf("%s is %s", k, state), "create a new key instead")
	}
	for _, other := range s.app.Keys.List() {
		if other.Replaces == k.ID {
			return conflict(fmt.Sprintf("%s was rotated already", k), "rotate its successor "+other.ID)
		}
	}
	return nil
}

// keyID is the id of the key with an id, or of the newest with a name; "" for "".
func (s *Service) keyID(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	k, err := s.app.Keys.Get(name)
	if err == nil {
		return k.ID, nil
	}
	list := s.app.Keys.List()
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Name == name {
			return list[i].ID, nil
		}
	}
	return "", err
}
