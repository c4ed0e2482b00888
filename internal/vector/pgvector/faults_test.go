package pgvector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"freehold/internal/vector"
	"freehold/internal/vector/pgvector/pgtest"
)

func troubled(t *testing.T, err error, want vector.Trouble, words string) {
	t.Helper()
	var is *vector.Error
	if !errors.As(err, &is) || is.Trouble != want || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "pgvector at ") {
		t.Errorf("%v, want %s and %q", err, want, words)
	}
	if err != nil && strings.Contains(err.Error(), "a test's password") {
		t.Errorf("the password is told: %v", err)
	}
}

func TestWhatIsAcknowledgedStays(t *testing.T) {
	server := pgtest.Start(t)
	s := openStore(t, server, Options{Table: "kept"})
	if err := s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}); err != nil {
		t.Fatal(err)
	}
	put := func(i int) error {
		return s.Put(t.Context(), "", []vector.Record{{ID: vector.IDOf(fmt.Sprint(i)), Vectors: []vector.Vector{{Dense: []float32{1, 2}}}}})
	}
	for i := range 3 {
		if err := put(i); err != nil {
			t.Fatal(err)
		}
		server.Crash(t)
		troubled(t, put(7), vector.Unavailable, "")
		server.Start(t)
		// Connections that died with it are found out one by one, at most.
		var err error
		for range connections + 1 {
			if err = put(i); err == nil {
				break
			}
			troubled(t, err, vector.Unavailable, "")
		}
		if n, failed := s.Count(t.Context(), ""); err != nil || failed != nil || n != int64(i)+1 {
			t.Errorf("after crash %d there are %d: %v %v", i, n, err, failed)
		}
	}
}

func TestTroubles(t *testing.T) {
	server := pgtest.Shared(t)
	good := openStore(t, server, Options{Table: server.Name(t)})
	if err := good.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}); err != nil {
		t.Fatal(err)
	}
	open := func(change func(o *Options)) *Store {
		t.Helper()
		o := good.options
		change(&o)
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	_, err := open(func(o *Options) { o.Password = "wrong" }).Describe(t.Context())
	troubled(t, err, vector.Denied, "password authentication failed")
	_, err = open(func(o *Options) { o.Database = "nowhere" }).Describe(t.Context())
	troubled(t, err, vector.Invalid, `"nowhere" does not exist`)
	_, err = open(func(o *Options) { o.Table = "nowhere" }).Count(t.Context(), "")
	troubled(t, err, vector.Missing, "no such table")
	_, err = open(func(o *Options) { o.Host = "127.0.0.1:1" }).Describe(t.Context())
	troubled(t, err, vector.Unavailable, "")
	_, err = good.Count(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}

	// A role that may connect once, and may read nothing.
	server.Exec(t, "CREATE ROLE guest LOGIN PASSWORD 'guest' CONNECTION LIMIT 1")
	t.Cleanup(func() { server.Exec(t, "DROP ROLE guest") })
	guest := func(o *Options) { o.User, o.Password = "guest", "guest" }
	first := open(guest)
	_, err = first.Count(t.Context(), "")
	troubled(t, err, vector.Denied, "permission denied")
	_, err = open(guest).Count(t.Context(), "")
	troubled(t, err, vector.Throttled, "too many connections")
	first.Close()

	// What is given up is given up by the server, too.
	blocker, release := context.WithCancel(t.Context())
	locked := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- good.within(blocker, 0, "test", func(ctx context.Context, conn *pgconn.PgConn) error {
			if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE "+good.regclass()+" IN ACCESS EXCLUSIVE MODE").ReadAll(); err != nil {
				return err
			}
			close(locked)
			<-ctx.Done()
			_, err := conn.Exec(context.WithoutCancel(ctx), "ROLLBACK").ReadAll()
			return err
		})
	}()
	<-locked
	slow := open(func(o *Options) { o.Timeout = 200 * time.Millisecond })
	slow.table = good.table
	troubled(t, slow.Put(t.Context(), "", []vector.Record{{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: []float32{1, 2}}}}}), vector.Unavailable, "")
	waiting := 1
	for waiting > 0 { // the server ends it when it reads the request to cancel
		var a args
		err := good.query(t.Context(), "test", "SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%' AND pid <> pg_backend_pid()", &a, func(v [][]byte) error {
			waiting = int(v[0][3])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, err := good.Count(t.Context(), ""); err != nil || n != 0 {
		t.Errorf("%d records: %v", n, err)
	}
}

func TestSQLStates(t *testing.T) {
	for code, want := range map[string]vector.Trouble{
		"40001": vector.Throttled, "40P01": vector.Throttled, "53300": vector.Throttled, "57014": vector.Unavailable, "57P03": vector.Unavailable, "08006": vector.Unavailable,
		"28P01": vector.Denied, "42501": vector.Denied, "42P01": vector.Missing, "22P02": vector.Invalid, "": vector.Invalid,
	} {
		if got := trouble(code); got != want {
			t.Errorf("%s is %s, want %s", code, got, want)
		}
	}
}

func TestOpen(t *testing.T) {
	for _, o := range []Options{{Host: "h", Database: "d"}, {Host: "h", Table: "t"}, {Host: "h", Database: "d", Table: strings.Repeat("x", 64)}, {Host: "h", Database: "d", Table: "t", Metric: "near"}} {
		if s, err := Open(o); err == nil {
			s.Close()
			t.Errorf("%+v is opened", o)
		}
	}
}
