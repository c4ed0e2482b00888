package dialect

import "strings"

// Pieces makes strings of the small pieces of text that a stream consists of,
// many of them in one piece of memory. The strings stay valid and unchanged for
// ever; the memory is free when none of its strings is in use. The zero value
// is ready; a Pieces must not be copied after its first use.
type Pieces struct {
	b    strings.Builder
	size int
}

const (
	firstPieces = 256
	mostPieces  = 2048
)

// String returns text as a string.
func (p *Pieces) String(text []byte) string {
	if len(text) > firstPieces {
		return string(text)
	}
	if p.b.Cap()-p.b.Len() < len(text) {
		p.size = min(max(firstPieces, 2*p.size), mostPieces)
		p.b.Reset()
		p.b.Grow(p.size)
	}
	from := p.b.Len()
	p.b.Write(text)
	return p.b.String()[from:]
}
