package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"slices"

	"freehold/internal/vector"
)

// sum is a set of ids in very little room: how many they are and the sum of their
// hashes, which is the same in whatever order they come.
type sum struct {
	n   int64
	sum [4]uint64 // of 256 bits
}

// digest is a sum, in all and by buckets.
type digest struct {
	sum
	buckets [1 << 12]struct {
		n   int64
		sum uint64
	}
}

// hashOf is the hash of an id, its bucket, and a number that stands for it.
func hashOf(id vector.ID) (h [32]byte, bucket int, number uint64) {
	h = sha256.Sum256(append([]byte{byte(id.Kind())}, id.String()...))
	return h, int(binary.LittleEndian.Uint16(h[:])) % (1 << 12), binary.LittleEndian.Uint64(h[8:])
}

func (s *sum) add(h [32]byte) {
	s.n++
	var carry uint64
	for i := range s.sum {
		s.sum[i], carry = bits.Add64(s.sum[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
}

func (d *digest) add(id vector.ID) {
	h, bucket, number := hashOf(id)
	d.sum.add(h)
	b := &d.buckets[bucket]
	b.n, b.sum = b.n+1, b.sum+number
}

// apart says in which buckets two sets differ.
func (d *digest) apart(e *digest) (differ [1 << 12]bool) {
	for i := range d.buckets {
		differ[i] = d.buckets[i] != e.buckets[i]
	}
	return differ
}

// String is the sum as text, the same for the same set of ids.
func (s *sum) String() string {
	b := binary.LittleEndian.AppendUint64(nil, uint64(s.n))
	for _, x := range s.sum {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:16])
}

// some are the ids of a few buckets, by their numbers.
type some struct {
	in      [1 << 12]bool
	numbers []uint64
}

func (s *some) add(id vector.ID) {
	if _, bucket, number := hashOf(id); s.in[bucket] {
		s.numbers = append(s.numbers, number)
	}
}

func (s *some) sort() { slices.Sort(s.numbers) }

// lacks reports whether an id is in the buckets, and not among them.
func (s *some) lacks(id vector.ID) bool {
	_, bucket, number := hashOf(id)
	if !s.in[bucket] {
		return false
	}
	_, there := slices.BinarySearch(s.numbers, number)
	return !there
}
