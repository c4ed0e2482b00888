package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
)

const (
	// batchRows is how many rows are stored in one transaction at most, and
	// batchBytes after how many bytes of them no more are added.
	batchRows  = 512
	batchBytes = 1 << 20
	// freeFrames is how many frames are kept to be used again, freeFrame the
	// size of the largest.
	freeFrames = 128
	freeFrame  = 4 << 10
	// carryAfter is how many segments a finished one is kept for the requests
	// that are still open in it. After that they are copied forward, so that
	// an answer of ten minutes does not keep the journal of ten minutes.
	carryAfter = 4
)

// drainer moves the journal into the store. One goroutine uses it.
type drainer struct {
	l     *Ledger
	dir   string
	id    string   // of the journal
	old   []uint64 // segments of earlier owners that are not read yet, ascending
	epoch uint64   // the last of them; nobody writes to them any more
	first uint64   // the first segment of this owner
	from  Position // what ends before was stored by an earlier owner

	file   *os.File // the segment that is being read, nil between two
	reader *frameReader
	at     Position // where reading stands

	// open has the requests that were begun and not ended.
	open map[string]begun
	free [][]byte // frames of requests that ended, to hold others
	// finished are the segments that are read to their end and still exist;
	// damaged has those of them in which something was not readable.
	finished []uint64
	damaged  map[uint64]bool

	batch   []Entry // read and not stored
	records []byte  // of batch, one after the other
}

// begun is the newest begin record of an open request.
type begun struct {
	segment uint64
	frame   []byte
}

func newDrainer(l *Ledger, dir string) (*drainer, error) {
	id, err := journalID(dir)
	if err != nil {
		return nil, err
	}
	old, err := segments(dir)
	if err != nil {
		return nil, err
	}
	from, err := l.store.Position(context.Background(), id)
	if err != nil {
		return nil, err
	}
	d := &drainer{
		l: l, dir: dir, id: id, old: old, from: from,
		open: make(map[string]begun), damaged: make(map[uint64]bool),
	}
	if len(old) > 0 {
		d.epoch = old[len(old)-1]
	}
	// Numbers are not used again, even where the files are gone: what the
	// store knows of a position would be taken for the new segment's.
	d.first = max(d.epoch, from.Segment) + 1
	d.next()
	l.stats.applied(d.at)
	return d, nil
}

// drain stores everything before end.
func (d *drainer) drain(ctx context.Context, end Position) error {
	for {
		more, err := d.read(end)
		if err == nil {
			err = d.apply(ctx)
		}
		if err == nil {
			err = d.cleanUp(ctx, end)
		}
		if err != nil || !more {
			return err
		}
	}
}

// read fills the batch and reports whether there is more before end.
func (d *drainer) read(end Position) (more bool, err error) {
	for len(d.batch) < batchRows && len(d.records) < batchBytes {
		if d.at.Segment > max(end.Segment, d.epoch) {
			return false, nil
		}
		// The last segment of an earlier owner may be where end is, if this
		// owner has written nothing yet.
		final := d.at.Segment < end.Segment || d.at.Segment <= d.epoch
		limit := end.Offset
		if d.file == nil {
			err := d.openSegment()
			if errors.Is(err, os.ErrNotExist) && final {
				d.report("a segment of the ledger's journal is missing", damage{})
				err = d.finish()
			}
			if err != nil {
				return false, err
			}
			if d.file == nil {
				continue
			}
		}
		if final {
			info, err := d.file.Stat()
			if err != nil {
				return false, err
			}
			limit = info.Size()
		}
		frame, bad, err := d.reader.next(limit)
		if err != nil {
			return false, fmt.Errorf("read %s: %w", segmentPath(d.dir, d.at.Segment), err)
		}
		d.at.Offset = d.reader.off
		switch {
		case bad != nil:
			d.report("the ledger's journal is damaged", *bad)
		case frame != nil:
			d.take(frame)
		case final:
			if err := d.finish(); err != nil {
				return false, err
			}
		default:
			return false, nil
		}
	}
	return true, nil
}

// openSegment opens the segment at d.at. Reading begins behind the line that
// names its format.
func (d *drainer) openSegment() error {
	path := segmentPath(d.dir, d.at.Segment)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	line := make([]byte, len(segmentHeader))
	n, err := f.ReadAt(line, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, f.Close())
	}
	line = line[:n]
	d.file, d.reader = f, &frameReader{r: f}
	switch {
	case string(line) == segmentHeader, strings.HasPrefix(segmentHeader, string(line)):
		d.reader.off = int64(n)
	case strings.HasPrefix(string(line), segmentFormat):
		return errors.Join(fmt.Errorf("%s is of another version (%q): start the version of freehold that wrote it, once", path, line), d.close())
	default:
		d.report("a segment of the ledger's journal does not begin as one", damage{Length: int64(n)})
	}
	d.at.Offset = d.reader.off
	return nil
}

// take handles one frame that ends at d.at.
func (d *drainer) take(frame []byte) {
	kind, record := frame[frameHeader], frame[frameHeader+1:]
	id := recordID(record)
	switch {
	case len(id) == 0:
	case kind == kindBegin, kind == kindCarried:
		if kind == kindCarried {
			// A copy of ours, which open has already, or an earlier owner's
			// copy of what it may have superseded behind our back.
			if _, ok := d.open[string(id)]; ok || d.at.Segment > d.epoch {
				return
			}
		}
		d.begin(string(id), frame)
		return
	case kind == kindEnd:
		if d.from.Before(d.at) && d.add(record) != nil {
			break
		}
		d.end(id)
		return
	}
	d.report("the ledger's journal has a record that is not understood",
		damage{Offset: d.at.Offset - int64(len(frame)), Length: int64(len(frame))})
}

// begin notes the newest begin record of a request.
func (d *drainer) begin(id string, frame []byte) {
	b := d.open[id]
	if n := len(d.free); b.frame == nil && n > 0 {
		b.frame, d.free = d.free[n-1], d.free[:n-1]
	}
	d.open[id] = begun{d.at.Segment, append(b.frame[:0], frame...)}
}

// end forgets the begin record of a request.
func (d *drainer) end(id []byte) {
	if b, ok := d.open[string(id)]; ok {
		delete(d.open, string(id))
		if len(d.free) < freeFrames && cap(b.frame) <= freeFrame {
			d.free = append(d.free, b.frame)
		}
	}
}

// add adds a row to the batch.
func (d *drainer) add(record []byte) error {
	at := len(d.records)
	d.records = append(d.records, record...)
	e, err := NewEntry(d.records[at:len(d.records):len(d.records)])
	if err != nil {
		d.records = d.records[:at]
		return err
	}
	d.batch = append(d.batch, e)
	return nil
}

// report says that part of a segment could not be read. What a write that was
// cut short left behind is no loss: whoever wrote it was told that it failed,
// or died before it was done.
func (d *drainer) report(what string, bad damage) {
	attrs := []any{
		slog.String("file", segmentPath(d.dir, d.at.Segment)),
		slog.Int64("offset", bad.Offset), slog.Int64("bytes", bad.Length),
	}
	if bad.Torn {
		d.l.opts.Log.Warn("the ledger's journal ends in an unfinished record, which is left out", attrs...)
		return
	}
	d.l.stats.damaged.Add(1)
	d.damaged[d.at.Segment] = true
	d.l.opts.Log.Error(what+"; what stood there is not in the ledger, the file is kept", attrs...)
}

// finish leaves a segment that is read to its end. Behind the last segment of
// earlier owners, what is open never ended.
func (d *drainer) finish() error {
	if err := d.close(); err != nil {
		return err
	}
	segment := d.at.Segment
	d.finished = append(d.finished, segment)
	d.next()
	if segment != d.epoch {
		return nil
	}
	for id, b := range d.open {
		if err := d.addLost(b.frame[frameHeader+1:]); err != nil {
			d.l.stats.damaged.Add(1)
			d.damaged[b.segment] = true
			d.l.opts.Log.Error("a request that never ended is not readable in the ledger's journal; the file is kept",
				"request", id, "file", segmentPath(d.dir, b.segment), "error", err)
			continue
		}
		d.l.stats.lost.Add(1)
	}
	if n := len(d.open); n > 0 {
		d.l.opts.Log.Warn("requests were open when the last process ended; they are recorded as unknown", "requests", n)
	}
	clear(d.open)
	return nil
}

// addLost adds a request that never ended to the batch.
func (d *drainer) addLost(record []byte) error {
	var r Row
	if err := r.UnmarshalBinary(record); err != nil {
		return err
	}
	r.lost()
	record, err := r.AppendBinary(nil)
	if err != nil {
		return err
	}
	return d.add(record)
}

// next moves on to the segment that is to be read next.
func (d *drainer) next() {
	d.at.Offset = 0
	switch {
	case len(d.old) > 0:
		d.at.Segment, d.old = d.old[0], d.old[1:]
	case d.at.Segment < d.first:
		d.at.Segment = d.first
	default:
		d.at.Segment++
	}
}

// apply stores the rows that were read.
func (d *drainer) apply(ctx context.Context) error {
	if n := len(d.batch); n > 0 {
		err := d.l.store.Apply(ctx, Batch{Entries: d.batch, Journal: d.id, Position: d.at})
		if err != nil {
			d.l.stats.storeErrors.Add(1)
			return fmt.Errorf("ledger: store %d requests: %w", n, err)
		}
		d.l.stats.stored.Add(int64(n))
		clear(d.batch)
		d.batch = d.batch[:0]
		if d.records = d.records[:0]; cap(d.records) > 2*batchBytes {
			d.records = nil // a row was huge, or many were lost
		}
	}
	d.l.stats.applied(d.at)
	d.l.stats.open.Store(int64(len(d.open)))
	return nil
}

// cleanUp deletes the finished segments that nothing open needs, once their
// rows are in the store for good.
func (d *drainer) cleanUp(ctx context.Context, end Position) error {
	if len(d.finished) == 0 {
		return nil
	}
	needed := make(map[uint64]bool)
	for id, b := range d.open {
		// What is open in segments of earlier owners is settled behind the last
		// of them.
		if b.segment > d.epoch && b.segment+carryAfter <= end.Segment {
			carried, err := d.carry(b)
			if err != nil {
				return err
			}
			b = carried
			d.open[id] = b
		}
		needed[b.segment] = true
	}
	flushed := false
	kept := d.finished[:0]
	for i, n := range d.finished {
		if needed[n] {
			kept = append(kept, n)
			continue
		}
		err := error(nil)
		if !flushed {
			err = d.l.store.Flush(ctx)
			flushed = true
		}
		if err == nil {
			err = d.discard(n)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			d.finished = append(kept, d.finished[i:]...)
			return fmt.Errorf("ledger: clean the journal up: %w", err)
		}
	}
	d.finished = kept
	d.l.stats.segments.Store(int64(len(d.finished)))
	return nil
}

// discard removes a segment that is in the store. One that was not readable
// throughout is put aside.
func (d *drainer) discard(segment uint64) error {
	path := segmentPath(d.dir, segment)
	if d.damaged[segment] {
		delete(d.damaged, segment)
		return os.Rename(path, path+".damaged")
	}
	return os.Remove(path)
}

// carry copies a begin record to the journal's end. When the journal is closed
// it stays where it is.
func (d *drainer) carry(b begun) (begun, error) {
	frame := slices.Clone(b.frame)
	frame[frameHeader] = kindCarried
	if err := endFrame(frame); err != nil {
		return b, err
	}
	pos, _, err := d.l.journal.append(frame, true)
	if err == nil {
		err = d.l.journal.sync.wait(d.l.journal, pos)
	}
	if errors.Is(err, ErrClosed) {
		return b, nil
	}
	if err != nil {
		return b, fmt.Errorf("ledger: carry an open request forward: %w", err)
	}
	return begun{pos.Segment, frame}, nil
}

// close closes the segment that is being read.
func (d *drainer) close() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file, d.reader = nil, nil
	return err
}
