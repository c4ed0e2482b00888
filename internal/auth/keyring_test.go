package auth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freehold/internal/auth"
	"freehold/internal/auth/authtest"
	"freehold/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestMemoryStore(t *testing.T) {
	authtest.Test(t, func(*testing.T) auth.Store { return &authtest.Memory{} })
}

func keyring(t testing.TB, store auth.Store, log *bytes.Buffer) *auth.Keyring {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	k, err := auth.NewKeyring(t.Context(), store, auth.Options{Clock: time.Now, Random: rand.Reader, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func bearer(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

func create(t testing.TB, k *auth.Keyring, r auth.Request) (auth.Key, string) {
	t.Helper()
	key, plaintext, err := k.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return key, plaintext
}

// code is the code that authentication refuses with, or "".
func code(t testing.TB, k *auth.Keyring, plaintext string) auth.Code {
	t.Helper()
	key, err := k.Authenticate(bearer(plaintext))
	if err == nil {
		if key == nil {
			t.Fatal("neither key nor error")
		}
		return ""
	}
	denied, ok := errors.AsType[*auth.Denied](err)
	if !ok || key != nil {
		t.Fatalf("key %v, error %v", key, err)
	}
	if secret := strings.TrimPrefix(plaintext, "fh_"); len(secret) > 11 && strings.Contains(denied.Message, secret[11:]) {
		t.Errorf("the message contains the key: %s", denied.Message)
	}
	return denied.Code
}

func TestLifeOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyring(t, &authtest.Memory{}, nil)
		key, plaintext := create(t, k, auth.Request{Name: "app", By: "os:ada", Expires: time.Now().Add(time.Hour)})
		if got := code(t, k, plaintext); got != "" {
			t.Fatalf("a new key: %s", got)
		}
		if strings.Contains(fmt.Sprintf("%v %s", &key, key.String()), plaintext) {
			t.Error("the string form contains the key")
		}
		time.Sleep(time.Hour - 1)
		if got := code(t, k, plaintext); got != "" {
			t.Errorf("just before its expiry: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := code(t, k, plaintext); got != auth.CodeExpiredKey {
			t.Errorf("at its expiry: %q", got)
		}

		key, plaintext = create(t, k, auth.Request{Name: "app"})
		if _, err := k.Revoke(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		if got := code(t, k, plaintext); got != auth.CodeRevokedKey {
			t.Errorf("after its revocation: %q", got)
		}
		// The id of a key is public: who has only that learns nothing.
		_, other := create(t, k, auth.Request{Name: "other"})
		if got := code(t, k, "fh_"+key.ID+other[13:]); got != auth.CodeInvalidKey {
			t.Errorf("id of a revoked key with another secret: %q", got)
		}
		foreign := keyring(t, &authtest.Memory{}, nil)
		if got := code(t, foreign, other); got != auth.CodeInvalidKey {
			t.Errorf("a key of another installation: %q", got)
		}
		for _, bad := range []string{"sk-proj-abcdefghijklmnop", other[:40], other + "x", strings.ToUpper(other)} {
			if got := code(t, k, bad); got != auth.CodeInvalidKey {
				t.Errorf("%q: %q", bad, got)
			}
		}
	})
}

func TestRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyring(t, &authtest.Memory{}, nil)
		first, oldText := create(t, k, auth.Request{
			Name: "app", Expires: time.Now().Add(30 * 24 * time.Hour), Grant: auth.Grant{Workloads: []string{"a"}, Tags: []string{"t"}},
		})
		time.Sleep(24 * time.Hour)
		second, newText, err := k.Rotate(t.Context(), first.ID, time.Hour, "os:bob")
		if err != nil {
			t.Fatal(err)
		}
		if second.Name != "app" || second.Family != first.ID || second.Replaces != first.ID || second.CreatedBy != "os:bob" ||
			!second.Expires.Equal(time.Now().UTC().Truncate(time.Microsecond).Add(30*24*time.Hour)) || second.Workloads[0] != "a" || second.Tags[0] != "t" {
			t.Errorf("successor %+v", second)
		}
		if code(t, k, oldText) != "" || code(t, k, newText) != "" {
			t.Error("during the overlap both keys should work")
		}
		if _, _, err := k.Rotate(t.Context(), first.ID, time.Hour, ""); err == nil || !strings.Contains(err.Error(), second.ID) {
			t.Errorf("rotating a rotated key: %v; want the successor named", err)
		}
		time.Sleep(time.Hour)
		if code(t, k, oldText) != auth.CodeExpiredKey || code(t, k, newText) != "" {
			t.Error("after the overlap only the new key should work")
		}
		third, _, err := k.Rotate(t.Context(), "fh_"+second.ID, 0, "")
		if err != nil || third.Family != first.ID {
			t.Errorf("second rotation: %+v, %v", third, err)
		}
		if code(t, k, newText) != auth.CodeExpiredKey {
			t.Error("without overlap the old key should stop at once")
		}
		// An overlap beyond the old key's own end does not lengthen its life.
		short, text := create(t, k, auth.Request{Name: "short", Expires: time.Now().Add(time.Minute)})
		if _, _, err := k.Rotate(t.Context(), short.ID, time.Hour, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if code(t, k, text) != auth.CodeExpiredKey {
			t.Error("rotation lengthened the life of the old key")
		}
		if _, _, err := k.Rotate(t.Context(), short.ID, time.Hour, ""); err == nil {
			t.Error("an expired key was rotated")
		}
	})
}

// TestOtherProcess: what another process changes holds within a second.
func TestOtherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &authtest.Memory{}
		var log bytes.Buffer
		server, command := keyring(t, store, &log), keyring(t, store, nil)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { server.Watch(ctx) })

		key, plaintext := create(t, command, auth.Request{Name: "app"})
		time.Sleep(time.Second)
		if got := code(t, server, plaintext); got != "" {
			t.Errorf("a key created by another process: %s", got)
		}
		if _, err := command.Revoke(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := code(t, server, plaintext); got != auth.CodeRevokedKey {
			t.Errorf("a key revoked by another process: %q", got)
		}

		// A store that fails turns nobody away, and is logged once.
		_, plaintext = create(t, command, auth.Request{Name: "app 2"})
		time.Sleep(time.Second)
		synctest.Wait()
		log.Reset()
		store.Fail(errors.New("disk on fire"))
		time.Sleep(time.Minute)
		if got := code(t, server, plaintext); got != "" {
			t.Errorf("while the store fails: %s", got)
		}
		store.Fail(nil)
		time.Sleep(time.Second)
		stop()
		wg.Wait()
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "disk on fire") {
			t.Errorf("%d lines logged, want 2:\n%s", n, log.String())
		}
	})
}

// TestInterleavedWriters: a server that writes between two writes of another
// process misses neither.
func TestInterleavedWriters(t *testing.T) {
	store := &authtest.Memory{}
	a, b := keyring(t, store, nil), keyring(t, store, nil)
	one, text := create(t, b, auth.Request{Name: "one"})
	_, _ = create(t, a, auth.Request{Name: "two"}) // a has not seen one
	if err := a.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := code(t, a, text); got != "" || len(a.List()) != 2 {
		t.Errorf("a sees %d keys, and one is %q", len(a.List()), got)
	}
	var wg sync.WaitGroup
	for _, k := range []*auth.Keyring{a, b, a, b} {
		wg.Go(func() {
			if _, err := k.Revoke(context.Background(), one.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := a.Get(one.ID); err != nil || got.Revoked.IsZero() {
		t.Errorf("after revocation: %+v, %v", got, err)
	}
}

func TestScopes(t *testing.T) {
	k := keyring(t, &authtest.Memory{}, nil)
	all, _ := create(t, k, auth.Request{Name: "all"})
	some, _ := create(t, k, auth.Request{Name: "some", Grant: auth.Grant{Workloads: []string{"chat", "team-a-*"}, Models: true}})
	admin, _ := create(t, k, auth.Request{Name: "admin", Grant: auth.Grant{Admin: true}})
	for _, test := range []struct {
		what string
		err  error
		ok   bool
	}{
		{"all: any workload", all.AllowWorkload("x"), true},
		{"all: model", all.AllowModel("gpt-4o"), false},
		{"all: admin", all.AllowAdmin(), false},
		{"some: exact", some.AllowWorkload("chat"), true},
		{"some: longer than exact", some.AllowWorkload("chat2"), false},
		{"some: beginning", some.AllowWorkload("team-a-x"), true},
		{"some: just the beginning", some.AllowWorkload("team-a-"), true},
		{"some: part of the beginning", some.AllowWorkload("team-a"), false},
		{"some: a star in the name means nothing", some.AllowWorkload("*"), false},
		{"some: model", some.AllowModel("gpt-4o"), true},
		{"admin: workload", admin.AllowWorkload("x"), false},
		{"admin: admin", admin.AllowAdmin(), true},
	} {
		denied, ok := errors.AsType[*auth.Denied](test.err)
		switch {
		case test.ok && test.err != nil, !test.ok && (!ok || denied.Code != auth.CodeScopeDenied || denied.KeyID == ""):
			t.Errorf("%s: %v", test.what, test.err)
		}
	}
	for _, r := range []auth.Request{
		{},
		{Name: strings.Repeat("x", 201)},
		{Name: "x", Expires: time.Now().Add(-time.Second)},
		{Name: "x", Grant: auth.Grant{Workloads: []string{"a*b"}}},
		{Name: "x", Grant: auth.Grant{Workloads: []string{""}}},
		{Name: "x", Grant: auth.Grant{Limits: auth.Limits{TokensPerMinute: -1}}},
		{Name: "x", Grant: auth.Grant{DataClasses: []string{""}}},
	} {
		if _, _, err := k.Create(t.Context(), r); err == nil {
			t.Errorf("created from %+v", r)
		}
	}
}

func TestGetDoesNotRepeatAKey(t *testing.T) {
	k := keyring(t, &authtest.Memory{}, nil)
	_, plaintext := create(t, k, auth.Request{Name: "app"})
	_, err := k.Revoke(t.Context(), plaintext)
	if !errors.Is(err, auth.ErrNotFound) || strings.Contains(err.Error(), plaintext[13:]) {
		t.Errorf("revoking by the plain text: %v", err)
	}
}

// TestFloodOfBadKeys: bad keys cost neither memory nor log.
func TestFloodOfBadKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		k := keyring(t, &authtest.Memory{}, &log)
		foreign := keyring(t, &authtest.Memory{}, nil)
		const flood = 1000
		for range flood {
			_, plaintext := create(t, foreign, auth.Request{Name: "x"})
			code(t, k, plaintext)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines logged for %d bad keys at once, want 1", n, flood)
		}
		if got := k.Refusals()[auth.CodeInvalidKey]; got != flood {
			t.Errorf("%d refusals counted, want %d", got, flood)
		}
		time.Sleep(time.Second)
		code(t, k, "nonsense")
		if !strings.Contains(log.String(), fmt.Sprintf("suppressed=%d", flood-1)) {
			t.Errorf("the next line does not tell how many were left out:\n%s", log.String())
		}
		bad := bearer("fh_aaaaaaaaaa_" + strings.Repeat("0", 49))
		if allocs := testing.AllocsPerRun(100, func() { _, _ = k.Authenticate(bad) }); allocs > 20 {
			t.Errorf("a bad key costs %v allocations", allocs)
		}
	})
}

func TestAuthenticateAllocatesNothing(t *testing.T) {
	k := keyring(t, &authtest.Memory{}, nil)
	_, plaintext := create(t, k, auth.Request{Name: "app"})
	h := bearer(plaintext)
	if allocs := testing.AllocsPerRun(100, func() {
		if _, err := k.Authenticate(h); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("a good key costs %v allocations", allocs)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	k := keyring(b, &authtest.Memory{}, nil)
	_, plaintext := create(b, k, auth.Request{Name: "app"})
	h := bearer(plaintext)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Authenticate(h); err != nil {
			b.Fatal(err)
		}
	}
}
