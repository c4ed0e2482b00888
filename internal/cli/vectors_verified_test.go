package cli

import (
	"bytes"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
)

// TestPrintVerifiedFolded: a person reads of the source's ids and namespaces, with the
// target's beside them.
func TestPrintVerifiedFolded(t *testing.T) {
	r := &transfer.Report{
		Compared: 3, Missing: 1,
		Folded:      []transfer.NamespaceReport{{Name: "", Want: 1, Have: 1}, {Name: "news", Want: 2, Have: 1}},
		Namespaces:  []transfer.NamespaceReport{{Name: "", Want: 3, Have: 2}},
		Differences: []vector.Difference{{ID: "cc6ee8a3", Source: &vector.Origin{Namespace: "news", ID: "kb-0"}, What: "missing"}},
	}
	var out bytes.Buffer
	p := &program{out: &out}
	p.printVerified(r, &ends{})
	for where, text := range map[string]string{"text": out.String(), "page": verifyHTML(r, &ends{})} {
		for _, want := range []string{"kb-0 (cc6ee8a3)", "news", "(all)", "(default)"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", where, want, text)
			}
		}
	}
}

// TestPrintNotMeasured: where no query could be asked that is said, and no share shown.
func TestPrintNotMeasured(t *testing.T) {
	const why = "the source: no such query"
	r := &transfer.Report{
		Search: []transfer.SearchReport{{Vector: "sparse", K: 10, Worst: 1, Failed: 3, Failure: why}},
		Exact:  []transfer.ExactReport{{Vector: "sparse", K: 10, Worst: 1, Failed: 3, Failure: why}},
	}
	var out, text bytes.Buffer
	(&program{out: &out}).printVerified(r, &ends{})
	(&program{out: &text}).printCopied(&copied{Verify: r})
	for where, text := range map[string]string{"text": out.String(), "page": verifyHTML(r, &ends{}), "copy": text.String()} {
		if flat := strings.Join(strings.Fields(text), " "); !strings.Contains(flat, "not measured, every query failed: "+why) || strings.Contains(flat, " 100 %") || strings.Contains(flat, " 0 %") {
			t.Errorf("%s: %s", where, text)
		}
	}
}
