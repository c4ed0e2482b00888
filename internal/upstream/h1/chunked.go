package h1

// chunker undoes the chunked transfer coding (RFC 9112 7.1) in place, byte
// stream in, byte stream out: it keeps no data, so that the reader's own buffer
// is the only one.
type chunker struct {
	st    chunkState
	digit int   // hex digits seen of the size
	size  int64 // bytes left of this chunk
	spare int   // bytes so far that are neither data nor needed
}

type chunkState uint8

const (
	chunkSize    chunkState = iota // hex digits
	chunkExt                       // after ";", up to CR
	chunkBlank                     // blanks after the size or extension, up to CR
	chunkSizeLF                    // LF that ends the size line
	chunkData                      // data
	chunkDataCR                    // CR after the data
	chunkDataLF                    // LF after the data
	trailerStart                   // first byte of a trailer line, or the last CR
	trailerName                    // up to the colon
	trailerValue                   // up to CR
	trailerLF                      // LF that ends a trailer line
	lastLF                         // LF that ends all
	chunkEnd                       // whole
)

// maxSpare limits extensions, padding and trailers of one body together.
const maxSpare = 8 << 10

// decode turns p, the next bytes of the coded stream, into data at p's front.
// w is the length of the data, r how much of p was used: all of it, unless the
// body ended within p (done).
func (d *chunker) decode(p []byte) (w, r int, done bool, err error) {
	for r < len(p) {
		if d.st == chunkData {
			n := min(int64(len(p)-r), d.size)
			if w != r {
				copy(p[w:], p[r:r+int(n)])
			}
			w, r, d.size = w+int(n), r+int(n), d.size-n
			if d.size == 0 {
				d.st = chunkDataCR
			}
			continue
		}
		c := p[r]
		r++
		if err := d.step(c); err != nil {
			return w, r, false, err
		}
		if d.st == chunkEnd {
			return w, r, true, nil
		}
	}
	return w, r, false, nil
}

// step takes one byte that is not data.
func (d *chunker) step(c byte) error {
	switch d.st {
	case chunkSize:
		return d.sizeByte(c)
	case chunkExt, chunkBlank:
		if c == '\r' {
			d.st = chunkSizeLF
			return nil
		}
		if d.st == chunkBlank && c != ' ' && c != '\t' || c < ' ' && c != '\t' || c == 0x7f {
			return ProtocolError("bad chunk extension")
		}
		return d.waste(1)
	case chunkSizeLF:
		if c != '\n' {
			return ProtocolError("bad chunk size line")
		}
		d.digit = 0
		d.st = chunkData
		if d.size == 0 {
			d.st = trailerStart
		}
	case chunkDataCR:
		if c != '\r' {
			return ProtocolError("chunk is longer than its size")
		}
		d.st = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return ProtocolError("chunk is longer than its size")
		}
		d.st = chunkSize
	case trailerStart, trailerName, trailerValue, trailerLF:
		return d.trailerByte(c)
	case lastLF:
		if c != '\n' {
			return ProtocolError("bad end of chunks")
		}
		d.st = chunkEnd
	}
	return nil
}

func (d *chunker) sizeByte(c byte) error {
	v := hexValue(c)
	if v < 0 {
		if d.digit == 0 {
			return ProtocolError("chunk size missing")
		}
		switch c {
		case '\r':
			d.st = chunkSizeLF
		case ';':
			d.st = chunkExt
		case ' ', '\t':
			d.st = chunkBlank
		default:
			return ProtocolError("bad chunk size")
		}
		return nil
	}
	d.digit++
	if d.digit > 15 { // 60 bits: no overflow, and no endless zeros
		return ProtocolError("chunk size too large")
	}
	if d.digit > 1 && d.size == 0 {
		if err := d.waste(1); err != nil { // a leading zero
			return err
		}
	}
	d.size = d.size<<4 | int64(v)
	return nil
}

// trailerByte checks trailer fields and drops them: no provider of models
// sends any, and merging them into the header would be unsafe.
func (d *chunker) trailerByte(c byte) error {
	switch d.st {
	case trailerStart:
		if c == '\r' {
			d.st = lastLF
			return nil
		}
		if !tokenByte[c] {
			return ProtocolError("bad trailer name")
		}
		d.st = trailerName
	case trailerName:
		if c == ':' {
			d.st = trailerValue
		} else if !tokenByte[c] {
			return ProtocolError("bad trailer name")
		}
	case trailerValue:
		if c == '\r' {
			d.st = trailerLF
		} else if c < ' ' && c != '\t' || c == 0x7f {
			return ProtocolError("control character in a trailer")
		}
	case trailerLF:
		if c != '\n' {
			return ProtocolError("line ends without CR LF")
		}
		d.st = trailerStart
	}
	return d.waste(1)
}

func (d *chunker) waste(n int) error {
	if d.spare += n; d.spare > maxSpare {
		return ProtocolError("too many bytes around the chunks")
	}
	return nil
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
