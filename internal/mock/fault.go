package mock

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one way to fail and when. Make one with [ParseFault].
type Fault struct {
	kind   string // of the kinds below, or "status"
	status int    // of kind status
	after  after
	// delay is the length of a silence, the pause between events or the time
	// that connections are refused; 0 is for ever.
	delay         time.Duration
	first         time.Duration // slow: before the first token
	size          int           // hugeevent: bytes
	style         string        // garbage, empty: which; status: date
	retry         time.Duration // status: Retry-After; -1 for none
	never         bool          // status: x-should-retry: false
	code, message string
	whens         []when
	spec          string
}

// String is the specification that ParseFault read.
func (f *Fault) String() string { return f.spec }

// after is a place in an answer.
type after struct {
	unit byte // 'h' before the head, 'e' events, 'b' bytes, '%' percent of the bytes
	n    int
}

// when is one condition.
type when struct {
	word  string // n, every, p, model, path, key, stream, plain
	low   int    // n: low..high; every: low
	high  int
	share float64
	name  string
}

var faultKinds = []string{"cut", "cutclean", "stall", "garbage", "slow", "errorevent", "empty", "reset",
	"refuse", "auth", "noend", "nofinish", "badutf8", "dupkeys", "hugeevent"}

// ParseFault reads one fault:
//
//	SPEC = KIND [@WHEN]... [:ARG]...
//
// KIND is
//
//	200-599     this status in the dialect's envelope. ARGs: a DURATION or after=DURATION
//	            (Retry-After in seconds), ms (retry-after-ms as well), date (Retry-After as a
//	            date), noretry (x-should-retry: false), code=NAME, message=TEXT
//	auth        401: the key is not accepted
//	cut         the connection is dropped. ARG: AFTER (default 50%)
//	cutclean    the body ends there, but properly, without a finish. ARG: AFTER (default 50%)
//	reset       as cut, with a TCP reset
//	stall       silence. ARGs: AFTER (default head; in a plain answer at the latest before its
//	            last byte), DURATION (default until the client leaves)
//	slow        DURATION before each event (default 100ms). ARGs: DURATION, first=DURATION
//	errorevent  an error inside the 200 answer. ARGs: AFTER (default 1e), code=NAME, message=TEXT
//	garbage     ARG html (a page, 200), text (no JSON), json (JSON of another kind), empty-object,
//	            or AFTER (such text in the middle of a stream)
//	empty       ARG body (nothing at all; default), answer (a whole answer without content),
//	            choices (an answer without choices)
//	noend       a finish, but no [DONE] or message_stop
//	nofinish    no finish, but [DONE] or message_stop
//	badutf8     a byte that is no UTF-8 in the first text
//	dupkeys     the first event, or the plain answer, has a name twice
//	hugeevent   the first content event is padded. ARG: bytes (default 8388608)
//	refuse      the listener is closed: connections are refused. ARG: DURATION (default until
//	            the faults change). Without WHEN at once, else from the matching request on
//
// AFTER is head (before the response head), Ne (N events), Nb or N (N bytes of
// the body) or N% (of its bytes). In a plain answer an event is the whole body.
//
// WHEN is
//
//	@N @N+ @N-M   the Nth matching request, from the Nth on, the Nth to the Mth
//	@%N           each Nth matching request
//	@pX           with probability X (0..1), by the server's seed
//	@model=NAME @path=NAME @key=KEY @stream @plain    only such requests; path is chat,
//	              completions, embeddings, models, messages or count_tokens
//
// All must hold; each fault counts, from 1, the requests that meet its named
// conditions. In NAME, KEY and TEXT the characters @ : % and white space are
// written %40 %3A %25 %20. The first fault that matches a request is used.
func ParseFault(spec string) (*Fault, error) {
	f := &Fault{spec: spec, retry: -1}
	bad := func(format string, args ...any) (*Fault, error) {
		return nil, fmt.Errorf("fault %q: %s", spec, fmt.Sprintf(format, args...))
	}
	parts := strings.Split(spec, ":")
	heads := strings.Split(parts[0], "@")
	f.kind = heads[0]
	for _, h := range heads[1:] {
		w, err := parseWhen(h)
		if err != nil {
			return bad("%v", err)
		}
		f.whens = append(f.whens, w)
	}
	if code, err := strconv.Atoi(f.kind); err == nil && len(f.kind) == 3 && code >= 200 && code <= 599 {
		f.kind, f.status = "status", code
	} else if f.kind == "auth" {
		f.kind, f.status, f.code = "status", http.StatusUnauthorized, "invalid_api_key"
	} else if !slices.Contains(faultKinds, f.kind) {
		return bad("there is no kind %q; a status of 200-599, or one of %s", f.kind, strings.Join(faultKinds, ", "))
	}
	f.defaults()
	for _, arg := range parts[1:] {
		if err := f.argument(arg); err != nil {
			return bad("%v", err)
		}
	}
	return f, nil
}

// ParseFaults reads faults separated by commas, white space or lines; lines
// that begin with # are comments.
func ParseFaults(text string) ([]*Fault, error) {
	var out []*Fault
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, s := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
			f, err := ParseFault(s)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
	}
	return out, nil
}

func (f *Fault) defaults() {
	switch f.kind {
	case "cut", "cutclean", "reset":
		f.after = after{'%', 50}
	case "stall":
		f.after = after{'h', 0}
	case "slow":
		f.delay = 100 * time.Millisecond
	case "errorevent":
		f.after = after{'e', 1}
	case "garbage":
		f.style = "html"
	case "empty":
		f.style = "body"
	case "hugeevent":
		f.size = 8 << 20
	}
}

func (f *Fault) argument(arg string) error {
	name, value, named := strings.Cut(arg, "=")
	takes := func(kinds ...string) bool { return slices.Contains(kinds, f.kind) }
	if named {
		if name == "after" || name == "first" {
			d, err := parseDelay(value)
			if err != nil {
				return err
			}
			switch {
			case name == "after" && f.status > 0:
				f.retry = d
				return nil
			case name == "first" && f.kind == "slow":
				f.first = d
				return nil
			}
		}
		text, err := url.PathUnescape(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if takes("status", "errorevent") && text != "" {
			switch name {
			case "code":
				f.code = text
				return nil
			case "message":
				f.message = text
				return nil
			}
		}
		return fmt.Errorf("kind %s takes no argument %q", f.kind, name)
	}
	switch {
	case f.kind == "status" && (arg == "ms" || arg == "date"):
		f.style = arg
		return nil
	case f.kind == "status" && arg == "noretry":
		f.never = true
		return nil
	case f.kind == "garbage" && slices.Contains([]string{"html", "text", "json", "empty-object"}, arg),
		f.kind == "empty" && slices.Contains([]string{"body", "answer", "choices"}, arg):
		f.style = arg
		return nil
	case f.kind == "hugeevent":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > 64<<20 {
			return fmt.Errorf("size %q: want 1-67108864 bytes", arg)
		}
		f.size = n
		return nil
	}
	if takes("cut", "cutclean", "reset", "stall", "errorevent", "garbage") {
		if a, ok := parseAfter(arg); ok {
			f.after = a
			if f.kind == "garbage" {
				f.style = "middle"
			}
			return nil
		}
	}
	if takes("stall", "slow", "refuse", "status") {
		if d, err := parseDelay(arg); err == nil {
			if f.kind == "status" {
				f.retry = d
			} else {
				f.delay = d
			}
			return nil
		}
	}
	return fmt.Errorf("kind %s takes no argument %q", f.kind, arg)
}

func parseDelay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration (for example 1.5s)", s)
	}
	return d, nil
}

func parseAfter(s string) (after, bool) {
	if s == "head" {
		return after{'h', 0}, true
	}
	if s == "" {
		return after{}, false
	}
	unit := s[len(s)-1]
	switch unit {
	case 'e', 'b', '%':
		s = s[:len(s)-1]
	default:
		unit = 'b'
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || s[0] == '+' || unit == '%' && n > 100 {
		return after{}, false
	}
	return after{unit, n}, true
}

func parseWhen(s string) (when, error) {
	if name, value, ok := strings.Cut(s, "="); ok {
		v, err := url.PathUnescape(value)
		if err != nil || v == "" || !slices.Contains([]string{"model", "path", "key"}, name) {
			return when{}, badWhen(s)
		}
		return when{word: name, name: v}, nil
	}
	positive := func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n > 0 && s[0] != '+'
	}
	switch {
	case s == "stream" || s == "plain":
		return when{word: s}, nil
	case strings.HasPrefix(s, "%"):
		if n, ok := positive(s[1:]); ok {
			return when{word: "every", low: n}, nil
		}
	case strings.HasPrefix(s, "p"):
		if x, err := strconv.ParseFloat(s[1:], 64); err == nil && x >= 0 && x <= 1 {
			return when{word: "p", share: x}, nil
		}
	case strings.HasSuffix(s, "+"):
		if n, ok := positive(s[:len(s)-1]); ok {
			return when{word: "n", low: n, high: int(^uint(0) >> 1)}, nil
		}
	case strings.Contains(s, "-"):
		a, b, _ := strings.Cut(s, "-")
		low, ok := positive(a)
		high, ok2 := positive(b)
		if ok && ok2 && low <= high {
			return when{word: "n", low: low, high: high}, nil
		}
	default:
		if n, ok := positive(s); ok {
			return when{word: "n", low: n, high: n}, nil
		}
	}
	return when{}, badWhen(s)
}

func badWhen(s string) error {
	return fmt.Errorf("cannot read the condition @%s: it is one of @3, @3+, @3-5, @%%3, @p0.1, @stream, @plain, @model=NAME, @path=NAME, @key=KEY", s)
}
