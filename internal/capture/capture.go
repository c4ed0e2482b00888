// Package capture keeps the prompts and answers of workloads whose
// configuration says so, and of no others.
//
// A text is sealed with AES-256-GCM before it reaches the store; the key stands
// outside the state, in the configuration, by reference. Texts go when their
// time is up, or when they are erased by request, key, end user or workload.
// Every look at them, and every erasure, is in the history before it happens.
//
// Keeping is off the request path: [Vault.Keep] puts an exchange into a bounded
// queue, and one goroutine seals and stores. What does not fit is not kept, and
// counted: capture delays nobody. Nothing here leaves the machine that the
// state is on.
package capture

import (
	"context"
	"errors"
	"time"

	"freehold/internal/history"
)

// MaxText bounds what is kept of a request's body and of an answer, in bytes
// each. What is longer is cut, and marked.
const MaxText = 1 << 20

// The kinds of this package's records in the history; that a workload's capture
// was switched is [history.KindCapture].
const (
	KindRead  history.Kind = "capture.read"
	KindList  history.Kind = "capture.list"
	KindErase history.Kind = "capture.erase"
)

// Facts of a captured request that are not sealed.
type Facts struct {
	ID        string // the request's
	Time      time.Time
	Workload  string
	KeyID     string   // the virtual key; empty without authentication
	Tenant    string   // whose request it was; empty: nobody's
	Classes   []string // data classes that governed it
	Dialect   string   // that the client speaks: of both texts
	Operation string
	Outcome   string // as the ledger has it
}

// Exchange is a request that ended, to be kept. Its slices and functions are
// the Vault's from then on.
type Exchange struct {
	Facts
	Retention time.Duration
	Request   []byte // the body as the client sent it, whole
	User      string // end user that the body names; "" for none
	// Answer gives the answer as the client saw it, in the client's dialect: a
	// plain answer's bytes, or the plain form of a stream. It is called on the
	// Vault's goroutine.
	Answer func() (Text, error)
	// AnswerSize is about how much memory Answer holds, in bytes.
	AnswerSize int
}

// size is what an exchange holds in memory.
func (e *Exchange) size() int64 { return int64(len(e.Request) + e.AnswerSize) }

// Text is a body that was kept: its first [MaxText] bytes, and how long it was.
type Text struct {
	Body []byte
	Size int64
}

// Cut keeps as much of a body as is kept.
func Cut(body []byte) Text {
	return Text{Body: body[:min(len(body), MaxText)], Size: int64(len(body))}
}

// IsCut reports whether there was more than is kept.
func (t Text) IsCut() bool { return t.Size > int64(len(t.Body)) }

// Entry is a captured request without its texts.
type Entry struct {
	Facts
	Expires time.Time
	Size    int64  // of the sealed texts, bytes
	SealKey string // id of the key that seals it
}

// Record is a captured request with its texts.
type Record struct {
	Entry
	User            string // end user, as the request named it
	Request, Answer Text
}

// Filter selects captured requests; zero fields select all.
type Filter struct {
	ID       string
	Workload string
	KeyID    string
	Tenant   string
	User     string // as requests named it
	Since    time.Time
	Until    time.Time // before
	Limit    int       // 0: all
}

// Erased is what an erasure deleted.
type Erased struct {
	Texts    int // requests whose texts they were
	Comments int // of callers, on requests
}

// Sealed is a captured request as a store holds it.
type Sealed struct {
	Entry
	UserMark []byte // see [Query]
	Text     []byte
}

// Query is a [Filter] in the words of a store, which knows end users by their
// marks only: a keyed hash, so that no name of a person is in the state.
type Query struct {
	ID, Workload, KeyID, Tenant string
	UserMark                    []byte
	Since, Until                time.Time
	AliveAt                     time.Time // not expired then; zero: also what has expired
	Limit                       int
}

// Store holds sealed captures.
type Store interface {
	// CaptureSalt keeps fresh as the state's salt unless it has one, and
	// returns the one it has.
	CaptureSalt(ctx context.Context, fresh []byte) ([]byte, error)
	// AddCaptures stores all or none. One whose ID is stored already is left out.
	AddCaptures(ctx context.Context, batch []Sealed) error
	// Captures lists what q selects, newest first, without texts.
	Captures(ctx context.Context, q Query) ([]Entry, error)
	// Capture returns one that has not expired at a time; else [ErrNotFound].
	Capture(ctx context.Context, id string, at time.Time) (Sealed, error)
	// EraseCaptures deletes what q selects, at most q.Limit, and returns how
	// many it were. Their bytes are gone from the store's files as far as the
	// store can bring that about, and stay gone after a power cut.
	EraseCaptures(ctx context.Context, q Query) (int, error)
	// EraseComments takes the comments from what callers said of the requests that q
	// selects, at most q.Limit, in the way of EraseCaptures, and returns how many it
	// were. Requests whose texts are not kept count, too; which end user they are of
	// is known only of those that are.
	EraseComments(ctx context.Context, q Query) (int, error)
	// ExpireCaptures deletes up to limit whose time is up at now.
	ExpireCaptures(ctx context.Context, now time.Time, limit int) (int, error)
}

// Errors to ask for with errors.Is.
var (
	ErrNotFound = errors.New("no captured text")
	ErrNoKey    = errors.New("the capture key is not known here")
	ErrWrongKey = errors.New("another capture key is needed")
	ErrDamaged  = errors.New("the captured text is damaged")
	ErrNothing  = errors.New("an erasure must say what: a request, key, tenant, user or workload")
)
