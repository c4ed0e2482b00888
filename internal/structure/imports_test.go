package structure

import (
	"slices"
	"sort"
	"strings"
	"testing"
)

// may is which packages of this module a package may import (tests aside; they
// may import more). A row that ends in std uses the standard library only; all
// is whatever there is, but for the commands. What is not listed may not be.
//
// From the bottom: words (llm, fault), wires (sse, jsondoor, dialects), parts
// that know nothing of each other (policy, health, upstream, ledger, ...), the
// fleet that composes them for one configuration, routing over a fleet, the
// gateway, the server, and the app that wires all of it.
var may = table(`
	llm                 : std
	fault               : std
	sse                 : std
	jsondoor            : std
	suggest             : std
	variant             : llm std
	dialect             : llm fault sse variant std
	dialect/openaichat  : llm fault sse jsondoor dialect variant std
	dialect/anthropic   : llm fault sse jsondoor dialect variant std
	dialect/cohere      : llm fault sse jsondoor dialect std
	dialect/dialecttest : llm fault sse jsondoor dialect

	redact              : detect
	policy              : std
	health              : std
	budget              : std
	budget/budgettest   : budget
	regular             : std
	pemfile             : regular std
	detect              : std
	detect/remote       : detect upstream
	rule                : language suggest
	config              : detect judge pemfile policy regular rule suggest variant vector/address
	auth                : std
	auth/authtest       : auth
	history             :
	history/historytest : history
	capture             : history
	feedback            : classify jsondoor suggest
	engine              :
	engine/enginetest   : engine
	parttest            : engine/enginetest
	meter               : llm
	catalog             : dialect llm meter regular
	upstream            : pemfile upstream/h1
	upstream/h1         : std
	upstream/upstreamtest : upstream
	ledger              : ledger/filelock
	ledger/filelock     : std
	store               :
	store/storetest     : drill feedback history ledger rollout
	store/sqlite        : auth capture feedback history ledger ledger/filelock rollout drill vector vector/front vector/transfer

	vector              :
	vector/address      : std
	vector/vectortest   : vector
	vector/archive      : vector
	vector/transfer     : vector
	vector/plan         : policy vector
	vector/gate         : vector
	vector/connect      : upstream vector vector/address vector/archive vector/chroma vector/milvus vector/opensearch vector/pgvector vector/pinecone vector/qdrant vector/weaviate

	fleet               : cascade catalog config detect detect/remote dialect health llm meter policy rule suggest upstream variant
	leave               : config
	portability         : dialect fault fleet ledger llm variant
	routing             : fleet health llm rule
	language            : std
	cascade             : std
	sequential          :
	judge               : cascade jsondoor llm sequential
	classify            : std
	classify/score      : classify
	classify/learn      : classify classify/score jsondoor regular suggest
	classify/shelf      : classify regular
	purse               :
	capacity            :
	cost                :
	compare             : jsondoor judge purse rollout sequential suggest
	embed               : purse vector
	rollout             : history judge ledger llm sequential
	gateway             : budget capture cascade detect dialect fault fleet health language ledger llm meter policy redact routing sse upstream variant
	rollout/aside       : dialect fault fleet gateway judge language ledger llm rollout routing
	drill               : history ledger
	drill/document      : drill
	drill/runner        : dialect drill fleet gateway history ledger llm upstream
	rollout/runner      : feedback fleet gateway history judge ledger rollout rollout/aside
	server              : auth dialect fault feedback fleet gateway health ledger llm
	telemetry           : budget cascade engine health ledger

	vector/pinecone      : vector vector/pinecone/wire
	vector/pinecone/wire :
	vector/pinecone/plane : vector vector/pinecone vector/pinecone/wire
	vector/pinecone/sim  : vector/pinecone vector/pinecone/plane vector/pinecone/wire
	vector/milvus        : vector vector/milvus/wire
	vector/milvus/wire   :
	vector/milvus/milvustest : parttest vector/milvus/wire
	vector/qdrant        : vector
	vector/qdrant/qdranttest : parttest
	vector/rest          : vector
	vector/weaviate      : vector vector/rest
	vector/weaviate/weaviatetest : vector
	vector/opensearch    : vector vector/rest
	vector/opensearch/opensearchtest : vector
	vector/chroma        : vector vector/rest
	vector/chroma/chromatest : parttest
	vector/pgvector      : vector
	vector/pgvector/pgtest : parttest
	vector/front         : ledger vector vector/pinecone vector/pinecone/plane vector/pinecone/wire vector/transfer
	vector/moves         : embed history vector vector/address vector/front vector/pinecone vector/pinecone/plane vector/plan vector/transfer

	mock                :
	mock/mocktest       : mock

	app                 : all
	app/apptest         : all
	admin               : all
	cli                 : all
	structure           :
	leaktest            :
`)

// closed are packages that only the named ones may import.
var closed = map[string][]string{
	"internal/cli":   {"cmd/freehold"},
	"internal/admin": {"internal/cli"},
	"internal/app":   {"internal/cli", "internal/admin"},
	// The mock is read from the published contracts, apart from our codecs, and
	// is nothing that a gateway needs.
	"internal/mock": {"internal/cli"},
}

func TestImports(t *testing.T) {
	unlisted := map[string]bool{}
	for _, s := range sources(t) {
		name, internal := strings.CutPrefix(s.pkg, "internal/")
		for _, path := range s.imports() {
			target, ours := strings.CutPrefix(path, module)
			if who, ok := closed[target]; ours && ok && !s.test && s.pkg != target && !outside(s.pkg) && !slices.Contains(who, s.pkg) {
				t.Errorf("%s imports %s, which is for %s only", s.path, target, strings.Join(who, ", "))
			}
			if !internal || s.test {
				continue
			}
			row, ok := may[name]
			switch {
			case !ok && unlisted[name]:
			case !ok:
				unlisted[name] = true
				t.Errorf("%s has no row in the table of internal/structure/imports_test.go: say there what it may import", s.pkg)
			case ours:
				target = strings.TrimPrefix(target, "internal/")
				if !slices.Contains(row, "all") && !slices.Contains(row, target) {
					t.Errorf("%s imports %s: internal/%s may import %s of ours", s.path, path, name, words(row))
				}
			case strings.Contains(strings.Split(path, "/")[0], ".") && slices.Contains(row, "std"):
				t.Errorf("%s imports %s: internal/%s uses the standard library only", s.path, path, name)
			}
		}
	}
}

// TestImportTable keeps the table free of packages and permissions that are
// gone: a permission that nobody uses hides the day when somebody does.
func TestImportTable(t *testing.T) {
	used := map[string]map[string]bool{}
	for _, s := range sources(t) {
		name, ok := strings.CutPrefix(s.pkg, "internal/")
		if !ok {
			continue
		}
		if used[name] == nil {
			used[name] = map[string]bool{}
		}
		for _, path := range s.imports() {
			if !s.test {
				used[name][strings.TrimPrefix(path, module+"internal/")] = true
			}
		}
	}
	for name, row := range may {
		if used[name] == nil {
			t.Errorf("the table has %s, which is not there", name)
			continue
		}
		for _, target := range row {
			if target != "all" && target != "std" && !used[name][target] {
				t.Errorf("internal/%s may import %s and does not: take it out of the table", name, target)
			}
		}
	}
}

// TestIndependent proves what the design asks of four packages beyond the
// table: they do not know each other, by any way.
func TestIndependent(t *testing.T) {
	reach := map[string]map[string]bool{}
	var visit func(name string, into map[string]bool)
	visit = func(name string, into map[string]bool) {
		for _, next := range may[name] {
			if !into[next] {
				into[next] = true
				visit(next, into)
			}
		}
	}
	for name := range may {
		reach[name] = map[string]bool{}
		visit(name, reach[name])
	}
	alone := []string{"policy", "budget", "health", "upstream", "ledger"}
	for _, a := range alone {
		for _, b := range append([]string{"fleet", "routing", "gateway"}, alone...) {
			if a != b && reach[a][b] {
				t.Errorf("internal/%s reaches internal/%s", a, b)
			}
		}
	}
	for _, pure := range []string{"llm", "fault"} {
		if n := len(may[pure]); n != 1 {
			t.Errorf("internal/%s imports the standard library only, its row has %d entries", pure, n)
		}
	}
}

// outside reports a package that is not part of the product: it is for tests,
// or a tool.
func outside(pkg string) bool {
	return strings.HasPrefix(pkg, "test/") || strings.HasPrefix(pkg, "scripts/") || strings.HasSuffix(pkg, "test")
}

func table(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		if name, row, ok := strings.Cut(line, ":"); ok {
			out[strings.TrimSpace(name)] = strings.Fields(row)
		}
	}
	return out
}

func words(row []string) string {
	row = slices.DeleteFunc(slices.Clone(row), func(s string) bool { return s == "std" })
	sort.Strings(row)
	if len(row) == 0 {
		return "nothing"
	}
	return strings.Join(row, ", ") + " only"
}
