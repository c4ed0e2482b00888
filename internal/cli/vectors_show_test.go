package cli

import (
	"testing"

	"freehold/internal/vector/transfer"
)

// TestVerdict: what was compared less closely than to the last byte is said to be so.
func TestVerdict(t *testing.T) {
	for want, r := range map[string]transfer.Report{
		"all of 2 records are there, to the last byte, and nothing else":                                             {Compared: 2},
		"all of 2 records are there, vector by its direction, to 4e-06, all else to the last byte, and nothing else": {Compared: 2, Near: map[string]string{"": "direction, to 4e-06"}},
		"all of 2 records are there, vector a by its numbers, to half precision, all else to the last byte but for the last bit of doubles, and nothing else; " + rounded(3): {
			Compared: 2, Rounded: 3, Near: map[string]string{"a": "numbers, to half precision"},
		},
		"no record was there to be compared, and the target has nothing else": {Refused: 2},
	} {
		if got := verdict(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
