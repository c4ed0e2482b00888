package history_test

import (
	"testing"

	"freehold/internal/history/historytest"
)

func TestMemoryStore(t *testing.T) {
	historytest.Test(t, func(*testing.T) historytest.Subject {
		m := &historytest.Memory{}
		return historytest.Subject{Store: m, Other: m, Tamper: m.Tamper}
	})
}
