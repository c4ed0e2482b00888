package upstream_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"freehold/internal/upstream"
)

// pieceSize is how much of a body is read at once that was not announced.
const pieceSize = 1 << 20

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

// A body takes no more memory than its limit allows, or little more than it
// announced.
func TestReadAllTakesNoMoreThanItMust(t *testing.T) {
	for _, limit := range []int64{0, 1, 5000, 1 << 20, 5 << 20} {
		r := upstream.Reply{Length: -1, Body: endless{}}
		if b, err := r.ReadAll(limit); upstream.KindOf(err) != upstream.TooLarge || int64(cap(b)) > max(limit+1, 4<<10) {
			t.Errorf("limit %d: %d bytes of room, %v", limit, cap(b), err)
		}
	}
	body := bytes.Repeat([]byte("x"), 3<<20)
	r := upstream.Reply{Length: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
	if b, err := r.ReadAll(64 << 20); err != nil || !bytes.Equal(b, body) || cap(b) > len(b)+1 {
		t.Errorf("an announced body of %d bytes has room for %d, %v", len(b), cap(b), err)
	}
}

// A body that was not announced is read in pieces, of which none is lost.
func TestReadAllInPieces(t *testing.T) {
	for _, size := range []int{pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 5} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i >> 8)
		}
		r := upstream.Reply{Length: -1, Body: io.NopCloser(bytes.NewReader(body))}
		if b, err := r.ReadAll(int64(size)); err != nil || !bytes.Equal(b, body) {
			t.Errorf("%d bytes: got %d, %v", size, len(b), err)
		}
	}
}

// upTo has room for so many bytes.
type upTo int

func (u upTo) Need(size int) bool { return size <= int(u) }

func TestReadWithin(t *testing.T) {
	for _, length := range []int64{-1, 1 << 20} {
		for room, want := range map[upTo]error{100 << 10: upstream.ErrNoRoom, 3 << 20: nil} {
			r := upstream.Reply{Length: length, Body: io.NopCloser(bytes.NewReader(make([]byte, 1<<20)))}
			b, err := r.ReadWithin(64<<20, room)
			if !errors.Is(err, want) || want == nil && len(b) != 1<<20 {
				t.Errorf("announced %d, room for %d: %d bytes, %v", length, room, len(b), err)
			}
		}
	}
}
