package h1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestAccepted(t *testing.T) {
	for _, tc := range []struct {
		name, method, raw string
		status            int
		body              string
		kept              bool
	}{
		{"length", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
		{"empty", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true},
		{"close", "POST", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx", 200, "x", false},
		{"until the end", "POST", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false},
		{"1.0", "POST", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false},
		{"1.0 alive", "POST", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, "x", true},
		{"more than the length", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", 200, "x", false},
		{"chunks", "POST", chunked + "1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, "a0123456789", true},
		{"chunk extensions", "POST", chunked + "1;a=\"b c\"\r\na\r\n1 \t\r\nb\r\n000;z\r\n\r\n", 200, "ab", true},
		{"trailers", "POST", chunked + "1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n", 200, "a", true},
		{"more than the chunks", "POST", chunked + "1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, "a", false},
		{"interim answers", "POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", true},
		{"no content", "POST", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", true},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", true},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "", true},
		{"head chunked", "HEAD", chunked, 200, "", true},
		{"latin-1 value", "POST", "HTTP/1.1 200 \xe4\r\nX: \xe4\r\nContent-Length: 0\r\n\r\n", 200, "", true},
		{"odd status", "POST", "HTTP/1.1 529 \r\nContent-Length: 0\r\n\r\n", 529, "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, piece := range []int{1 << 20, 1, 2, 3} {
				for _, buf := range []int{1, 3, 4096} {
					got := play(tc.method, tc.raw, buf, pieces(piece))
					if got.err != nil || got.resp.Status != tc.status || got.body != tc.body {
						t.Fatalf("pieces of %d, reads of %d: %+v", piece, buf, got)
					}
					// what has not even come cannot forbid to keep it: the
					// next request looks
					if got.kept != tc.kept && !(got.kept && got.left > 0) {
						t.Errorf("pieces of %d, reads of %d: kept %v", piece, buf, got.kept)
					}
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, tc := range map[string]struct {
		raw   string
		stage Stage
	}{
		"nothing":             {"", StageWait},
		"half a head":         {"HTTP/1.1 2", StageHead},
		"garbage":             {"garbage\r\n\r\n", StageHead},
		"empty line":          {"\r\n" + head + "\r\n", StageHead},
		"http 2":              {"HTTP/2 200 OK\r\n\r\n", StageHead},
		"http 1.2":            {"HTTP/1.2 200 OK\r\n\r\n", StageHead},
		"status":              {"HTTP/1.1 20 OK\r\n\r\n", StageHead},
		"long status":         {"HTTP/1.1 2000 OK\r\n\r\n", StageHead},
		"low status":          {"HTTP/1.1 099 OK\r\n\r\n", StageHead},
		"bare LF":             {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", StageHead},
		"bare CR":             {head + "X: a\rb\r\n\r\n", StageHead},
		"CR before CR LF":     {head + "X: a\r\r\n\r\n", StageHead},
		"NUL":                 {head + "X: a\x00b\r\n\r\n", StageHead},
		"folded":              {head + "X: a\r\n b\r\n\r\n", StageHead},
		"no colon":            {head + "X\r\n\r\n", StageHead},
		"no name":             {head + ": x\r\n\r\n", StageHead},
		"blank before colon":  {head + "X : x\r\n\r\n", StageHead},
		"length and chunked":  {head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", StageHead},
		"two lengths":         {head + "Content-Length: 1\r\ncontent-length: 2\r\n\r\nab", StageHead},
		"list of lengths":     {head + "Content-Length: 1, 1\r\n\r\na", StageHead},
		"signed length":       {head + "Content-Length: +1\r\n\r\na", StageHead},
		"negative length":     {head + "Content-Length: -1\r\n\r\na", StageHead},
		"empty length":        {head + "Content-Length:\r\n\r\na", StageHead},
		"huge length":         {head + "Content-Length: 9223372036854775808\r\n\r\na", StageHead},
		"gzip, chunked":       {head + "Transfer-Encoding: gzip, chunked\r\n\r\n", StageHead},
		"chunked twice":       {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", StageHead},
		"chunked in 1.0":      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", StageHead},
		"body of 204":         {"HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\na", StageHead},
		"101":                 {"HTTP/1.1 101 No\r\n\r\n", StageHead},
		"large head":          {head + strings.Repeat("X: y\r\n", 20000) + "\r\n", StageHead},
		"long line":           {head + "X: " + strings.Repeat("y", 70<<10), StageHead},
		"many interim":        {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5000) + head + "\r\n", StageHead},
		"short body":          {head + "Content-Length: 3\r\n\r\nab", StageBody},
		"no body":             {head + "Content-Length: 3\r\n\r\n", StageBody},
		"chunk cut":           {chunked + "3\r\nab", StageBody},
		"no last chunk":       {chunked + "2\r\nab\r\n", StageBody},
		"half a last chunk":   {chunked + "2\r\nab\r\n0", StageBody},
		"no end of trailers":  {chunked + "2\r\nab\r\n0\r\nA: b\r\n", StageBody},
		"chunk size missing":  {chunked + "\r\nab\r\n0\r\n\r\n", StageBody},
		"chunk size word":     {chunked + "xy\r\nab\r\n0\r\n\r\n", StageBody},
		"chunk size 0x":       {chunked + "0x2\r\nab\r\n0\r\n\r\n", StageBody},
		"chunk size signed":   {chunked + "+2\r\nab\r\n0\r\n\r\n", StageBody},
		"chunk size overflow": {chunked + "10000000000000000\r\nab", StageBody},
		"chunk bare LF":       {chunked + "2\nab\n0\n\n", StageBody},
		"chunk without CRLF":  {chunked + "2\r\nab0\r\n\r\n", StageBody},
		"chunk too long":      {chunked + "2\r\nabc\r\n0\r\n\r\n", StageBody},
		"extension with LF":   {chunked + "2;a\nb\r\nab\r\n0\r\n\r\n", StageBody},
		"blank in size":       {chunked + "2 2\r\nab\r\n0\r\n\r\n", StageBody},
		"long extension":      {chunked + "2;" + strings.Repeat("x", 10000) + "\r\nab\r\n0\r\n\r\n", StageBody},
		"trailer name":        {chunked + "0\r\nA b: c\r\n\r\n", StageBody},
		"trailer bare LF":     {chunked + "0\r\nA: b\n\r\n", StageBody},
		"long trailers":       {chunked + "0\r\n" + strings.Repeat("A: b\r\n", 5000) + "\r\n", StageBody},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1 << 20, 1, 7} {
				got := play("POST", tc.raw, 512, pieces(piece))
				var e *Error
				if !errors.As(got.err, &e) || e.Stage != tc.stage || !e.Sent || errors.Is(got.err, io.EOF) {
					t.Fatalf("pieces of %d: stage %v error %v, body %q", piece, stageOf(got.err), got.err, got.body)
				}
				if got.kept {
					t.Error("the connection was kept")
				}
			}
		})
	}
}

func stageOf(err error) any {
	var e *Error
	if errors.As(err, &e) {
		return e.Stage
	}
	return "none"
}

// However the chunks, the packets and the reads are cut, the body is the same,
// and no shorter copy of it passes for whole.
func TestChunksSurviveAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw, want strings.Builder
		raw.WriteString(chunked)
		for _, data := range rapid.SliceOfN(rapid.StringN(1, 40, 80), 0, 8).Draw(t, "chunks") {
			fmt.Fprintf(&raw, rapid.SampledFrom([]string{"%x\r\n", "%X;e=1\r\n", "0%x\r\n"}).Draw(t, "line"), len(data))
			raw.WriteString(data + "\r\n")
			want.WriteString(data)
		}
		raw.WriteString("0\r\n" + rapid.SampledFrom([]string{"", "T: x\r\n"}).Draw(t, "trailer") + "\r\n")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 60), 1, 6).Draw(t, "pieces")
		buf := rapid.IntRange(1, 100).Draw(t, "buf")
		got := play("POST", raw.String(), buf, pieces(sizes...))
		if got.err != nil || got.body != want.String() || !got.kept {
			t.Fatalf("%+v, want %q", got, want.String())
		}
		cut := rapid.IntRange(0, raw.Len()-1).Draw(t, "cut")
		got = play("POST", raw.String()[:cut], buf, pieces(sizes...))
		if got.err == nil || got.kept || !strings.HasPrefix(want.String(), got.body) {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
	})
}
