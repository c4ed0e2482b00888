package engine_test

import (
	"net/http"
	"strings"
	"testing"

	"freehold/internal/engine/enginetest"
)

func TestRealEngineAnswers(t *testing.T) {
	base, model := enginetest.Start(t)
	body := `{"model":"` + model + `","messages":[{"role":"user","content":"Say hello."}],"max_tokens":8,"temperature":0}`
	res, err := http.Post(base+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
}
