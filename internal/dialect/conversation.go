package dialect

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// Conversation makes the key of a conversation (llm.Facts.Conversation) from
// the raw bytes of its first turns. The key is the same on every machine and
// after every restart. It is a fast mixing hash, not a cryptographic one: it
// groups requests, it proves nothing. The zero value is ready.
type Conversation struct {
	state uint64
	used  bool
}

const (
	mixA = 0x9E3779B97F4A7C15 // 2^64 / golden ratio
	mixB = 0xD6E8FEB86659FD93
)

// Add puts one span into the key. Spans are kept apart: ("ab", "c") differs
// from ("a", "bc").
func (c *Conversation) Add(b []byte) {
	c.used = true
	h := c.state ^ mix(uint64(len(b))^mixA, mixB)
	for len(b) >= 16 {
		h = mix(binary.LittleEndian.Uint64(b)^h^mixA, binary.LittleEndian.Uint64(b[8:])^mixB)
		b = b[16:]
	}
	var tail [16]byte
	copy(tail[:], b)
	c.state = mix(binary.LittleEndian.Uint64(tail[:])^h^mixA, binary.LittleEndian.Uint64(tail[8:])^h^mixB)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Key returns 16 hex digits, or nothing if nothing was added.
func (c *Conversation) Key() string {
	if !c.used {
		return ""
	}
	const zeros = "0000000000000000"
	s := strconv.FormatUint(c.state, 16)
	return zeros[len(s):] + s
}
