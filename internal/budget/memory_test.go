package budget_test

import (
	"testing"

	"freehold/internal/budget"
	"freehold/internal/budget/budgettest"
)

func TestMemory(t *testing.T) {
	budgettest.Test(t, func(*testing.T) budget.State { return budget.NewMemory() })
}
