package mock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// Recorder is a handler that passes requests on to a provider and keeps each
// exchange as a file (see [Recording]) that holds no secrets.
type Recorder struct {
	base      *url.URL
	dir       string
	transport http.RoundTripper
	clock     Clock
	header    http.Header
	number    atomic.Int64
}

// NewRecorder records exchanges with the provider at base (for example
// https://api.openai.com; the request's path is put behind it) into dir, which
// is made if it is not there. header is set on what goes out, for example the
// provider's key; it may be nil.
func NewRecorder(base, dir string, header http.Header, transport http.RoundTripper, clock Clock) (*Recorder, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("mock: %q is no base URL (want for example https://api.openai.com)", base)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("mock: the directory of recordings: %w", err)
	}
	files, err := recordings(dir)
	if err != nil {
		return nil, err
	}
	r := &Recorder{base: u, dir: dir, transport: transport, clock: clock, header: header}
	for _, f := range files { // numbers go on
		var n int64
		if _, err := fmt.Sscanf(filepath.Base(f), "%d-", &n); err == nil && n > r.number.Load() {
			r.number.Store(n)
		}
	}
	return r, nil
}

func recordings(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.rec.txt"))
	if err != nil {
		return nil, fmt.Errorf("mock: the directory of recordings: %w", err)
	}
	return files, nil
}

// patience is how long a provider may go on after its client has left.
const patience = 5 * time.Second

// hops are headers of one connection.
var hops = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Accept-Encoding", "Content-Length"}

// ServeHTTP passes the request on and records.
func (p *Recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, err error) {
		reply(w, status, map[string]any{"error": map[string]any{"message": "mock recorder: " + err.Error(), "type": "server_error", "code": nil, "param": nil}})
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
	if err != nil {
		fail(http.StatusBadRequest, err)
		return
	}
	u := *p.base
	u.Path = strings.TrimSuffix(u.Path, "/") + r.URL.Path
	u.RawQuery = r.URL.RawQuery
	// A client may leave as soon as it has seen the end; the provider's own end
	// is still waited for.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	stop := context.AfterFunc(r.Context(), func() {
		if p.clock.Sleep(ctx, patience) == nil {
			cancel()
		}
	})
	defer stop()
	out, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		fail(http.StatusBadRequest, err)
		return
	}
	out.Header = r.Header.Clone()
	for n, v := range p.header {
		out.Header[n] = v
	}
	for _, n := range hops {
		out.Header.Del(n)
	}
	started := p.clock.Now()
	rec := &Recording{Method: r.Method, Path: r.URL.RequestURI(), Header: out.Header, Body: body}
	secrets := append(credentials(out.Header), credentials(r.Header)...)
	res, err := p.transport.RoundTrip(out)
	if err != nil {
		fail(http.StatusBadGateway, errors.New("the provider did not answer: "+string(scrub([]byte(err.Error()), secrets...))))
		return
	}
	defer res.Body.Close()
	for n, v := range res.Header {
		w.Header()[n] = v
	}
	for _, n := range hops {
		w.Header().Del(n)
	}
	rec.Status, rec.Response = res.StatusCode, w.Header().Clone()
	secrets = append(secrets, credentials(res.Header)...)
	w.WriteHeader(res.StatusCode)
	flush := http.NewResponseController(w)
	left := false // the client left: nobody is told any more
	buf := make([]byte, 64<<10)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			rec.Chunks = append(rec.Chunks, Chunk{p.clock.Now().Sub(started), bytes.Clone(buf[:n])})
			if !left {
				_, err := w.Write(buf[:n])
				left = err != nil || flush.Flush() != nil
			}
		}
		if err != nil {
			rec.Cut = !errors.Is(err, io.EOF)
			break
		}
	}
	rec.End = p.clock.Now().Sub(started)
	if ctx.Err() == nil { // what we ourselves gave up is no example
		if err := p.keep(rec, secrets); err != nil {
			panic(http.ErrAbortHandler) // the client must not take it for recorded
		}
	}
	if rec.Cut {
		panic(http.ErrAbortHandler)
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// keep writes the recording without secrets.
func (p *Recorder) keep(rec *Recording, secrets []string) error {
	rec.scrub(secrets)
	key, _ := identity(rec.Method, rec.Path, rec.Body)
	path, _, _ := strings.Cut(rec.Path, "?")
	name := fmt.Sprintf("%04d-%s-%s.rec.txt", p.number.Add(1), strings.Trim(notInNames.ReplaceAllString(strings.ToLower(path), "-"), "-"), key[:8])
	temporary := filepath.Join(p.dir, "."+name)
	if err := os.WriteFile(temporary, rec.Encode(), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(p.dir, name))
}

// scrub masks the secrets everywhere. Chunks are seen as one text, so that a
// secret that two reads share is found.
func (r *Recording) scrub(secrets []string) {
	r.Header, r.Response = scrubHeader(r.Header, secrets), scrubHeader(r.Response, secrets)
	r.Path = string(scrub([]byte(scrubQuery(r.Path)), secrets...))
	r.Body = scrub(r.Body, secrets...)
	var all []byte
	for _, c := range r.Chunks {
		all = append(all, c.Data...)
	}
	all = scrub(all, secrets...)
	for i := range r.Chunks {
		n := len(r.Chunks[i].Data)
		r.Chunks[i].Data, all = all[:n], all[n:]
	}
}

var secretQuery = regexp.MustCompile(`(?i)([?&](?:key|api[-_]?key|token|access[-_]?token|sig|signature)=)[^&]*`)

func scrubQuery(path string) string { return secretQuery.ReplaceAllString(path, "${1}"+scrubbed) }

// Replay is a handler that answers from recordings.
type Replay struct {
	all    []*Recording
	byKey  map[string][]*Recording
	next   map[string]*atomic.Int64
	scale  float64
	player player
	done   chan struct{}
}

// NewReplay reads the recordings of dir. A request is recognised by method,
// path and canonical body; members that do not change the answer (user,
// metadata, store, stream_options, ...) do not count. What was recorded several
// times is replayed in order, the last for ever. scale stretches the recorded
// times: 1 keeps them, 0 answers at once.
func NewReplay(dir string, scale float64, clock Clock) (*Replay, error) {
	files, err := recordings(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("mock: there are no recordings (*.rec.txt) in %s", dir)
	}
	p := &Replay{byKey: map[string][]*Recording{}, next: map[string]*atomic.Int64{}, scale: scale, done: make(chan struct{})}
	p.player = player{clock: clock, done: p.done}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("mock: a recording: %w", err)
		}
		r, err := DecodeRecording(b)
		if err != nil {
			return nil, fmt.Errorf("mock: the recording %s: %w", f, err)
		}
		r.Name = filepath.Base(f)
		key, _ := identity(r.Method, r.Path, r.Body)
		p.all = append(p.all, r)
		p.byKey[key] = append(p.byKey[key], r)
		if p.next[key] == nil {
			p.next[key] = new(atomic.Int64)
		}
	}
	return p, nil
}

// ServeHTTP answers as it was recorded; a request that is not recorded gets
// 404 and the name of the recording nearest to it.
func (p *Replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"message": "mock replay: " + err.Error()}})
		return
	}
	key, members := identity(r.Method, r.URL.Path, body)
	found := p.byKey[key]
	if len(found) == 0 {
		message := "mock replay: this request is not recorded; " + p.nearest(r, members)
		reply(w, http.StatusNotFound, map[string]any{"type": "error", "error": map[string]any{"type": "not_found_error", "code": "not_recorded", "param": nil, "message": message}})
		return
	}
	n := p.next[key].Add(1)
	rec := found[min(int(n), len(found))-1]
	p.player.send(w, r, rec.script(p.scale), func(outcome) {})
}

// script plays the recording.
func (r *Recording) script(scale float64) *script {
	stretch := func(d time.Duration) time.Duration { return time.Duration(float64(d) * scale) }
	// Every answer goes in its own chunks; it is a stream unless its length was
	// told.
	s := &script{status: r.Status, header: r.Response.Clone(), stream: true}
	for _, n := range hops {
		s.header.Del(n)
	}
	before := time.Duration(0)
	for i, c := range r.Chunks {
		wait := stretch(c.At - before)
		if i == 0 {
			s.pause, wait = wait, 0
		}
		before = c.At
		s.steps = append(s.steps, step{kind: content, wait: wait, data: c.Data})
	}
	if r.Cut {
		s.ending = dropped
	}
	return s
}

func (p *Replay) nearest(r *http.Request, members map[string]any) string {
	var best *Recording
	var differ []string
	least := 0
	for _, o := range p.all {
		path, _, _ := strings.Cut(o.Path, "?")
		if o.Method != r.Method || path != r.URL.Path {
			continue
		}
		_, theirs := identity(o.Method, o.Path, o.Body)
		if n, names := distance(members, theirs); best == nil || n < least {
			best, least, differ = o, n, names
		}
	}
	if best == nil {
		return fmt.Sprintf("nothing is recorded for %s %s", r.Method, r.URL.Path)
	}
	return fmt.Sprintf("the nearest is %s, which differs in: %s", best.Name, strings.Join(differ, ", "))
}

// Close ends answers under way.
func (p *Replay) Close() { close(p.done) }
