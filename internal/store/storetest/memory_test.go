package storetest

import (
	"testing"

	"freehold/internal/ledger"
)

func TestMemory(t *testing.T) {
	Ledger(t, func(*testing.T) ledger.Store { return NewMemory() })
}
