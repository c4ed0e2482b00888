package enginetest_test

import (
	"net/http"
	"testing"

	"freehold/internal/engine/enginetest"
)

func TestStartIsShared(t *testing.T) {
	base, model := enginetest.Start(t)
	again, _ := enginetest.Start(t)
	if base != again || model != enginetest.Model {
		t.Errorf("two engines: %s and %s (%s)", base, again, model)
	}
	res, err := http.Get(base + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}
