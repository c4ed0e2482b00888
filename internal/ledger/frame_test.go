package ledger

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// readAll reads the frames of data and counts the bytes that were none.
func readAll(t interface{ Fatal(...any) }, data []byte) (frames [][]byte, skipped int64) {
	r := frameReader{r: bytes.NewReader(data)}
	limit := int64(len(data))
	for {
		before := r.off
		frame, bad, err := r.next(limit)
		switch {
		case err != nil:
			t.Fatal(err)
		case bad != nil:
			if bad.Offset != before || bad.Length != r.off-before || bad.Length <= 0 {
				t.Fatal("damage is not what was passed over", *bad, before, r.off)
			}
			skipped += bad.Length
		case frame != nil:
			frames = append(frames, bytes.Clone(frame))
		case r.off != limit:
			t.Fatal("the reader ends at", r.off, "of", limit)
		default:
			return frames, skipped
		}
	}
}

// TestFramesAreFoundAmongGarbage puts garbage of any size between frames of any
// size, so that both lie across the reader's chunks.
func TestFramesAreFoundAmongGarbage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		size := func(name string) int {
			return rapid.SampledFrom([]int{0, 1, 11, 100, readChunk - 20, readChunk, 3 * readChunk}).Draw(t, name) + rng.IntN(20)
		}
		var data []byte
		var want [][]byte
		var garbage int64
		for range rapid.IntRange(0, 4).Draw(t, "frames") {
			if rapid.Bool().Draw(t, "garbage") {
				b := make([]byte, size("garbage size"))
				for i := range b {
					b[i] = frameMarker[rng.IntN(len(frameMarker))] // often a marker
				}
				data = append(data, b...)
				garbage += int64(len(b))
			}
			frame := append(beginFrame(nil, kindEnd), make([]byte, size("frame size"))...)
			if err := endFrame(frame); err != nil {
				t.Fatal(err)
			}
			data = append(data, frame...)
			want = append(want, frame)
		}
		got, skipped := readAll(t, data)
		if len(got) != len(want) || skipped != garbage {
			t.Fatalf("%d frames and %d bytes of garbage, want %d and %d", len(got), skipped, len(want), garbage)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("frame %d is another", i)
			}
		}
	})
}

// FuzzFrames holds that a reader comes to the end of any bytes, and that what
// it takes for a frame and what it passes over are all of them.
func FuzzFrames(f *testing.F) {
	frame := append(beginFrame(nil, kindBegin), "a row"...)
	if err := endFrame(frame); err != nil {
		f.Fatal(err)
	}
	f.Add(append(bytes.Clone(frame), frame[:len(frame)-1]...))
	f.Add(append([]byte("garbage"), frame...))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, n := readAll(t, data)
		for _, frame := range frames {
			n += int64(len(frame))
		}
		if n != int64(len(data)) {
			t.Errorf("%d bytes accounted for, of %d", n, len(data))
		}
	})
}
