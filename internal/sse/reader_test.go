package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"freehold/internal/sse"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// event is a copy of an sse.Event that outlives the next read.
type event struct {
	Raw, Name, Data string
	Comment         bool
}

func readAll(r *sse.Reader) ([]event, error) {
	var out []event
	for {
		e, err := r.Next()
		if err != nil {
			return out, err
		}
		out = append(out, event{string(e.Raw), string(e.Name), string(e.Data), e.Comment})
	}
}

// chunks is a reader that gives one chunk a Read.
type chunks [][]byte

func (c *chunks) Read(p []byte) (int, error) {
	for len(*c) > 0 {
		n := copy(p, (*c)[0])
		if (*c)[0] = (*c)[0][n:]; len((*c)[0]) == 0 {
			*c = (*c)[1:]
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

func TestReader(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []event
		err      error
	}{
		{"plain", "data: a\n\ndata: b\n\n", []event{{Raw: "data: a\n\n", Data: "a"}, {Raw: "data: b\n\n", Data: "b"}}, io.EOF},
		{"named", "event: ping\ndata: {}\n\n", []event{{Raw: "event: ping\ndata: {}\n\n", Name: "ping", Data: "{}"}}, io.EOF},
		{"no space", "event:ping\ndata:{}\n\n", []event{{Raw: "event:ping\ndata:{}\n\n", Name: "ping", Data: "{}"}}, io.EOF},
		{"one space only", "data:  x \n\n", []event{{Raw: "data:  x \n\n", Data: " x "}}, io.EOF},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []event{{Raw: "data: a\r\n\r\n", Data: "a"}, {Raw: "data: b\r\n\r\n", Data: "b"}}, io.EOF},
		{"CR", "data: a\r\rdata: b\r\r", []event{{Raw: "data: a\r\r", Data: "a"}, {Raw: "data: b\r\r", Data: "b"}}, io.EOF},
		{"mixed", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", []event{{Raw: "data: a\r\n\n", Data: "a"}, {Raw: "data: b\n\r\n", Data: "b"}, {Raw: "data: c\r\n\r", Data: "c"}}, io.EOF},
		{"lines", "data: a\ndata\ndata: b\n\n", []event{{Raw: "data: a\ndata\ndata: b\n\n", Data: "a\n\nb"}}, io.EOF},
		{"comment", ": hi\n\ndata: a\n\n", []event{{Raw: ": hi\n\n", Comment: true}, {Raw: "data: a\n\n", Data: "a"}}, io.EOF},
		{"comment within", ": hi\ndata: a\n\n", []event{{Raw: ": hi\ndata: a\n\n", Data: "a"}}, io.EOF},
		{"blank lines", "\n\ndata: a\n\n\n\n", []event{{Raw: "\n\ndata: a\n\n", Data: "a"}}, io.EOF},
		{"byte order mark", "\uFEFFdata: a\n\n", []event{{Raw: "data: a\n\n", Data: "a"}}, io.EOF},
		{"other fields", "id: 1\nretry: 10\nfoo: x\ndata: a\n\n", []event{{Raw: "id: 1\nretry: 10\nfoo: x\ndata: a\n\n", Data: "a"}}, io.EOF},
		{"no data", "event: ping\n\n", []event{{Raw: "event: ping\n\n", Name: "ping"}}, io.EOF},
		{"empty", "", nil, io.EOF},
		{"cut in a field", "data: a\n\ndat", []event{{Raw: "data: a\n\n", Data: "a"}}, io.ErrUnexpectedEOF},
		{"cut before the blank line", "data: a\n", nil, io.ErrUnexpectedEOF},
		{"cut between CR and LF", "data: a\r", nil, io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll(sse.NewReader(strings.NewReader(c.in), 0))
			if diff := cmp.Diff(c.want, got); diff != "" || err != c.err {
				t.Errorf("error %v, want %v; events (-want +got):\n%s", err, c.err, diff)
			}
		})
	}
}

// join makes streams comparable that were split elsewhere: the LF of a CRLF
// whose CR ended an event belongs to that event or to the next.
func join(events []event) ([]event, string) {
	var raw strings.Builder
	out := make([]event, len(events))
	for i, e := range events {
		raw.WriteString(e.Raw)
		e.Raw = ""
		out[i] = e
	}
	return out, raw.String()
}

var line = rapid.OneOf(
	rapid.SampledFrom([]string{"", "", "", "data: x", "data:", "data", ": c", ":", "event: e", "id: 3", "datax: no", "data: {\"a\":\"é漢😀\"}", "\uFEFFdata: y"}),
	rapid.StringMatching(`(data|event)?:? ?[a-z:]{0,9}`),
	rapid.Custom(func(t *rapid.T) string {
		return "data: " + strings.Repeat("x", rapid.IntRange(0, 9000).Draw(t, "long"))
	}),
)

var stream = rapid.Custom(func(t *rapid.T) string {
	var b strings.Builder
	if rapid.IntRange(0, 9).Draw(t, "bom") == 0 {
		b.WriteString("\uFEFF")
	}
	for range rapid.IntRange(0, 20).Draw(t, "lines") {
		b.WriteString(line.Draw(t, "line"))
		b.WriteString(rapid.SampledFrom([]string{"\n", "\n", "\r\n", "\r", "\n\n"}).Draw(t, "end"))
	}
	return b.String()
})

// naive is the standard's algorithm, written without regard to cost.
func naive(s string) []event {
	s = strings.TrimPrefix(s, "\uFEFF")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(s, "\n")
	var out []event
	var e event
	var data []string
	fields, comments := false, false
	for _, l := range lines[:len(lines)-1] {
		if l == "" {
			if fields || comments {
				e.Data, e.Comment = strings.Join(data, "\n"), !fields
				out = append(out, e)
			}
			e, data, fields, comments = event{}, nil, false, false
			continue
		}
		name, value, _ := strings.Cut(l, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case l[0] == ':':
			comments = true
			continue
		case name == "data":
			data = append(data, value)
		case name == "event":
			e.Name = value
		}
		fields = true
	}
	return out
}

func TestAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := stream.Draw(t, "stream")
		var split chunks
		for rest := []byte(in); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			if rapid.Bool().Draw(t, "small") {
				n = min(n, 3)
			}
			split, rest = append(split, rest[:n]), rest[n:]
		}
		want, wantErr := readAll(sse.NewReader(strings.NewReader(in), 0))
		got, gotErr := readAll(sse.NewReader(&split, 0))
		wantEvents, wantRaw := join(want)
		gotEvents, gotRaw := join(got)
		if diff := cmp.Diff(wantEvents, gotEvents); diff != "" || gotErr != wantErr {
			t.Fatalf("%q: errors %v and %v, events (-whole +split):\n%s", in, wantErr, gotErr, diff)
		}
		if diff := cmp.Diff(naive(in), gotEvents, cmp.Transformer("nil", func(e []event) []event { return append([]event{}, e...) })); diff != "" {
			t.Fatalf("%q: events (-standard +got):\n%s", in, diff)
		}
		whole := strings.TrimPrefix(in, "\uFEFF")
		if !strings.HasPrefix(whole, wantRaw) || !strings.HasPrefix(whole, gotRaw) {
			t.Fatalf("raw events are not the stream: %q and %q of %q", wantRaw, gotRaw, whole)
		}
	})
}

func TestBuffered(t *testing.T) {
	two := []byte("data: a\ndata: b\n\ndata: c\ndata: d\n\ndata: e\n")
	r := sse.NewReader(&chunks{two, []byte("\n")}, 0)
	var got []string
	for range 3 {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		more := r.Buffered()
		if again := r.Buffered(); again != more {
			t.Errorf("%q: Buffered says %v, then %v", e.Data, more, again)
		}
		got = append(got, fmt.Sprintf("%q %v", e.Data, more))
	}
	want := []string{`"a\nb" true`, `"c\nd" false`, `"e" false`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// An event is handed on when its blank line has come, not a byte later.
func TestNoWaiting(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"} {
		pr, pw := io.Pipe()
		go pw.Write([]byte(in)) // then silence
		e, err := sse.NewReader(pr, 0).Next()
		if err != nil || string(e.Data) != "a" {
			t.Errorf("%q: %v %v", in, e, err)
		}
		pr.Close()
	}
}

func TestTooLarge(t *testing.T) {
	big := "data: " + strings.Repeat("x", 50_000)
	for _, in := range []string{big + "\n\n", big, strings.Repeat("data: x\n", 10_000)} {
		if _, err := sse.NewReader(strings.NewReader(in), 40_000).Next(); !errors.Is(err, sse.ErrTooLarge) {
			t.Errorf("error %v", err)
		}
	}
	e, err := sse.NewReader(strings.NewReader(big+"\n\n"), 60_000).Next()
	if err != nil || len(e.Data) != 50_000 {
		t.Errorf("%v", err)
	}
}

func TestSourceError(t *testing.T) {
	broken := errors.New("broken")
	r := sse.NewReader(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken)), 0)
	got, err := readAll(r)
	if len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := sse.NewReader(zero{}, 0).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

type zero struct{}

func (zero) Read([]byte) (int, error) { return 0, nil }

func TestReset(t *testing.T) {
	r := sse.NewReader(strings.NewReader("\uFEFFdata: a\r\n\rdata: b\ndata"), 0)
	if _, err := readAll(r); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	r.Reset(strings.NewReader("data: c\n\n"), 0)
	got, err := readAll(r)
	if diff := cmp.Diff([]event{{Raw: "data: c\n\n", Data: "c"}}, got); diff != "" || err != io.EOF {
		t.Errorf("%v %s", err, diff)
	}
}

func TestAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z_]{0,5}`).Draw(t, "name")
		data := rapid.StringMatching("[a-z :\n]{0,20}").Draw(t, "data")
		out := sse.AppendComment(nil, "hello")
		out = sse.Append(out, name, []byte(data))
		got, err := readAll(sse.NewReader(bytes.NewReader(out), 0))
		if err != io.EOF || len(got) != 2 || !got[0].Comment || got[1].Name != name || got[1].Data != data {
			t.Fatalf("%+v %v", got, err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("data: a\r\n\r\n: c\n\nevent: x\ndata\n\n"), uint8(3))
	f.Add([]byte("\uFEFFdata: a\r\r\ndata: b\n\n"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		var split chunks
		for rest := in; len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			split, rest = append(split, rest[:n]), rest[n:]
		}
		want, wantErr := readAll(sse.NewReader(bytes.NewReader(in), 0))
		got, gotErr := readAll(sse.NewReader(&split, 0))
		wantEvents, _ := join(want)
		gotEvents, _ := join(got)
		if diff := cmp.Diff(wantEvents, gotEvents); diff != "" || gotErr != wantErr {
			t.Fatalf("%q: errors %v and %v, events (-whole +split):\n%s", in, wantErr, gotErr, diff)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	ev := "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n"
	in := []byte(strings.Repeat(ev, 1000))
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	src := bytes.NewReader(in)
	r := sse.NewReader(src, 0)
	for b.Loop() {
		src.Reset(in)
		r.Reset(src, 0)
		n := 0
		for {
			if _, err := r.Next(); err != nil {
				break
			}
			n++
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
