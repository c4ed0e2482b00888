package mock_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// clock is owned by the test: it goes on by a millisecond at every look and
// by the whole time at every sleep.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
	hold  bool // a sleep lasts until its context ends
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if c.hold {
		<-ctx.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d > 0 {
		c.slept = append(c.slept, d)
		c.now = c.now.Add(d)
	}
	return ctx.Err()
}

func (c *clock) sleeps() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.slept
	c.slept = nil
	return out
}

func sdk(url string) *openai.Client {
	c := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("sk-proj-abcdefghijklmnopqrstuvwx"), option.WithMaxRetries(0), option.WithHTTPClient(mocktest.Client()))
	return &c
}

func TestRecordAndReplay(t *testing.T) {
	secret := "sk-proj-abcdefghijklmnopqrstuvwx"
	provider := mocktest.Start(t, mock.Options{Keys: []string{secret}})
	dir := t.TempDir()
	rec, err := mock.NewRecorder(provider.URL(), dir, nil, mocktest.Client().Transport, &clock{hold: true})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(rec)
	defer front.Close()
	c := sdk(front.URL)
	ask := chatParams(openai.UserMessage("My key is hf_ABCDEFGHIJKLMNOPQRSTUVWX, what now?"))
	echo := chatParams(openai.UserMessage("mock: say the key " + secret + " leaks"))
	plain, err := c.Chat.Completions.New(context.Background(), ask)
	if err != nil {
		t.Fatal(err)
	}
	streamed := streamChat(t, c, echo)
	if !strings.Contains(streamed.Choices[0].Message.Content, secret) {
		t.Fatal("the recorder changed what the client saw")
	}
	mocktest.Fail(t, provider, "cut:60%")
	var cut strings.Builder
	st := c.Chat.Completions.NewStreaming(context.Background(), ask)
	for st.Next() {
		cut.WriteString(st.Current().Choices[0].Delta.Content)
	}
	if st.Err() == nil {
		t.Fatal("the cut did not reach the client")
	}

	front.Close() // waits until all is written
	files, err := filepath.Glob(filepath.Join(dir, "*.rec.txt"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v %v", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{secret, "abcdefghijkl", "hf_ABC", "Bearer sk"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s holds %q:\n%s", f, bad, b)
			}
		}
		r, err := mock.DecodeRecording(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(b), string(r.Encode())); d != "" {
			t.Error(d)
		}
	}

	tick := &clock{}
	rep, err := mock.NewReplay(dir, 0.5, tick)
	if err != nil {
		t.Fatal(err)
	}
	defer rep.Close()
	back := httptest.NewServer(rep)
	defer back.Close()
	c = sdk(back.URL)
	ask.User = openai.String("someone else") // changes no answer
	again, err := c.Chat.Completions.New(context.Background(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plain.RawJSON(), again.RawJSON()); d != "" {
		t.Error(d)
	}
	tick.sleeps()
	if got := streamChat(t, c, echo).Choices[0].Message.Content; got != strings.ReplaceAll(streamed.Choices[0].Message.Content, secret, strings.Repeat("*", len(secret))) {
		t.Errorf("replayed %q", got)
	}
	if s := tick.sleeps(); len(s) == 0 || s[0] != time.Millisecond/2 {
		t.Errorf("times are not kept: %v", s)
	}
	ask.User = openai.String("a third")
	st = c.Chat.Completions.NewStreaming(context.Background(), ask)
	var recut strings.Builder
	for st.Next() {
		recut.WriteString(st.Current().Choices[0].Delta.Content)
	}
	if st.Err() == nil || recut.String() != cut.String() {
		t.Errorf("the cut is replayed as %q, %v; want %q", recut.String(), st.Err(), cut.String())
	}
	ask.Temperature = openai.Float(0.5)
	_, err = c.Chat.Completions.New(context.Background(), ask)
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != 404 || !strings.Contains(e.Message, "0001-v1-chat-completions-") || !strings.HasSuffix(e.Message, "differs in: temperature") {
		t.Errorf("not recorded: %v %q", err, e.Message)
	}
}

func TestRecordingErrors(t *testing.T) {
	for _, f := range []string{"", "freehold recording 2\n", "freehold recording 1\nrequest GET\n", "freehold recording 1\nbody 5\nab\n", "freehold recording 1\nend 1s complete\n", "freehold recording 1\nrequest GET /\nresponse 200\nchunk -1s 1\na\n"} {
		if r, err := mock.DecodeRecording([]byte(f)); err == nil {
			t.Errorf("%q is read as %+v", f, r)
		}
	}
	if _, err := mock.NewReplay(t.TempDir(), 0, mock.SystemClock{}); err == nil {
		t.Error("an empty directory is replayed")
	}
	if _, err := mock.NewRecorder("nowhere", t.TempDir(), nil, http.DefaultTransport, mock.SystemClock{}); err == nil {
		t.Error("a bad URL is recorded")
	}
	r, err := mock.NewRecorder("http://127.0.0.1:1", t.TempDir(), nil, mocktest.Client().Transport, mock.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/v1/models", nil))
	if b, _ := io.ReadAll(w.Body); w.Code != 502 || !strings.Contains(string(b), "did not answer") {
		t.Errorf("%d %s", w.Code, b)
	}
}

func FuzzRecording(f *testing.F) {
	f.Add([]byte("freehold recording 1\nrequest POST /v1/x\nheader A: b\nbody 2\n{}\nresponse 200\nchunk 1ms 3\na\nb\nend 2ms complete\n"))
	f.Add([]byte("freehold recording 1\nrequest GET /\nresponse 200\nend 2ms cut\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := mock.DecodeRecording(file)
		if err != nil {
			return
		}
		again, err := mock.DecodeRecording(r.Encode())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if d := cmp.Diff(r, again, cmpopts.EquateEmpty()); d != "" { // no body is an empty one
			t.Error(d)
		}
	})
}
