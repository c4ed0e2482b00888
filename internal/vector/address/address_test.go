package address

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, want, fails string }{
		{in: "pinecone://idx-1a2b.svc.pinecone.io/docs?api_key=env:PINECONE_API_KEY", want: "pinecone://idx-1a2b.svc.pinecone.io:443/docs"},
		{in: "qdrant://127.0.0.1/docs?namespace=", want: "qdrant://127.0.0.1:6334/docs?namespace="},
		{in: "qdrant://[::1]:7000/docs?tls=off&vector=v", want: "qdrant://[::1]:7000/docs?vector=v"},
		{in: "qdrant://h/docs?namespace_field=_ns&namespace=news", want: "qdrant://h:6334/docs?namespace=news&namespace_field=_ns"},
		{in: "pinecone://h/docs?namespace_field=_ns", fails: "an option of qdrant"},
		{in: "postgres://ann@db/kb?table=chunks&text=body", want: "postgres://ann@db:5432/kb?table=chunks&text=body"},
		{in: "postgres://db/kb?table=s.t&metric=cosine&password=env:PW&sslmode=verify-full&namespace_field=n", want: "postgres://db:5432/kb?metric=cosine&namespace_field=n&table=s.t"},
		{in: "postgres://db/kb?table=t&sslmode=require", fails: "verify-full does"},
		{in: "postgres://db/kb?table=t&sslmode=disable", fails: "this machine only"},
		{in: "postgres://db/kb?table=t&password=s3cret", fails: "password is a key in the clear"},
		{in: "chroma://h/docs?tenant=t&database=d&token=env:T", want: "chroma://h:8000/docs?database=d&tenant=t"},
		{in: "qdrant://h/docs?metric=cosine", fails: "no option metric"},
		{in: "milvus://127.0.0.1/docs?database=kb&id=pk&text=body", want: "milvus://127.0.0.1:19530/docs?database=kb&id=pk&text=body"},
		{in: "qdrant://127.0.0.1/docs?database=kb", fails: "no option database"},
		{in: "milvus://root:s3cret@h/docs", fails: "milvus://root:***@h/docs: a password"},
		{in: "opensearch://ann@h/docs?password=env:PW&metric=dot", want: "opensearch://ann@h:9200/docs?metric=dot"},
		{in: "opensearch://ann:s3cret@h/docs", fails: "opensearch://ann:***@h/docs: a password stands in the address, where others read it: give password=env:NAME"},
		{in: "opensearch://h/docs?api_key=env:K&vector=v", want: "opensearch://h:9200/docs?vector=v"},
		{in: "weaviate://h/Docs?sslrootcert=ca.pem", want: "weaviate://h:443/Docs?sslrootcert=ca.pem"},
		{in: "file:kb/a b.jsonl", want: "file:kb/a b.jsonl"},
		{in: "file:kb.parquet?vector=emb&id=doc%20id&namespace_field=lang", want: "file:kb.parquet?id=doc+id&namespace_field=lang&vector=emb"},
		{in: "file:kb.jsonl?namespace_field=lang", fails: "Parquet files"},
		{in: "file:kb.csv", fails: "ends in .jsonl or .parquet"},
		{in: "qdrant://example.com/docs?tls=off", fails: "this machine only"},
		{in: "qdrant://example.com/docs?tls=maybe", fails: "on or off"},
		{in: "qdrant://example.com/docs?api_key=sk-123", fails: "in the clear"},
		{in: "postgres://ann:s3cret@db/kb?table=t", fails: "postgres://ann:***@db/kb?table=t: a password"},
		{in: "postgres://ann@db/kb", fails: "table=NAME"},
		{in: "qdrant:///docs", fails: "the host is missing"},
		{in: "qdrant://h/", fails: "the name of"},
		{in: "qdrant://h/docs?colour=red", fails: "no option colour"},
		{in: "redis://h/docs", fails: "begins with pinecone://"},
		{in: "qdrant://h:port/docs", fails: "no address"},
	} {
		a, err := Parse(tt.in)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "sk-123") {
				t.Errorf("%s: %v, want %q", tt.in, err, tt.fails)
			}
			continue
		}
		if err != nil || a.String() != tt.want {
			t.Errorf("%s: %s, want %s: %v", tt.in, a.String(), tt.want, err)
		}
		if again, err := Parse(a.String()); err != nil || again.String() != a.String() {
			t.Errorf("%s: %s again: %v", tt.in, again.String(), err)
		}
	}
}

func TestTLS(t *testing.T) {
	for in, want := range map[string]bool{
		"qdrant://127.0.0.1/d": false, "qdrant://127.0.0.1/d?tls=on": true, "qdrant://localhost/d": false, "qdrant://example.com/d": true, "qdrant://10.0.0.1/d": true,
	} {
		if a, err := Parse(in); err != nil || a.TLS != want {
			t.Errorf("%s: %v %v", in, a.TLS, err)
		}
	}
}

// TestSame: a place is the same whatever is read of it, and another one for each part
// of where it is.
func TestSame(t *testing.T) {
	of := func(s string) *Address {
		a, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return &a
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"qdrant://h/docs", "qdrant://h:6334/docs?namespace=n&vector=v&api_key=env:K", true},
		{"file:a/b.jsonl", "file:a/b.jsonl", true},
		{"file:a/b.jsonl", "file:c/b.jsonl", false},
		{"qdrant://h/docs", "qdrant://h/other", false},
		{"qdrant://h/docs", "qdrant://h:7000/docs", false},
		{"qdrant://h:6334/docs", "milvus://h:6334/docs", false},
		{"postgres://h/a?table=t", "postgres://h/b?table=t", false},
	} {
		if got := of(c.a).Same(of(c.b)); got != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
	if h := of("qdrant://[::1]:7000/docs").Hostname(); h != "::1" {
		t.Error(h)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("qdrant://h:1/d?tls=on")
	f.Add("postgres://a:b@h/d?table=t&api_key=x")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(a.String())
		if err != nil || again.String() != a.String() {
			t.Errorf("%q: %q, then %q: %v", s, a.String(), again.String(), err)
		}
	})
}
