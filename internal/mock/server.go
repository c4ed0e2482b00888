package mock

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say what provider a [Server] plays. The zero value is one of every
// dialect that takes any key, is at once and never fails.
type Options struct {
	// Profile is [Any] when empty.
	Profile Profile
	// Seed chooses the texts, vectors, chances and splits.
	Seed uint64
	// Keys that are accepted; with none every request is.
	Keys []string
	// Models that exist; with none every model does (and three are listed).
	Models []string
	// Words is the least length of an ordinary answer (24 when 0); it is
	// shorter than twice that.
	Words int
	// Lenient names parameters that are accepted beside those of the profile.
	Lenient  []string
	Chunking Chunking
	// SplitWrites sends streams in pieces that end anywhere, also within a
	// character; CRLF ends their lines with CR LF.
	SplitWrites, CRLF bool
	Latency           Latency
	Faults            []*Fault
	// Prefill overrides what the profile does with a last assistant message on
	// the OpenAI paths: "always", "never" (the model answers anew) or "echo".
	Prefill string
	// Forgetful makes an answer that is continued by instruction begin anew.
	Forgetful bool
	// Context is how many tokens one input of a request for embeddings may have;
	// 0: what the profile says.
	Context int
	// Keep is how many requests are kept for [Server.Requests] (256 when 0), each
	// with at most KeepBytes of its body (1 MiB when 0).
	Keep, KeepBytes int
	// MaxBody is the largest body accepted, in bytes (32 MiB when 0).
	MaxBody int64
	Clock   Clock
}

// Server is the mock provider, an [http.Handler].
type Server struct {
	opts      Options
	traits    traits
	openai    *openai
	anthropic *anthropic
	cohere    *cohere
	armed     armed
	player    player
	book      book
	done      chan struct{}
	closing   sync.Once
	listener  *listener // nil unless started
	http      *http.Server
	served    chan struct{}
}

// New makes a server.
func New(o Options) *Server {
	if o.Profile == "" {
		o.Profile = Any
	}
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	if o.Words <= 0 {
		o.Words = 24
	}
	if o.Keep == 0 {
		o.Keep = 256
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 1 << 20
	}
	if o.MaxBody == 0 {
		o.MaxBody = 32 << 20
	}
	s := &Server{opts: o, traits: o.Profile.traits(), done: make(chan struct{})}
	switch o.Prefill {
	case "always", "never":
		s.traits.prefill, s.traits.echo = o.Prefill, false
	case "echo":
		s.traits.prefill, s.traits.echo = "always", true
	}
	a := author{seed: o.Seed, words: o.Words, forgetful: o.Forgetful}
	vectors := o.Profile.vectors()
	if o.Context > 0 {
		vectors.context = o.Context
	}
	s.openai = &openai{profile: o.Profile, traits: s.traits, vectors: vectors, shapes: newOpenAIShapes(s.traits, vectors, o.Lenient), author: a, chunks: o.Chunking}
	s.cohere = newCohere(vectors)
	s.anthropic = &anthropic{profile: o.Profile, author: a, chunks: o.Chunking}
	s.anthropic.message, s.anthropic.beta, s.anthropic.countToo = newAnthropicShapes(o.Lenient)
	s.armed.seed = o.Seed
	s.player = player{clock: o.Clock, done: s.done, split: o.SplitWrites, crlf: o.CRLF, seed: o.Seed}
	s.book.init(o.Keep, o.KeepBytes)
	s.SetFaults(o.Faults...)
	return s
}

// SetFaults replaces the faults and begins their counting anew. A refuse fault
// without a condition strikes at once.
func (s *Server) SetFaults(faults ...*Fault) {
	s.armed.set(faults)
	if s.listener == nil {
		return
	}
	for _, f := range faults {
		if f.kind == "refuse" && len(f.whens) == 0 {
			s.listener.refuse(f.delay)
			return
		}
	}
	s.listener.admit()
}

// Fail is SetFaults with specifications.
func (s *Server) Fail(specs ...string) error {
	faults, err := ParseFaults(strings.Join(specs, "\n"))
	if err != nil {
		return err
	}
	s.SetFaults(faults...)
	return nil
}

// ServeHTTP answers as the provider would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/mock/"); ok {
		s.control(w, r, rest)
		return
	}
	if r.URL.Path == "/health" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`) // a prober that left needs no answer
		return
	}
	x := &exchange{s: s, r: r, started: s.opts.Clock.Now()}
	x.entry = s.book.begin(r, x.started)
	defer x.settle(broken) // unless it was settled: a panic
	x.id = fmt.Sprintf("%016x%08x", mix(s.opts.Seed^uint64(x.entry.Number)), x.entry.Number)
	sc := x.answer(w)
	if sc == nil { // the client left while it sent
		x.settle(canceled)
		panic(http.ErrAbortHandler)
	}
	s.player.send(w, r, sc, x.settle)
}

// exchange is one request under way.
type exchange struct {
	s       *Server
	r       *http.Request
	started time.Time
	entry   *entry
	id      string
	route   route
	dialect dialect
	fault   *Fault
	model   string
	stream  bool
	settled bool
}

func (x *exchange) settle(o outcome) {
	if !x.settled {
		x.settled = true
		x.s.book.end(x.entry, o)
	}
}

// route is what a path means.
type route struct {
	name   string // chat, completions, embeddings, embed, models, messages, count_tokens
	model  string // of models/ID, or of the path of an Azure deployment
	method string
}

// find reads the path: any prefix and one of the known endings.
func find(path string) route {
	path = strings.TrimSuffix(path, "/")
	var r route
	if _, rest, ok := strings.Cut(path, "/deployments/"); ok {
		r.model, _, _ = strings.Cut(rest, "/")
	}
	for _, e := range []struct{ end, name string }{
		{"/chat/completions", "chat"}, {"/fim/completions", "completions"}, {"/completions", "completions"}, {"/embeddings", "embeddings"}, {"/v2/embed", "embed"},
		{"/messages/count_tokens", "count_tokens"}, {"/messages", "messages"}} {
		if strings.HasSuffix(path, e.end) {
			r.name, r.method = e.name, http.MethodPost
			return r
		}
	}
	if strings.HasSuffix(path, "/models") {
		return route{name: "models", method: http.MethodGet}
	}
	if _, id, ok := strings.Cut(path, "/models/"); ok {
		return route{name: "models", model: id, method: http.MethodGet}
	}
	return r
}

// answer decides everything; nil means that the client left.
func (x *exchange) answer(w http.ResponseWriter) *script {
	s, r := x.s, x.r
	x.route = find(r.URL.Path)
	x.dialect = s.openai
	isAnthropic := x.route.name == "messages" || x.route.name == "count_tokens" ||
		(r.Header.Get("Anthropic-Version") != "" || s.opts.Profile == Anthropic) && x.route.name != "chat" && x.route.name != "completions" && x.route.name != "embeddings"
	if isAnthropic {
		x.dialect = s.anthropic
	}
	isCohere := s.opts.Profile == Cohere
	if isCohere {
		x.dialect = s.cohere
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	s.book.body(x.entry, body)
	if err != nil {
		if r.Context().Err() != nil {
			return nil
		}
		return x.refuse(&problem{status: http.StatusRequestEntityTooLarge, message: "Request exceeds the maximum size", code: "request_too_large"})
	}
	switch {
	case x.route.name == "", isCohere != (x.route.name == "embed") && x.route.name != "models", s.traits.vectorsOnly && x.route.name != "embeddings" && x.route.name != "embed" && x.route.name != "models", isAnthropic && !s.traits.anthropic, !isAnthropic && !s.traits.openai:
		return x.refuse(&problem{status: http.StatusNotFound, message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)})
	case r.Method != x.route.method:
		return x.refuse(&problem{status: http.StatusMethodNotAllowed, message: fmt.Sprintf("Not allowed to %s on %s. (HINT: Perhaps you meant to use a different HTTP method?)", r.Method, r.URL.Path), code: "method_not_supported"})
	}
	key, bad := x.authorize()
	if bad != nil {
		return x.refuse(bad)
	}
	if r.Method == http.MethodGet {
		return x.models()
	}
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(t), "application/json") {
		return x.refuse(&problem{status: http.StatusUnsupportedMediaType, message: fmt.Sprintf("Invalid Content-Type header (%s), expected application/json.", t), code: "unsupported_content_type"})
	}
	tree, bad := parse(body)
	if bad != nil {
		return x.refuse(bad)
	}
	if x.route.model != "" && tree["model"] == nil { // Azure names it in the path
		tree["model"] = x.route.model
	}
	x.model, _ = tree["model"].(string)
	if x.route.model != "" {
		x.model = x.route.model
	}
	x.stream, _ = tree["stream"].(bool)
	if sc := x.strike(key); sc != nil {
		return sc
	}
	if s.opts.Models != nil && x.model != "" && !slices.Contains(s.opts.Models, x.model) {
		return x.refuse(x.noModel())
	}
	sc, bad := x.create(tree)
	if bad != nil {
		return x.refuse(bad)
	}
	x.latency(sc)
	x.headers(sc.header)
	if x.fault != nil {
		x.fault.strike(sc, x.dialect)
	}
	x.s.book.note(x.entry, x.model, x.stream, sc.status, x.fault, "")
	return sc
}

// strike chooses the fault; it returns the answer if that needs no other.
func (x *exchange) strike(key string) *script {
	sub := subject{model: x.model, path: x.route.name, key: key, stream: x.stream}
	x.fault = x.s.armed.choose(sub)
	if spec := x.r.Header.Get("X-Mock-Fault"); spec != "" {
		f, err := ParseFault(spec)
		if err != nil {
			return x.refuse(problemf(nil, "mock_fault", "mock: X-Mock-Fault: %v", err))
		}
		if f.named(sub) {
			x.fault = f
		}
	}
	f := x.fault
	if f == nil {
		return nil
	}
	switch f.kind {
	case "status":
		message := f.message
		if message == "" {
			message = map[int]string{401: "Incorrect API key provided.", 429: "Rate limit reached for requests.", 529: "Overloaded"}[f.status]
		}
		if message == "" {
			message = http.StatusText(f.status)
		}
		sc := plain(f.status, nil, x.dialect.failure(f.status, f.code, "", message, x.requestID()))
		x.headers(sc.header)
		f.retryHeaders(sc.header, x.s.opts.Clock.Now())
		x.s.book.note(x.entry, x.model, x.stream, f.status, f, "")
		return sc
	case "refuse":
		if x.s.listener != nil {
			x.s.listener.refuse(f.delay)
		}
		x.s.book.note(x.entry, x.model, x.stream, 0, f, "")
		return &script{ending: reset}
	}
	return nil
}

// create answers what was asked properly.
func (x *exchange) create(tree map[string]any) (*script, *problem) {
	s := x.s
	bare := x.fault != nil && x.fault.kind == "empty"
	noChoices := bare && x.fault.style == "choices"
	switch x.route.name {
	case "embeddings":
		b, p := s.openai.embeddings(tree, s.opts.Seed)
		if p != nil {
			return nil, p
		}
		if noChoices {
			t, _ := parse(b)
			t["data"] = []any{}
			b = []byte(compact(t))
		}
		return plain(http.StatusOK, nil, b), nil
	case "embed":
		b, p := s.cohere.embed(tree, s.opts.Seed, x.id)
		if p != nil {
			return nil, p
		}
		return plain(http.StatusOK, nil, b), nil
	case "completions":
		return s.openai.completion(tree, x.frame(), noChoices)
	case "count_tokens":
		q, p := s.anthropic.read(tree, x.r.Header.Get("Anthropic-Beta"), true)
		if p != nil {
			return nil, p
		}
		return plain(http.StatusOK, nil, []byte(compact(map[string]any{"input_tokens": q.count()}))), nil
	}
	var q *request
	var p *problem
	if x.dialect == s.anthropic {
		q, p = s.anthropic.read(tree, x.r.Header.Get("Anthropic-Beta"), false)
	} else {
		q, p = s.openai.readChat(tree)
	}
	if p != nil {
		return nil, p
	}
	as, d, p := s.openai.author.answers(q)
	if p != nil {
		return nil, p
	}
	if bare && x.fault.style == "answer" {
		for i := range as {
			as[i] = answer{finish: finished, key: as[i].key}
		}
	}
	if x.dialect == s.openai {
		return s.openai.chat(q, d, as, x.frame(), noChoices), nil
	}
	sc := s.anthropic.answer(q, d, as[0], "msg_"+x.id)
	if noChoices {
		s.anthropic.emptyOf(sc)
	}
	return sc, nil
}

func (x *exchange) frame() frame {
	f := frame{model: x.model, created: x.started.Unix(), fingerprint: fmt.Sprintf("fp_%010x", hash(x.s.opts.Seed, x.model)&0xffffffffff)}
	if x.route.name == "completions" {
		f.id = "cmpl-" + x.id
	} else {
		f.id = "chatcmpl-" + x.id
	}
	if p := x.s.opts.Profile; p == OpenAI || p == Any {
		f.tier = "default"
	}
	return f
}

// latency spreads the waits over the steps.
func (x *exchange) latency(sc *script) {
	l, key := x.s.opts.Latency, hash(x.s.opts.Seed, fmt.Sprint(x.entry.Number))
	sc.pause = l.add(l.FirstToken, key)
	if l.PerToken == 0 {
		return
	}
	seen := false
	for i := range sc.steps {
		if sc.steps[i].kind == content {
			if seen {
				sc.steps[i].wait = l.add(l.PerToken, key+uint64(i))
			}
			seen = true
		}
	}
	if !sc.stream {
		for i := range max(len(tokens(string(sc.steps[0].data)))-1, 0) {
			sc.steps[0].wait += l.add(l.PerToken, key+uint64(i))
		}
	}
}

func (x *exchange) refuse(p *problem) *script {
	status, body := x.dialect.refuse(p, x.requestID())
	sc := plain(status, nil, body)
	x.headers(sc.header)
	x.s.book.note(x.entry, x.model, x.stream, status, nil, string(body))
	return sc
}

// Close ends all requests under way and, of a started server, the listener
// and all connections.
func (s *Server) Close() error {
	s.closing.Do(func() { close(s.done) })
	if s.http == nil {
		return nil
	}
	err := s.http.Close()
	<-s.served
	return err
}

// Wait returns when ok says so of the counters, or with the context's error.
// It is asked whenever they change.
func (s *Server) Wait(ctx context.Context, ok func(Stats) bool) error { return s.book.wait(ctx, ok) }

// Stats are the counters.
func (s *Server) Stats() Stats { return s.book.stats() }

// Requests are the last requests, oldest first.
func (s *Server) Requests() []Request { return s.book.requests() }

// Reset forgets requests, counters (but for those in flight) and faults.
func (s *Server) Reset() {
	s.SetFaults()
	s.book.reset()
}
