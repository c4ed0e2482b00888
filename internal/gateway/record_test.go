package gateway

import (
	"slices"
	"testing"

	"freehold/internal/dialect/openaichat"
	"freehold/internal/llm"
)

// The record has what a request gave, and the language of one in sixteen: decided
// by its id, and never by what it says.
func TestWhatIsOnRecord(t *testing.T) {
	const body = `{"model":"w","messages":[{"role":"user","content":"Warum ist der Himmel blau und nicht rot?"}],"temperature":0.5,"max_completion_tokens":9,"own":1}`
	for id, want := range map[string]string{"018f-0": "de", "018f-8": "", "018f-1": "", "018f-f": ""} {
		b, err := openaichat.Codec{}.Read(llm.Chat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange{call: &Call{ID: id, Op: llm.Chat, Codec: openaichat.Codec{}}, body: b}
		x.noteBody()
		if x.noteLanguage(); x.row.Language != "" {
			t.Errorf("%s: %q of a request that is no workload's", id, x.row.Language)
		}
		x.row.Workload = "w"
		if x.noteLanguage(); x.row.Language != want {
			t.Errorf("%s: language %q, want %q", id, x.row.Language, want)
		}
		if got := x.row.Parameters; !slices.Equal(got, []string{"temperature", "max_tokens", "other"}) {
			t.Errorf("parameters %q", got)
		}
	}
}
