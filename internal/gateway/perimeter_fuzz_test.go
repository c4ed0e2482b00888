package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/health"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/upstream"
)

// decisions is how many random requests a test makes: FREEHOLD_PERIMETER says
// otherwise (make perimeter).
func decisions(t *testing.T, usual int) int {
	t.Helper()
	v := os.Getenv("FREEHOLD_PERIMETER")
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// spy stands in for a provider: it notes what it gets, and answers as it likes.
type spy struct {
	name   string
	claude bool
	w      *watch
}

// watch is what all spies of a world have seen of one request.
type watch struct {
	mu   sync.Mutex
	rand *rand.Rand
	got  map[string][]byte // by provider
}

func (s *spy) Send(ctx context.Context, permit upstream.Permit, call *upstream.Call) (*upstream.Reply, error) {
	if !permit.Allows(s.name) {
		return nil, &upstream.Error{Kind: upstream.Refused, Provider: s.name}
	}
	s.w.mu.Lock()
	draw := s.w.rand.IntN(12)
	if draw > 0 {
		s.w.got[s.name] = append(s.w.got[s.name], call.Body...)
	}
	s.w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &upstream.Error{Kind: upstream.Canceled, Provider: s.name, Err: err}
	}
	status, body := 200, s.answer(call)
	switch draw {
	case 0:
		return nil, &upstream.Error{Kind: upstream.Connect, Provider: s.name, Err: errors.New("refused")}
	case 1:
		return nil, &upstream.Error{Kind: upstream.Reset, Provider: s.name, Sent: true, Err: errors.New("reset")}
	case 2, 3, 4:
		status, body = []int{500, 429, 401, 404, 307, 400}[s.draw(6)], `{"error":{"message":"no","type":"t"}}`
	case 5:
		body = body[:s.draw(len(body))] // cut, or a part of a JSON text
	case 6:
		body = "garbage"
	}
	h := http.Header{"Content-Type": {"application/json"}, "Location": {"http://127.0.0.1:2/"}}
	return &upstream.Reply{Status: status, Header: h, Length: -1, Delimited: true, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (s *spy) draw(n int) int {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.rand.IntN(n)
}

func (s *spy) answer(call *upstream.Call) string {
	stream := call.Stream
	switch {
	case strings.HasSuffix(call.Path, "/embeddings"):
		return `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`
	case strings.HasSuffix(call.Path, "/count_tokens"):
		return `{"input_tokens":1}`
	case !s.claude && !strings.Contains(call.Path, "/chat/") && stream:
		return "data: {\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"hello [CARD_1]\",\"finish_reason\":null}]}\n\n" +
			"data: {\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	case !s.claude && !strings.Contains(call.Path, "/chat/"):
		return `{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"hello [CARD_1]","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}`
	case s.claude && stream:
		return "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n" +
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello [CARD_1] world\"}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" and more\"}}\n\n" +
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	case s.claude:
		return `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello [CARD_1] world"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":3}}`
	case stream:
		return "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hello [CARD\"},\"finish_reason\":null}]}\n\n" +
			"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"_1] world\"},\"finish_reason\":null}]}\n\n" +
			"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" and more\"},\"finish_reason\":null}]}\n\n" +
			"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	}
	return `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello [CARD_1] world"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}`
}

// open makes the world's fleet, with spies for providers.
func (w *world) open(t *testing.T, cat *catalog.Catalog, watched *watch) {
	t.Helper()
	cfg, ds := config.Parse("config.yaml", []byte(w.text), config.Env{Catalog: fleet.Presets{Catalog: cat}, Now: time.Now})
	if cfg == nil {
		t.Fatalf("%s\n%s", ds, w.text)
	}
	f, err := fleet.Build(fleet.Sources{
		Config: cfg, Catalog: cat, Prices: cat.PriceBook(nil), Health: health.New(health.Options{Now: time.Now}), Log: slog.New(slog.DiscardHandler),
		Codecs: map[string]dialect.Codec{"openai": openaichat.Codec{}, "anthropic": anthropic.Codec{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Deployments() {
		d.Sender = &spy{d.Provider.Name, d.Provider.Codec.Name() == "anthropic", watched}
	}
	w.fleet = f
}

// counts is what the requests of a test have been through.
type counts struct {
	mu                                                           sync.Mutex
	sent, nowhere, hedges, seams, fallbacks, redacted, tightened int
	cascades                                                     int // that asked somebody
	ops                                                          map[string]int
}

func (*counts) Begin(*ledger.Row) error { return nil }
func (*counts) End(*ledger.Row) error   { return nil }

func (c *counts) Done(r *ledger.Row, _ http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(r.Attempts) > 0 {
		c.ops[r.Operation]++
	}
	c.seams += len(r.Seams)
	for i := range r.Attempts {
		switch {
		case strings.HasPrefix(r.Attempts[i].Cause, "cascade "):
			if i == 0 {
				c.cascades++
			}
		case r.Attempts[i].Cause == "hedge":
			c.hedges++
		case i > 0:
			c.fallbacks++
		}
	}
	for i := range r.Detected {
		if len(r.Attempts) == 0 {
			break
		}
		switch r.Detected[i].Action {
		case "redact":
			c.redacted++
		case "tighten":
			c.tightened++
		}
	}
}

// Whatever the configuration, the request's labels and the providers' failures:
// no byte reaches a provider that may not see it, and no text that is to be
// redacted or blocked reaches any.
func TestNoByteLeavesItsPerimeter(t *testing.T) {
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, seed := decisions(t, 3000), uint64(1)
	if n > 3000 {
		seed = uint64(time.Now().UnixNano())
	}
	if v := os.Getenv("FREEHOLD_SEED"); v != "" {
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FREEHOLD_SEED=%d asks the same of the same worlds", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	watched := &watch{rand: rand.New(rand.NewPCG(seed, 2))} // attempts that race draw from it
	urls := rawServers(t, watched)
	done := &counts{ops: map[string]int{}}
	const perWorld = 100
	for left := n; left > 0; left -= perWorld {
		w := drawWorld(r, urls)
		w.open(t, cat, watched)
		g := &gateway.Gateway{
			Journal: done, Observer: done, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Estimator: &meter.Estimator{},
			Pick: fleet.Pick, MaxAnswer: 1 << 20, MaxEvent: 1 << 16,
		}
		for range perWorld {
			x := draw(r, w)
			watched.mu.Lock()
			watched.got = map[string][]byte{}
			watched.mu.Unlock()
			x.serve(g, w)
			watched.mu.Lock()
			for name, body := range watched.got {
				done.sent++
				if !w.permits(name, x.classes, x.tenant) || x.blocked || slices.ContainsFunc(x.redacted, func(core string) bool { return bytes.Contains(body, []byte(core)) }) {
					t.Errorf("provider %s got %q of classes %v, tenant %q, blocked %v, redacted %v\n%s", name, body, x.classes, x.tenant, x.blocked, x.redacted, w.text)
				}
			}
			if len(watched.got) == 0 {
				done.nowhere++
			}
			watched.mu.Unlock()
			if t.Failed() {
				return
			}
		}
		w.fleet.Retire(&fleet.Fleet{})
	}
	t.Logf("%d deliveries, %d requests that went nowhere, %d fallbacks, %d hedges, %d seams, %d redacted, %d tightened, %d cascades, asked for %v",
		done.sent, done.nowhere, done.fallbacks, done.hedges, done.seams, done.redacted, done.tightened, done.cascades, done.ops)
	if min(done.sent, done.nowhere, done.fallbacks, done.hedges, done.seams, done.redacted, done.tightened, done.cascades) == 0 || len(done.ops) < 5 {
		t.Error("the test has not tried all of them")
	}
}

// rawServers stand for the providers on raw paths, which go over a connection.
func rawServers(t *testing.T, w *watch) []string {
	t.Helper()
	var urls []string
	for i := range 4 {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			name := fmt.Sprintf("p%d", i)
			w.mu.Lock()
			w.got[name] = append(append(w.got[name], r.URL.String()...), body...)
			w.mu.Unlock()
			if _, err := io.WriteString(rw, "{}"); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(s.Close)
		urls = append(urls, s.URL)
	}
	return urls
}

// ask is a random request and what is to become of it.
type ask struct {
	op       llm.Operation // empty: a raw path
	model    string
	prompt   string
	query    string
	claude   bool
	stream   bool
	header   http.Header
	key      []string
	said     []string
	classes  []string // all that govern it
	tenant   string
	blocked  bool
	redacted []string // what no provider may see
}

func draw(r *rand.Rand, w *world) ask {
	x := ask{op: llm.Chat, claude: r.IntN(2) == 0, stream: r.IntN(2) == 0, header: http.Header{}}
	workload := ""
	if work := one(r, w.workloads); r.IntN(4) > 0 {
		x.model, workload = work.name, work.name
		if work.class != "" {
			x.classes = append(x.classes, work.class)
		}
	} else {
		x.model = one(r, []string{"m0", "m1", "m2"})
	}
	switch r.IntN(12) {
	case 0:
		x.op, x.claude, x.stream = llm.CountTokens, true, false
	case 1:
		x.op, x.claude, x.stream = llm.Completion, false, r.IntN(2) == 0
	case 2, 3:
		x.op, x.claude, x.stream, x.model, workload = llm.Embedding, false, false, "e", ""
	case 4:
		x.op, x.classes, workload = "", nil, ""
	}
	if x.op != "" && workload == "" {
		x.classes = nil
	}
	if r.IntN(4) == 0 {
		x.key = []string{one(r, w.classes).name}
	}
	if r.IntN(4) == 0 {
		x.said = []string{one(r, w.classes).name}
	}
	x.classes = slices.Concat(x.classes, x.key, x.said)
	if r.IntN(20) == 0 {
		x.said, x.blocked = append(x.said, one(r, []string{"public", "C0", "c0\u200b"})), true
	}
	switch r.IntN(8) {
	case 0:
		x.tenant = one(r, w.tenants).name
		x.header.Set("X-Tenant", x.tenant)
	case 1:
		x.header.Set("X-Tenant", one(r, []string{"nobody", "T0", ""}))
		x.blocked = true
	}
	x.prompt = "hello"
	for range max(0, r.IntN(5)-2) {
		s := one(r, samples)
		if form := one(r, s.forms); x.op == "" && r.IntN(2) == 0 {
			x.query += "&q=" + url.QueryEscape(form)
		} else {
			x.prompt += " and " + form
		}
		for _, d := range w.detectors {
			if d.kind != s.kind || d.workloads != nil && !slices.Contains(d.workloads, workload) {
				continue
			}
			switch {
			case d.hit == "tighten":
				x.classes = append(x.classes, d.class)
			case d.hit == "block" || x.op == "":
				x.blocked = true
			default:
				x.redacted = append(x.redacted, s.core)
			}
		}
	}
	return x
}

// serve has the gateway answer, and takes the panic by which a broken answer
// cuts the client's connection.
func (x *ask) serve(g *gateway.Gateway, w *world) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	c := x.call(w)
	if x.op == "" {
		req := httptest.NewRequest(http.MethodPost, "/v1/files?"+x.query, nil)
		(&gateway.Relay{Gateway: g}).Serve(context.Background(), httptest.NewRecorder(), req, c)
		return
	}
	g.Serve(context.Background(), httptest.NewRecorder(), c)
}

func (x *ask) call(w *world) *gateway.Call {
	c := &gateway.Call{
		ID: "01890a5d-ac96-774b-bcce-000000000001", Received: time.Now(), Op: x.op, Codec: openaichat.Codec{}, Header: x.header,
		Caller: gateway.Caller{Classes: x.key}, Fleet: w.fleet, Classes: x.said,
	}
	if x.claude {
		c.Codec = anthropic.Codec{}
	}
	switch x.op {
	case llm.Chat:
		c.Raw = fmt.Appendf(nil, `{"model":%q,"stream":%v,"max_tokens":100,"messages":[{"role":"user","content":"%s"}]}`, x.model, x.stream, x.prompt)
	case llm.CountTokens:
		c.Raw = fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"%s"}]}`, x.model, x.prompt)
	case llm.Completion:
		c.Raw = fmt.Appendf(nil, `{"model":%q,"stream":%v,"max_tokens":100,"prompt":"%s"}`, x.model, x.stream, x.prompt)
	case llm.Embedding:
		c.Raw = fmt.Appendf(nil, `{"model":%q,"input":["%s"]}`, x.model, x.prompt)
	default:
		c.Op, c.Raw = "relay", []byte(x.prompt)
	}
	return c
}
