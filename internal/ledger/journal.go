package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrClosed is returned by a ledger after Close.
var ErrClosed = errors.New("the ledger is closed")

const segmentSuffix = ".segment"

func segmentPath(dir string, n uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", n, segmentSuffix))
}

// segments returns the numbers of the segments in dir, ascending.
func segments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// segmentFile is what a journal asks of a file; tests make it fail.
type segmentFile interface {
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// journal appends frames to segment files. A frame is in the file, or none of
// it is: what a failed write left is cut off again.
type journal struct {
	dir    string
	limit  int64 // bytes in a segment before the next is begun
	create func(path string, reserve int64) (segmentFile, error)

	mu     sync.Mutex
	f      segmentFile // nil before the first record and after a segment had to be given up
	pos    Position    // where the next frame goes
	closed bool

	sync *syncer
}

// endReserve is the part of a segment that is left for records that end a
// request when a new segment cannot be had: what was accepted can be settled
// on a disk that has filled up meanwhile.
const endReserve = 8

// append writes one frame and returns the position behind it. essential frames
// may use the reserve; tight says that this one had to.
func (j *journal) append(frame []byte, essential bool) (at Position, tight bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return Position{}, false, ErrClosed
	}
	if j.f == nil || j.pos.Offset+int64(len(frame)) > j.limit-j.limit/endReserve {
		err := j.rotate()
		if tight = err != nil; tight && (j.f == nil || !essential) {
			return Position{}, tight, fmt.Errorf("journal: begin a segment: %w", err)
		}
	}
	if _, err := j.f.WriteAt(frame, j.pos.Offset); err != nil {
		err = fmt.Errorf("journal: %w", err)
		if terr := j.f.Truncate(j.pos.Offset); terr != nil {
			// The next record must not stand behind half a frame.
			err = errors.Join(err, terr, j.giveUp())
		}
		return Position{}, tight, err
	}
	j.pos.Offset += int64(len(frame))
	return j.pos, tight, nil
}

// probe tries whether a segment can be begun.
func (j *journal) probe() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	return j.rotate()
}

// rotate begins the next segment. On an error the current one remains.
func (j *journal) rotate() error {
	path := segmentPath(j.dir, j.pos.Segment+1)
	f, err := j.create(path, j.limit)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(segmentHeader), 0); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	if j.f != nil {
		if err := j.sync.retire(j.f, j.pos); err != nil {
			return errors.Join(err, f.Close(), os.Remove(path))
		}
		if err := j.f.Close(); err != nil {
			return errors.Join(err, f.Close(), os.Remove(path), j.giveUp())
		}
	}
	j.f, j.pos = f, Position{j.pos.Segment + 1, int64(len(segmentHeader))}
	return nil
}

// giveUp leaves the current segment as it is; the next record begins another.
func (j *journal) giveUp() error {
	err := j.f.Close()
	j.f = nil
	return err
}

// current returns the segment that is being written, nil if there is none, and
// the position behind the last frame.
func (j *journal) current() (segmentFile, Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.f, j.pos
}

// abandon gives f up if it is still being written.
func (j *journal) abandon(f segmentFile) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f != f {
		return nil
	}
	return j.giveUp()
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	if j.f == nil {
		return nil
	}
	return errors.Join(j.sync.retire(j.f, j.pos), j.giveUp())
}

// createSegment returns what creates a segment file, whose size bytes are set
// aside at once. With durable the file's name is on disk when it returns.
func createSegment(durable bool) func(path string, size int64) (segmentFile, error) {
	return func(path string, size int64) (segmentFile, error) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		err = reserve(f, size)
		if err == nil && durable {
			err = syncDir(filepath.Dir(path))
		}
		if err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(path))
		}
		return f, nil
	}
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
