package gateway

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"freehold/internal/dialect/openaichat"
)

// timed is a response that notes which write deadlines it is given.
type timed struct {
	header http.Header
	at     time.Time
	limits []time.Duration // from at; -1: none
}

func (w *timed) Header() http.Header         { return w.header }
func (w *timed) WriteHeader(int)             {}
func (w *timed) Write(b []byte) (int, error) { return len(b), nil }
func (w *timed) FlushError() error           { return nil }

func (w *timed) SetWriteDeadline(t time.Time) error {
	d := time.Duration(-1)
	if !t.IsZero() {
		d = t.Sub(w.at)
	}
	w.limits = append(w.limits, d)
	return nil
}

// timed2 is one of HTTP/2.
type timed2 struct{ *timed }

func (timed2) Push(string, *http.PushOptions) error { return http.ErrNotSupported }

func event(t *testing.T, a *answer) {
	t.Helper()
	if err := a.write([]byte("data: x\n\n")); err != nil {
		t.Fatal(err)
	}
	if err := a.flush(); err != nil {
		t.Fatal(err)
	}
}

// TestWriteDeadline holds that a client has at least the timeout for each
// write, and that a steady stream does not move the timer with each of them.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &timed{header: http.Header{}, at: time.Now()}
		a := newAnswer(w, openaichat.Codec{}, 8*time.Second)
		for range 25 { // to 2.4 s
			event(t, a)
			time.Sleep(100 * time.Millisecond)
		}
		want := []time.Duration{9 * time.Second, 10100 * time.Millisecond, 11200 * time.Millisecond}
		if !slices.Equal(w.limits, want) {
			t.Errorf("deadlines %v, want %v", w.limits, want)
		}
	})
}

// TestHTTP2Deadline holds that no deadline runs while nothing is written: on
// HTTP/2 it would end a stream whose model thinks for longer.
func TestHTTP2Deadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &timed{header: http.Header{}, at: time.Now()}
		a := newAnswer(timed2{w}, openaichat.Codec{}, 8*time.Second)
		event(t, a)
		time.Sleep(time.Minute)
		event(t, a)
		want := []time.Duration{9 * time.Second, -1, 69 * time.Second, -1}
		if !slices.Equal(w.limits, want) {
			t.Errorf("deadlines %v, want %v", w.limits, want)
		}
	})
}
