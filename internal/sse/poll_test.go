package sse_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"freehold/internal/sse"
)

// ready is a source that has some bytes at hand and others to wait for.
type ready struct {
	now, later string
	nowErr     error
	waits      int
}

func (r *ready) ReadNow(p []byte) (int, error) {
	n := copy(p, r.now)
	r.now = r.now[n:]
	return n, r.nowErr
}

func (r *ready) Read(p []byte) (int, error) {
	r.waits++
	if r.later == "" {
		return 0, io.EOF
	}
	n := copy(p, r.later)
	r.later = r.later[n:]
	return n, nil
}

func next(t *testing.T, r *sse.Reader) string {
	t.Helper()
	ev, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	return string(ev.Data)
}

// TestPoll holds that Poll finds what is there, without waiting for more.
func TestPoll(t *testing.T) {
	src := &ready{later: "data: 1\n\n", now: "data: 2\n\ndata: 3\n\ndat"}
	r := sse.NewReader(src, 0)
	if got := next(t, r); got != "1" || r.Buffered() {
		t.Fatalf("first event %q", got)
	}
	src.waits = 0
	for _, want := range []string{"2", "3"} {
		if !r.Poll() {
			t.Fatalf("Poll does not see event %s", want)
		}
		if got := next(t, r); got != want {
			t.Fatalf("event %q, want %q", got, want)
		}
	}
	if first, again := r.Poll(), r.Poll(); first || again || src.waits != 0 {
		t.Fatalf("Poll sees an event in a part of one, or waited %d times", src.waits)
	}
	src.later = "a: 4\n\n"
	if got := next(t, r); got != "4" {
		t.Fatalf("event %q, want the one whose beginning was there", got)
	}
	if r = sse.NewReader(strings.NewReader("data: 1\n\n"), 0); r.Poll() {
		t.Error("a source that cannot tell was read")
	}
}

// TestPollError holds that what came before an error is handed on first.
func TestPollError(t *testing.T) {
	broken := errors.New("broken")
	src := &ready{now: "data: 1\n\n", nowErr: broken}
	r := sse.NewReader(src, 0)
	if !r.Poll() || next(t, r) != "1" || r.Poll() {
		t.Fatal("the event before the error is lost")
	}
	if _, err := r.Next(); !errors.Is(err, broken) || src.waits != 0 {
		t.Errorf("error %v after %d reads", err, src.waits)
	}
}

// TestBurstInFewReads holds that the buffer grows for a source that always has
// more, and that a part of an event before it does not make reads small.
func TestBurstInFewReads(t *testing.T) {
	src := &ready{later: strings.Repeat("data: "+strings.Repeat("x", 191)+"\n\n", 500)}
	r := sse.NewReader(src, 0)
	for range 500 {
		next(t, r)
	}
	if src.waits > 10 { // 100 KB: 2 K, 4 K, 8 K, then 16 K less what is left over
		t.Errorf("%d reads", src.waits)
	}
}
