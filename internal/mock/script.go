package mock

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// script is an answer as it will be sent: everything is decided before the
// first byte, so that faults are plain edits of it.
type script struct {
	status int
	header http.Header
	stream bool
	pause  time.Duration // before the head
	hang   bool          // for ever, before the head
	steps  []step
	ending tail
}

// step is one event of a stream, or a plain body.
type step struct {
	kind stepKind
	wait time.Duration
	hang bool // wait for ever
	data []byte
}

type stepKind int

const (
	opening     stepKind = iota // before any content
	content                     // text, thinking, arguments
	closingStep                 // finish and usage
	endMark                     // [DONE], message_stop
	inserted                    // by a fault
)

type tail int

const (
	properly tail = iota
	dropped       // the connection is closed
	reset         // with a TCP reset
	noHead        // dropped before the head
)

// outcome is how the sending went.
type outcome string

const (
	completed outcome = "completed"
	canceled  outcome = "canceled" // the client left
	broken    outcome = "broken"   // a fault ended it
)

// plain is a script of one body.
func plain(status int, header http.Header, body []byte) *script {
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return &script{status: status, header: header, steps: []step{{kind: content, data: body}}}
}

func (s *script) size() int {
	n := 0
	for _, st := range s.steps {
		n += len(st.data)
	}
	return n
}

var errServerClosed = errors.New("mock: the server is closing")

// player sends scripts.
type player struct {
	clock Clock
	done  <-chan struct{} // the server closes
	// split cuts writes into pieces of random length.
	split bool
	seed  uint64
	crlf  bool
}

// send plays the script. settle is called once with the outcome, before the
// last bytes leave, so that a client that has the whole answer finds it
// counted. After a dropped or reset ending send panics with
// [http.ErrAbortHandler], which net/http expects.
func (p *player) send(w http.ResponseWriter, r *http.Request, s *script, settle func(outcome)) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-p.done:
			cancel(errServerClosed)
		case <-ctx.Done():
		}
	}()
	gone := func() {
		if errors.Is(context.Cause(ctx), errServerClosed) {
			settle(broken)
			panic(http.ErrAbortHandler)
		}
		settle(canceled)
		panic(http.ErrAbortHandler)
	}
	if s.hang {
		<-ctx.Done()
		gone()
	}
	if p.clock.Sleep(ctx, s.pause) != nil {
		gone()
	}
	if s.ending == noHead || s.ending == reset && len(s.steps) == 0 && s.status == 0 {
		settle(broken)
		p.drop(w, s.ending)
	}
	h := w.Header()
	for k, v := range s.header {
		h[k] = v
	}
	if !s.stream && h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.Itoa(s.size()))
	}
	w.WriteHeader(s.status)
	flush := http.NewResponseController(w)
	if s.stream {
		_ = flush.Flush() // a client that left is found by its context
	}
	last := len(s.steps) - 1
	for i, st := range s.steps {
		if st.hang {
			_ = flush.Flush() // what was said before the silence is said
			<-ctx.Done()
			gone()
		}
		if st.wait > 0 {
			if !s.stream && i > 0 {
				_ = flush.Flush() // as above
			}
		}
		if p.clock.Sleep(ctx, st.wait) != nil {
			gone()
		}
		if i == last && s.ending == properly {
			settle(completed)
		}
		for _, piece := range p.pieces(st.data, s.stream, uint64(i)) {
			if _, err := w.Write(piece); err != nil {
				gone()
			}
			if s.stream {
				if err := flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
					gone()
				}
			}
		}
	}
	if s.ending != properly {
		_ = flush.Flush() // the bytes before the cut shall arrive
		settle(broken)
		p.drop(w, s.ending)
	}
	if len(s.steps) == 0 {
		settle(completed)
	}
}

// pieces are the writes of one event.
func (p *player) pieces(data []byte, stream bool, salt uint64) [][]byte {
	if stream && p.crlf {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	if !stream || !p.split || len(data) < 2 || len(data) > 1<<16 {
		return [][]byte{data}
	}
	rnd := random(mix(p.seed ^ salt))
	var out [][]byte
	for len(data) > 0 {
		n := min(1+rnd.IntN(40), len(data))
		out, data = append(out, data[:n]), data[n:]
	}
	return out
}

// drop ends the connection.
func (p *player) drop(w http.ResponseWriter, e tail) {
	if e == reset {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0) // without it the close is an ordinary one
			}
			_ = c.Close() // the connection is given up
		}
	}
	panic(http.ErrAbortHandler)
}
