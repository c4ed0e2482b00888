// Package pgvector reads and writes tables of PostgreSQL with the extension pgvector:
// such as there are, and such as it makes itself. Records are moved in PostgreSQL's
// binary formats, with no statement for each.
package pgvector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"freehold/internal/vector"
)

// Options say where a table is, and what its columns mean where it does not say so
// itself.
type Options struct {
	Host           string // with its port, if that is not 5432
	Database, User string
	Password       string      // empty: that of the user's .pgpass, or none
	TLS            *tls.Config // nil: none
	// Dial makes connections to the host with its port; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	Table string // or SCHEMA.TABLE

	ID              string        // column of the id; empty: the primary key
	NamespaceColumn string        // empty: the table has no namespaces, or it is the key's first column
	Payload         string        // jsonb column of which the members are fields; empty: the one of tables made here
	Vector          string        // only this column, or vector; empty: all
	Fields          []string      // only these columns are fields; none: all
	Namespace       *string       // only this one; nil: all
	Metric          vector.Metric // where no index says it

	// Typed: a table that is made has a column of each field that the description names,
	// of its type; else fields are members of the payload.
	Typed bool

	// Timeout is the time that one request has; 0: a minute. Counting has ten times
	// that, and making an index as long as it takes.
	Timeout time.Duration
}

// Store is a table. It is a [vector.Target].
type Store struct {
	options      Options
	schema, name string // schema "": that of the search path
	at           string // in errors
	pool         *pgxpool.Pool

	page atomic.Int64 // records that a page had, so that it had about pageBytes

	mu    sync.Mutex
	table *table // as it was when it was looked at last; nil: it was not
}

var _ vector.Target = (*Store)(nil)

const (
	// connections bounds what is asked at once: small servers take some 20 in all.
	connections = 12
	pageBytes   = 512 << 10
	// firstPage is how many records are asked for before it is known how large they
	// are.
	firstPage = 64
	maxPage   = 5000
	// longestName of PostgreSQL: what is longer is cut by it, without a word.
	longestName = 63
)

// Open makes a store; the first request connects it.
func Open(o Options) (*Store, error) {
	if o.Table == "" || o.Database == "" {
		return nil, errors.New("pgvector: the URL names no database or table: postgres://USER@HOST/DB?table=TABLE")
	}
	if _, _, err := net.SplitHostPort(o.Host); err != nil {
		o.Host = net.JoinHostPort(strings.Trim(o.Host, "[]"), "5432")
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	s := &Store{options: o, name: o.Table, at: "pgvector at " + o.Host + "/" + o.Database + " table " + o.Table}
	if schema, name, ok := strings.Cut(o.Table, "."); ok && schema != "" && name != "" {
		s.schema, s.name = schema, name
	}
	if len(s.name) > longestName {
		return nil, fmt.Errorf("%s: the table's name has %d bytes, and PostgreSQL's have at most %d", s.at, len(s.name), longestName)
	}
	s.page.Store(firstPage)
	u := url.URL{Scheme: "postgres", Host: o.Host, Path: "/" + o.Database, RawQuery: "sslmode=disable"}
	switch {
	case o.Password != "":
		u.User = url.UserPassword(o.User, o.Password)
	case o.User != "":
		u.User = url.User(o.User)
	}
	c, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.at, err)
	}
	// Whatever the environment says, this server is meant and no other one.
	c.ConnConfig.TLSConfig, c.ConnConfig.Fallbacks = o.TLS, nil
	c.ConnConfig.ConnectTimeout = 10 * time.Second
	c.ConnConfig.RuntimeParams = map[string]string{"application_name": "freehold", "timezone": "UTC", "datestyle": "ISO, MDY"}
	if o.Dial != nil {
		c.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // that is Dial's
		c.ConnConfig.DialFunc = func(ctx context.Context, _, address string) (net.Conn, error) { return o.Dial(ctx, address) }
	}
	// What is given up is ended at the server, too.
	c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Second}
	}
	c.MaxConns = connections
	switch o.Metric {
	case "", vector.Cosine, vector.Dot, vector.Euclid, vector.Manhattan, vector.Hamming, vector.Jaccard:
	default:
		return nil, fmt.Errorf("%s: metric=%s is none of cosine, dot, euclid, manhattan, hamming, jaccard", s.at, o.Metric)
	}
	if s.pool, err = pgxpool.NewWithConfig(context.Background(), c); err != nil {
		return nil, fmt.Errorf("%s: %w", s.at, err)
	}
	return s, nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// args are the parameters of a statement.
type args struct {
	values  [][]byte
	oids    []uint32
	formats []int16
	results []int16 // formats of the answer's columns; nil: binary
}

// Object ids of types that PostgreSQL fixes.
const (
	oidText, oidTexts     = 25, 1009
	oidInt8, oidInt8s     = 20, 1016
	oidUUID, oidUUIDs     = 2950, 2951
	oidJSONB, oidJSONBs   = 3802, 3807
	oidBit, oidBits       = 1560, 1561
	oidBool, oidBools     = 16, 1000
	oidInt2, oidInt2s     = 21, 1005
	oidInt4, oidInt4s     = 23, 1007
	oidFloat4, oidFloat4s = 700, 1021
	oidFloat8, oidFloat8s = 701, 1022
	oidVarchar, oidChar   = 1043, 1042
	oidNumeric, oidJSON   = 1700, 114
	oidDate, oidTimestamp = 1082, 1114
	oidTimestamptz        = 1184
)

// text adds a text, and is its place in the statement.
func (a *args) text(s string) string { return a.add(oidText, []byte(s), 0) }

// binary adds a value in binary format.
func (a *args) binary(oid uint32, v []byte) string { return a.add(oid, v, 1) }

func (a *args) add(oid uint32, v []byte, format int16) string {
	a.values, a.oids, a.formats = append(a.values, v), append(a.oids, oid), append(a.formats, format)
	return fmt.Sprintf("$%d", len(a.values))
}

// query runs a statement and yields its rows, which are valid for the call only.
func (s *Store) query(ctx context.Context, doing, sql string, a *args, row func(values [][]byte) error) error {
	return s.within(ctx, s.options.Timeout, doing, func(ctx context.Context, conn *pgconn.PgConn) error {
		return run(ctx, conn, sql, a, row)
	})
}

func run(ctx context.Context, conn *pgconn.PgConn, sql string, a *args, row func(values [][]byte) error) error {
	results := a.results
	if results == nil {
		results = []int16{1}
	}
	r := conn.ExecParams(ctx, sql, a.values, a.oids, a.formats, results)
	var wrong error
	for r.NextRow() {
		if wrong == nil && row != nil {
			wrong = row(r.Values())
		}
	}
	_, err := r.Close()
	return errors.Join(err, wrong)
}

// within does something with a connection, in a time; 0: in any.
func (s *Store) within(ctx context.Context, most time.Duration, doing string, do func(ctx context.Context, conn *pgconn.PgConn) error) error {
	timed := ctx
	if most > 0 {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, most)
		defer cancel()
	}
	c, err := s.pool.Acquire(timed)
	if err == nil {
		err = do(timed, c.Conn().PgConn())
		c.Release()
	}
	return s.failed(ctx, doing, err)
}

// failed makes a [vector.Error] of what went wrong.
func (s *Store) failed(ctx context.Context, doing string, err error) error {
	var own *vector.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	out := &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Unavailable, Message: err.Error(), Cause: ctx.Err()}
	var refused *pgconn.PgError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &refused):
		out.Trouble = trouble(refused.Code)
		out.Message = refused.Message
		if refused.Hint != "" {
			out.Message += ": " + refused.Hint
		}
		if out.Cause == nil { // by which those that wrote the statement tell what it was
			out.Cause = &sqlError{refused}
		}
	case errors.As(err, &unknown), errors.As(err, &host):
		out.Trouble = vector.Invalid
	case strings.Contains(out.Message, "server refused TLS connection"):
		out.Trouble = vector.Invalid
		out.Message = "the server has no TLS, and what is sent to another machine is encrypted: turn ssl on there"
	}
	return out
}

// sqlError keeps a server's error to be looked at; the message is told already.
type sqlError struct{ *pgconn.PgError }

func (e *sqlError) Error() string { return "SQLSTATE " + e.Code }

func trouble(code string) vector.Trouble {
	switch code {
	case "53300", "40001", "40P01", "55P03", "53200", "53400":
		return vector.Throttled // too many connections, serialization, deadlock, lock, memory, a limit
	case "42501":
		return vector.Denied
	case "42P01", "3F000":
		return vector.Missing
	}
	switch code[:min(2, len(code))] {
	case "08", "53", "57", "58", "XX": // connection, resources, intervention, its system, internal
		return vector.Unavailable
	case "28":
		return vector.Denied
	}
	return vector.Invalid
}

// invalid is the error of a request that is not even sent.
func (s *Store) invalid(doing, format string, args ...any) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: fmt.Sprintf(format, args...)}
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
