package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A journal segment is a line of text that names the format and then frames:
//
//	marker  4 bytes, to find the next frame behind a damaged one
//	length  4 bytes, little endian, of the payload
//	sum     4 bytes, little endian: CRC-32C of length and payload
//	payload one byte for the kind, then a row (see codec.go)
const (
	segmentFormat = "freehold journal "
	segmentHeader = segmentFormat + "1\n"
	frameHeader   = 12
	// maxPayload bounds what one frame may hold, and so what a reader will
	// allocate for one.
	maxPayload = 16 << 20
)

// Kinds of payloads.
const (
	kindBegin   = 'B' // an attempt is about to be sent: the row so far
	kindEnd     = 'E' // the request's whole row
	kindCarried = 'C' // a kindBegin, copied from a segment that was deleted
)

var (
	frameMarker = []byte{0xf7, 'F', 'h', 0x1e}
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
)

// beginFrame appends room for a frame's header and the kind to the empty b.
func beginFrame(b []byte, kind byte) []byte {
	b = append(b, frameMarker...)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, kind)
}

// endFrame fills in the header of the frame that is b.
func endFrame(b []byte) error {
	payload := b[frameHeader:]
	if len(payload) > maxPayload {
		return fmt.Errorf("ledger record of %d bytes, at most %d are journaled", len(payload), maxPayload)
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[8:], frameSum(b[4:8], payload))
	return nil
}

func frameSum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, payload)
}

// readChunk is how much a frameReader reads at a time.
const readChunk = 64 << 10

// frameReader reads the frames of one segment up to a limit that may grow.
type frameReader struct {
	r    io.ReaderAt
	off  int64  // in the segment, of buf[0]
	buf  []byte // read and not yet consumed
	room []byte // the array behind buf, kept between reads
}

// damage is a run of bytes of a segment that holds no frame.
type damage struct {
	Offset, Length int64
	// Torn says that it is the beginning of a frame that ends with the
	// segment: what a write that was cut short leaves behind.
	Torn bool
}

// next returns the next frame before limit, valid until the next call: its
// payload is what follows the frame header. Bytes that are no frame are passed
// over and described in bad, without a frame. At limit it returns nothing.
func (f *frameReader) next(limit int64) (frame []byte, bad *damage, err error) {
	size, err := f.peek(limit)
	if err != nil || size == 0 && f.off >= limit {
		return nil, nil, err
	}
	if size == 0 {
		bad, err = f.skip(limit)
		return nil, bad, err
	}
	frame = f.buf[:size]
	f.consume(size)
	return frame, nil, nil
}

// peek returns the size of the valid frame at off, or 0 if there is none whole
// before limit.
func (f *frameReader) peek(limit int64) (int, error) {
	if limit-f.off < frameHeader {
		return 0, nil
	}
	if err := f.fill(frameHeader, limit); err != nil {
		return 0, err
	}
	size := f.claimed()
	if size == 0 || int64(size) > limit-f.off {
		return 0, nil
	}
	if err := f.fill(size, limit); err != nil {
		return 0, err
	}
	if frameSum(f.buf[4:8], f.buf[frameHeader:size]) != binary.LittleEndian.Uint32(f.buf[8:]) {
		return 0, nil
	}
	return size, nil
}

// claimed returns the size that the frame header at off announces, 0 if that
// is no frame header.
func (f *frameReader) claimed() int {
	if !bytes.HasPrefix(f.buf, frameMarker) {
		return 0
	}
	n := binary.LittleEndian.Uint32(f.buf[4:])
	if n == 0 || n > maxPayload {
		return 0
	}
	return frameHeader + int(n)
}

// skip moves to the next valid frame before limit, or to limit, and describes
// what it passed over.
func (f *frameReader) skip(limit int64) (*damage, error) {
	start := f.off
	torn := limit-f.off < frameHeader
	if !torn {
		size := f.claimed()
		torn = size > 0 && int64(size) > limit-f.off
	}
	for f.off < limit {
		// At least one byte onward, to the next marker in what can be read.
		n := int(min(limit-f.off, readChunk))
		if err := f.fill(n, limit); err != nil {
			return nil, err
		}
		if n = len(f.buf); n < len(frameMarker) {
			f.consume(n)
			break
		}
		if i := bytes.Index(f.buf[1:n], frameMarker); i >= 0 {
			f.consume(1 + i)
		} else {
			// The last bytes may begin a marker.
			f.consume(n - len(frameMarker) + 1)
		}
		size, err := f.peek(limit)
		if err != nil {
			return nil, err
		}
		if size > 0 {
			return &damage{Offset: start, Length: f.off - start}, nil
		}
	}
	return &damage{Offset: start, Length: f.off - start, Torn: torn}, nil
}

// fill makes buf hold at least n bytes, which must be there before limit.
func (f *frameReader) fill(n int, limit int64) error {
	have := len(f.buf)
	if have >= n {
		return nil
	}
	want := int(min(limit-f.off, int64(max(n, readChunk))))
	if cap(f.room) < want {
		f.room = make([]byte, want)
	}
	copy(f.room[:have], f.buf)
	f.buf = f.room[:want]
	got, err := f.r.ReadAt(f.buf[have:], f.off+int64(have))
	f.buf = f.buf[:have+got]
	if len(f.buf) >= n {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (f *frameReader) consume(n int) {
	f.buf = f.buf[n:]
	f.off += int64(n)
}
