package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"time"
)

// WholeAnswer is the limit to the response head of a call that does not stream
// and sets none: such an answer begins when the model has finished.
const WholeAnswer = 10 * time.Minute

// Call is one request to a provider. It may be sent several times, also to
// several providers at once; Send changes nothing in it.
type Call struct {
	Method string // "POST", "GET"
	Path   string // below the base URL, escaped, beginning with "/"
	Query  string // without "?", escaped; added to the base URL's
	// Header is sent besides the target's own and wins over it. Credentials,
	// cookies and hop-by-hop headers in it are left out: see Key.
	Header http.Header
	Key    Key // sent in the target's auth style; the zero Key sends none
	// Body must not change until Send has returned an error, or the reply's
	// body is closed or read to its end.
	Body []byte
	// Stream says that the answer is an event stream: its head comes early,
	// so that the target's Head limit holds. See WholeAnswer.
	Stream bool
	// Timeouts win over the target's where they are not 0.
	Timeouts Timeouts
}

// limits are the timeouts that hold for the call at a target with its own.
func (c *Call) limits(target Timeouts) Timeouts {
	if !c.Stream {
		target.Head = WholeAnswer
	}
	return c.Timeouts.over(target)
}

// check refuses what could move the request elsewhere or end a line early.
func (c *Call) check() error {
	switch {
	case c.Method != http.MethodGet && c.Method != http.MethodPost && c.Method != http.MethodHead &&
		c.Method != http.MethodPut && c.Method != http.MethodPatch && c.Method != http.MethodDelete:
		return errors.New("method is not one of GET, HEAD, POST, PUT, PATCH, DELETE")
	case !strings.HasPrefix(c.Path, "/") || !printable(c.Path) || strings.ContainsAny(c.Path, `?#\`):
		return errors.New("path must begin with / and be escaped")
	case !printable(c.Query) || strings.Contains(c.Query, "#"):
		return errors.New("query must be escaped")
	}
	// Dot segments, escaped ones too, must not climb out of the base path.
	for seg := range strings.SplitSeq(strings.ReplaceAll(strings.ToLower(c.Path), "%2e", "."), "/") {
		if seg == "." || seg == ".." {
			return errors.New("path must not have dot segments")
		}
	}
	if strings.ContainsAny(c.Key.value(), "\r\n\x00") {
		return errors.New("the key has a line break: check the secret it is read from")
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Reply is a provider's answer, whatever its status. The body must be closed.
type Reply struct {
	Status int
	Proto  string // "HTTP/1.1", "HTTP/2.0", ...
	Header http.Header
	Length int64 // announced length, -1: unknown
	// Delimited is false for an HTTP/1 body that ends with its connection: a
	// cut of it may look like an end, and only its content can tell.
	Delimited bool
	// Reused says that the connection had served before.
	Reused bool
	// Body gives the bytes as they come. A body that ends too early is an
	// error of kind Cut. The last bytes may come together with io.EOF. Reading
	// to io.EOF lets the connection serve again; closing before ends it.
	Body io.ReadCloser
}

// body is what both carriers put into Reply.Body.
type body interface {
	io.ReadCloser
	setIdle(time.Duration)
	endpoint() *endpoint
}

// SetIdle limits the silence that each Read from now on bears: at least d and
// at most d+d/16; 0 lifts the limit. Not to be called while a Read runs.
func (r *Reply) SetIdle(d time.Duration) {
	if b, ok := r.Body.(body); ok {
		b.setIdle(d)
	}
}

// ReadAll returns the whole body and closes it. More than limit bytes are an
// error of kind TooLarge, found from the announced length where there is one;
// what was read first is returned also with an error.
func (r *Reply) ReadAll(limit int64) ([]byte, error) { return r.ReadWithin(limit, nil) }

// Room says whether a buffer may have so many bytes.
type Room interface{ Need(size int) bool }

// ErrNoRoom is returned when a body needs more room than there is.
var ErrNoRoom = errors.New("no room for the answer")

// pieceSize is how far a body grows in one buffer. Of what comes after that
// without having been announced, each piece stays where it was read until all
// is there: a buffer that grows leaves as much behind as it holds.
const pieceSize = 1 << 20

// ReadWithin is ReadAll with room, which nil does not bound; else it may end
// with ErrNoRoom.
func (r *Reply) ReadWithin(limit int64, room Room) ([]byte, error) {
	defer r.Body.Close()
	if r.Length > limit {
		return nil, r.tooLarge()
	}
	var pieces [][]byte
	var had int64 // in pieces
	buf := make([]byte, 0, r.first())
	for {
		if len(buf) == cap(buf) {
			size := r.next(had + int64(len(buf)))
			if room != nil && !room.Need(int(size)) {
				return buf, ErrNoRoom
			}
			if len(buf) < pieceSize || r.Length > 0 {
				grown := make([]byte, len(buf), min(size, limit+1))
				copy(grown, buf)
				buf = grown
			} else {
				pieces, had = append(pieces, buf), had+int64(len(buf))
				buf = make([]byte, 0, min(pieceSize, limit+1-had))
			}
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if had+int64(len(buf)) > limit {
			return buf, r.tooLarge()
		}
		if err == io.EOF {
			return joined(pieces, buf, had, room)
		}
		if err != nil {
			return buf, err
		}
	}
}

// first is the size of the first buffer: an announcement alone must not take
// much memory.
func (r *Reply) first() int64 {
	if r.Length > 0 {
		return min(r.Length+1, pieceSize)
	}
	return 4 << 10
}

// next is the room that a body needs of which have bytes came: all that was
// announced, once a part of it has come, and a byte to see the end.
func (r *Reply) next(have int64) int64 {
	if r.Length > have {
		return min(r.Length+1, 4*have)
	}
	return have + max(min(have, pieceSize), 4<<10)
}

// joined puts the pieces of a body together; they are forgotten one by one.
func joined(pieces [][]byte, last []byte, had int64, room Room) ([]byte, error) {
	if len(pieces) == 0 {
		return last, nil
	}
	size := had + int64(len(last))
	if room != nil && !room.Need(int(2*size)) {
		return nil, ErrNoRoom
	}
	whole := make([]byte, 0, size)
	for i := range pieces {
		whole, pieces[i] = append(whole, pieces[i]...), nil
	}
	return append(whole, last...), nil
}

func (r *Reply) tooLarge() error {
	e := &Error{Kind: TooLarge, Sent: true, Err: errTooLarge}
	if b, ok := r.Body.(body); ok {
		e.Provider = b.endpoint().provider
	}
	return e
}

// canonical is the form in which http.Header keeps a name.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
