package dialect_test

import (
	"fmt"
	"strings"
	"testing"

	"freehold/internal/dialect"
)

func key(spans ...string) string {
	var c dialect.Conversation
	for _, s := range spans {
		c.Add([]byte(s))
	}
	return c.Key()
}

func TestConversation(t *testing.T) {
	if got := key(); got != "" {
		t.Errorf("nothing added: %q", got)
	}
	// Rows of old ledgers hold these keys: they must never change.
	if got := key("You are helpful.", "Hello"); got != "592b47998c955d6f" {
		t.Errorf("key %q", got)
	}
	seen := map[string]string{}
	add := func(spans ...string) {
		k, in := key(spans...), fmt.Sprintf("%q", spans)
		if len(k) != 16 {
			t.Errorf("key %q", k)
		}
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the key %s", in, other, k)
		}
		seen[k] = in
	}
	for n := range 100 {
		s := strings.Repeat("a", n+1)
		add(s)
		add(s, "b")
		add(s + "b")
		add("b" + s)
		add("\x00" + s)
	}
}
