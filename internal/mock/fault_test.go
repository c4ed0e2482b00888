package mock_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// got is what a client has received: status, body and how it ended.
type got struct {
	status int
	header http.Header
	body   string
	err    error
}

func (g got) events() []string {
	var out []string
	sc := bufio.NewScanner(strings.NewReader(g.body))
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		if d, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			out = append(out, d)
		}
	}
	return out
}

func request(ctx context.Context, t *testing.T, s *mock.Server, path string, stream bool, fault string) *http.Request {
	t.Helper()
	body := object{"model": "m", "messages": []object{message("user", "hi")}, "stream": stream}
	if path == "/v1/messages" {
		body["max_tokens"] = 500
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL()+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	if fault != "" {
		r.Header.Set("X-Mock-Fault", fault)
	}
	return r
}

func fetch(t *testing.T, s *mock.Server, path string, stream bool, fault string) got {
	t.Helper()
	res, err := mocktest.Client().Do(request(context.Background(), t, s, path, stream, fault))
	if err != nil {
		return got{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return got{res.StatusCode, res.Header, string(b), err}
}

const chatPath, messagesPath = "/v1/chat/completions", "/v1/messages"

func TestFaults(t *testing.T) {
	tick := &clock{now: time.Unix(1700000000, 0)}
	s := mocktest.Start(t, mock.Options{Clock: tick})
	whole := map[string]got{}
	for _, p := range []string{chatPath, messagesPath} {
		whole[p] = fetch(t, s, p, true, "")
		whole[p+" plain"] = fetch(t, s, p, false, "")
	}
	cutOff := func(g got) bool { return errors.Is(g.err, io.ErrUnexpectedEOF) }
	tests := []struct {
		fault  string
		stream bool
		holds  func(path string, g got) bool
	}{
		{"429:1500ms:ms", true, func(p string, g got) bool {
			return g.status == 429 && g.header.Get("Retry-After") == "2" && g.header.Get("Retry-After-Ms") == "1500" && strings.Contains(g.body, `"error"`)
		}},
		{"503:after=60s:date:noretry", false, func(p string, g got) bool {
			at, err := http.ParseTime(g.header.Get("Retry-After"))
			return err == nil && !at.IsZero() && g.status == 503 && g.header.Get("X-Should-Retry") == "false"
		}},
		{"400:code=context_length_exceeded:message=too%20long%3A%209", false, func(p string, g got) bool {
			return g.status == 400 && strings.Contains(g.body, "too long: 9") && (p == messagesPath || strings.Contains(g.body, `"code":"context_length_exceeded"`))
		}},
		{"529", true, func(p string, g got) bool {
			return g.status == 529 && (p == chatPath || strings.Contains(g.body, "overloaded_error"))
		}},
		{"auth", false, func(p string, g got) bool { return g.status == 401 }},
		{"cut:head", true, func(p string, g got) bool { return g.status == 0 && g.err != nil }},
		{"cut:0b", true, func(p string, g got) bool { return g.status == 200 && cutOff(g) && g.body == "" }},
		{"cut:100", true, func(p string, g got) bool { return cutOff(g) && len(g.body) == 100 }},
		{"cut:3e", true, func(p string, g got) bool {
			return cutOff(g) && len(g.events()) == 3 && strings.HasSuffix(g.body, "\n\n")
		}},
		{"cut", false, func(p string, g got) bool { return cutOff(g) && len(g.body) == len(whole[p+" plain"].body)/2 }},
		{"cutclean:3e", true, func(p string, g got) bool { return g.err == nil && len(g.events()) == 3 }},
		{"cutclean:20b", false, func(p string, g got) bool { return g.err == nil && len(g.body) == 20 }},
		{"reset", true, func(p string, g got) bool { return errors.Is(g.err, syscall.ECONNRESET) }},
		{"reset:head", true, func(p string, g got) bool { return errors.Is(g.err, syscall.ECONNRESET) && g.status == 0 }},
		{"garbage", true, func(p string, g got) bool {
			return g.status == 200 && strings.HasPrefix(g.body, "<!DOCTYPE") && strings.HasPrefix(g.header.Get("Content-Type"), "text/html")
		}},
		{"garbage:json", false, func(p string, g got) bool { return json.Valid([]byte(g.body)) && g.body[0] == '[' }},
		{"garbage:text", true, func(p string, g got) bool { e := g.events(); return len(e) == 1 && !json.Valid([]byte(e[0])) }},
		{"garbage:2e", true, func(p string, g got) bool {
			e := g.events()
			return len(e) == len(whole[p].events())+1 && !json.Valid([]byte(e[2]))
		}},
		{"garbage:empty-object", false, func(p string, g got) bool { return g.body == "{}" }},
		{"errorevent:2e", true, func(p string, g got) bool {
			e := g.events()
			return g.err == nil && len(e) == 3 && strings.Contains(e[2], `"error":{`) && (p == chatPath || strings.Contains(g.body, "event: error\n"))
		}},
		{"errorevent:code=overloaded_error", false, func(p string, g got) bool { return g.status == 200 && strings.Contains(g.body, `"error"`) }},
		{"empty", true, func(p string, g got) bool { return g.status == 200 && g.body == "" && g.err == nil }},
		{"empty", false, func(p string, g got) bool { return g.status == 200 && g.body == "" && g.err == nil }},
		{"empty:choices", false, func(p string, g got) bool {
			return strings.Contains(g.body, `"choices":[]`) || strings.Contains(g.body, `"content":[]`)
		}},
		{"empty:answer", true, func(p string, g got) bool {
			return strings.Contains(g.body, `"stop"`) || strings.Contains(g.body, "end_turn")
		}},
		{"noend", true, func(p string, g got) bool {
			return g.err == nil && len(g.events()) == len(whole[p].events())-1 && !strings.Contains(g.body, "[DONE]") && !strings.Contains(g.body, "message_stop")
		}},
		{"nofinish", true, func(p string, g got) bool {
			return !strings.Contains(g.body, `"finish_reason":"stop"`) && !strings.Contains(g.body, `"message_delta"`)
		}},
		{"badutf8", true, func(p string, g got) bool { return !utf8.ValidString(g.body) }},
		{"badutf8", false, func(p string, g got) bool { return !utf8.ValidString(g.body) }},
		{"dupkeys", true, func(p string, g got) bool { return strings.Contains(g.body, `"mock":1,"mock":2`) }},
		{"hugeevent:1000000", true, func(p string, g got) bool {
			return len(g.body) == len(whole[p].body)+1000000 && json.Valid([]byte(g.events()[3]))
		}},
		{"stall:2e:7s", true, func(p string, g got) bool {
			return g.body == "" || cmp.Equal(tick.sleeps(), []time.Duration{7 * time.Second})
		}},
		{"stall:7s", false, func(p string, g got) bool { return cmp.Equal(tick.sleeps(), []time.Duration{7 * time.Second}) }},
		{"slow:10ms:first=1s", false, func(p string, g got) bool {
			return cmp.Equal(tick.sleeps(), []time.Duration{time.Second, 10 * time.Millisecond})
		}},
	}
	for _, tt := range tests {
		for _, p := range []string{chatPath, messagesPath} {
			name := tt.fault + " " + p
			if !tt.stream {
				name += " plain"
			}
			t.Run(name, func(t *testing.T) {
				tick.sleeps()
				if g := fetch(t, s, p, tt.stream, tt.fault); !tt.holds(p, g) {
					t.Errorf("%d %v\n%.1500s", g.status, g.err, g.body)
				}
			})
		}
	}
	if st := s.Stats(); st.InFlight != 0 || st.Canceled != 0 || st.Completed+st.Broken != st.Requests || st.Faults != 2*len(tests) {
		t.Errorf("%+v", st)
	}
}

// TestWhen counts requests.
func TestWhen(t *testing.T) {
	tests := []struct{ specs, want string }{
		{"429@3", "001000"},
		{"429@3+", "001111"},
		{"429@2-4", "011100"},
		{"429@%2", "010101"},
		{"429@p0", "000000"},
		{"429@p1", "111111"},
		{"429@model=m@2", "010000"},
		{"429@model=other", "000000"},
		{"429@plain@2", "010000"},
		{"429@stream", "000000"},
		{"429@path=chat@1", "100000"},
		{"429@key=k1@1", "100000"},
		{"429@key=k2", "000000"},
		{"429@1, 500@2", "150000"},
		{"429@%2,500@%4", "010101"}, // the first that matches
		{"429", "111111"},
	}
	for _, tt := range tests {
		s := mock.New(mock.Options{})
		if err := s.Fail(tt.specs); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for range tt.want {
			switch post(s, chatPath, object{"model": "m", "messages": []object{message("user", "hi")}}, "Authorization", "Bearer k1").Code {
			case 200:
				b.WriteByte('0')
			case 429:
				b.WriteByte('1')
			default:
				b.WriteByte('5')
			}
		}
		if b.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.specs, b.String(), tt.want)
		}
	}
	// A share is about kept, and the same for the same seed.
	run := func(seed uint64) (out string) {
		s := mock.New(mock.Options{Seed: seed})
		if err := s.Fail("500@p0.25"); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			out += string(rune('0' + post(s, chatPath, object{"model": "m", "messages": []object{message("user", "hi")}}).Code/500))
		}
		return out
	}
	a := run(1)
	if n := strings.Count(a, "1"); n < 30 || n > 70 || a != run(1) || a == run(2) {
		t.Errorf("%d of 200 at p0.25", n)
	}
}

func TestParseFaultErrors(t *testing.T) {
	for _, spec := range []string{"", "nope", "99", "1000", "600", "cut:x", "cut:-1", "cut:101%", "429@", "429@0", "429@x", "429@3-2", "429@p2", "429@%0", "429@model=", "stall:1e:-3s", "slow:fast", "hugeevent:0", "empty:3e", "429:code=", "cut:code=x", "429:code=%zz", "auth:5e"} {
		if f, err := mock.ParseFault(spec); err == nil {
			t.Errorf("%q is read as %v", spec, f)
		} else if !strings.HasPrefix(err.Error(), "fault ") {
			t.Errorf("%q: %v", spec, err)
		}
	}
	fs, err := mock.ParseFaults("# a comment\n429@3, cut:3e\n\n500@model=llama3%3A8b\n")
	if err != nil || len(fs) != 3 || fs[2].String() != "500@model=llama3%3A8b" {
		t.Errorf("%v %v", fs, err)
	}
}

func FuzzParseFault(f *testing.F) {
	for _, s := range []string{"429@3:2s", "cut:50%", "stall@%5:3e:1s", "slow:1ms:first=2s", "500@p0.2@model=a%3Ab:code=x:message=y%20z", "garbage:html", "refuse:1s", "429@2-4:date"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		fault, err := mock.ParseFault(spec)
		if err != nil {
			return
		}
		if fault.String() != spec {
			t.Errorf("%q is told as %q", spec, fault)
		}
		s := mock.New(mock.Options{Clock: &clock{}, Faults: []*mock.Fault{fault}})
		defer s.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // a silence ends at once
		for _, path := range []string{chatPath, messagesPath} {
			for _, stream := range []bool{true, false} {
				func() {
					defer func() {
						if r := recover(); r != nil && r != http.ErrAbortHandler {
							t.Errorf("%q panics: %v", spec, r)
						}
					}()
					b := `{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hi"}]`
					if stream {
						b += `,"stream":true`
					}
					r, err := http.NewRequestWithContext(ctx, "POST", path, strings.NewReader(b+"}"))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("Anthropic-Version", "2023-06-01")
					s.ServeHTTP(nullWriter{http.Header{}}, r)
				}()
			}
		}
		if st := s.Stats(); st.InFlight != 0 || st.Requests != 4 {
			t.Errorf("%q: %+v", spec, st)
		}
	})
}

type nullWriter struct{ h http.Header }

func (w nullWriter) Header() http.Header         { return w.h }
func (w nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w nullWriter) WriteHeader(int)             {}

// TestClientLeaves: whoever leaves is counted, wherever it left, at once.
func TestClientLeaves(t *testing.T) {
	for _, tt := range []struct {
		name, fault string
		stream      bool
		head        bool // the response head comes
	}{
		{"before the head", "stall", true, false},
		{"plain, before the head", "stall", false, false},
		{"after two events", "stall:2e", true, true},
		{"plain, in the body", "stall:20b", false, true},
		{"plain, before its end", "stall:4e", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mocktest.Start(t, mock.Options{})
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			ended := make(chan error, 1)
			headed := make(chan struct{})
			go func() {
				res, err := mocktest.Client().Do(request(ctx, t, s, chatPath, tt.stream, tt.fault))
				if err != nil {
					ended <- err
					return
				}
				close(headed)
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
				ended <- err
			}()
			if tt.head {
				<-headed
			}
			mocktest.Wait(t, s, func(st mock.Stats) bool { return st.InFlight == 1 && st.Faults == 1 })
			leave()
			if err := <-ended; err == nil {
				t.Error("the client saw an end")
			}
			mocktest.Wait(t, s, func(st mock.Stats) bool { return st.InFlight == 0 && st.Canceled == 1 })
			if r := s.Requests(); len(r) != 1 || r[0].Outcome != "canceled" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	s := mocktest.Start(t, mock.Options{})
	refused := func() bool {
		c, err := net.Dial("tcp", s.Addr())
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	mocktest.Fail(t, s, "refuse@2")
	if g := fetch(t, s, chatPath, false, ""); g.status != 200 {
		t.Fatalf("%+v", g)
	}
	if g := fetch(t, s, chatPath, false, ""); !errors.Is(g.err, syscall.ECONNRESET) || !refused() {
		t.Errorf("the second is not refused: %+v", g)
	}
	s.Admit()
	if g := fetch(t, s, chatPath, false, ""); g.status != 200 {
		t.Errorf("after Admit: %+v", g)
	}
	mocktest.Fail(t, s, "refuse")
	if !refused() {
		t.Error("not refused at once")
	}
	mocktest.Fail(t, s)
	if refused() {
		t.Error("refused without a fault")
	}
}

func TestControl(t *testing.T) {
	s := mocktest.Start(t, mock.Options{})
	call := func(method, path, body string) (int, string) {
		r, err := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := mocktest.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	for _, body := range []string{"429@1\n500@2", `["429@1","500@2"]`, `{"faults":["429@1","500@2"]}`} {
		if code, b := call("PUT", "/mock/faults", body); code != 204 {
			t.Fatalf("%d %s", code, b)
		}
		if _, b := call("GET", "/mock/faults", ""); strings.TrimSpace(b) != `{"faults":["429@1","500@2"]}` {
			t.Errorf("%s", b)
		}
		for _, want := range []int{429, 500, 200} {
			if g := fetch(t, s, chatPath, false, ""); g.status != want {
				t.Errorf("%s: %d, want %d", body, g.status, want)
			}
		}
	}
	if code, b := call("PUT", "/mock/faults", "nope"); code != 400 || !strings.Contains(b, "nope") {
		t.Errorf("%d %s", code, b)
	}
	r := request(context.Background(), t, s, chatPath, true, "")
	r.Header.Set("Authorization", "Bearer very-secret")
	res, err := mocktest.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	_, b := call("GET", "/mock/stats", "")
	var st struct {
		mock.Stats
		Last []struct {
			Path, Body, Outcome string
			Status              int
		}
	}
	if err := json.Unmarshal([]byte(b), &st); err != nil {
		t.Fatal(err)
	}
	if st.Requests != 10 || st.Completed != 10 || st.Streams != 1 || st.Statuses[200] != 4 || st.Models["m"] != 10 || len(st.Last) != 10 || !strings.Contains(st.Last[9].Body, `"hi"`) || strings.Contains(b, "very-secret") {
		t.Errorf("%s", b)
	}
	if s.Requests()[9].Header.Get("Authorization") != "Bearer very-secret" {
		t.Error("Requests hides what tests assert")
	}
	if code, _ := call("POST", "/mock/reset", ""); code != 204 {
		t.Error(code)
	}
	if st := s.Stats(); st.Requests != 0 || len(s.Requests()) != 0 {
		t.Errorf("%+v", st)
	}
	if code, _ := call("GET", "/mock/nothing", ""); code != 404 {
		t.Error(code)
	}
}

func TestLatency(t *testing.T) {
	run := func(o mock.Options, stream bool) []time.Duration {
		tick := &clock{}
		o.Clock = tick
		body := object{"model": "m", "messages": []object{message("user", "mock: say one two three")}, "stream": stream}
		if w := post(mock.New(o), chatPath, body); w.Code != 200 {
			t.Fatal(w.Body)
		}
		return tick.sleeps()
	}
	ms := time.Millisecond
	l := mock.Latency{FirstToken: 100 * ms, PerToken: 10 * ms}
	if d := cmp.Diff([]time.Duration{100 * ms, 10 * ms, 10 * ms}, run(mock.Options{Latency: l}, true)); d != "" {
		t.Error(d)
	}
	l.Jitter = 5 * ms
	a := run(mock.Options{Latency: l, Seed: 1}, true)
	if len(a) != 3 || a[0] < 100*ms || a[0] >= 105*ms || a[1] == a[2] || !cmp.Equal(a, run(mock.Options{Latency: l, Seed: 1}, true)) {
		t.Errorf("%v", a)
	}
}
