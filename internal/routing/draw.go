package routing

// Draw makes a number from 0 to less than 1 of names: the same of the same, and
// evenly spread over different ones.
func Draw(names ...string) float64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * prime
		}
		h = (h ^ 0xff) * prime // no name has this byte: where one ends counts
	}
	// FNV leaves the high bits of short names alike; this mixes them (MurmurHash3).
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return float64(h>>11) / (1 << 53)
}
