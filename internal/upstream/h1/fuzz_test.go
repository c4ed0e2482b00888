package h1

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzAgainstNetHTTP: what this package accepts, net/http reads the same way;
// and a connection is kept only if net/http sees nothing after the answer.
func FuzzAgainstNetHTTP(f *testing.F) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
		chunked + "5;a=b\r\nhello\r\n3 \r\nyou\r\n0\r\nA: b\r\n\r\n",
		chunked + "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: x\r\nx-a:\t b \r\nX-A: c\r\n\r\nto the end",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		for _, method := range []string{"POST", "HEAD"} {
			f.Add(method == "HEAD", []byte(raw), uint8(3), uint8(7))
			f.Add(method == "HEAD", []byte(raw), uint8(255), uint8(255))
		}
	}
	f.Fuzz(func(t *testing.T, head bool, raw []byte, piece, buf uint8) {
		method := "POST"
		if head {
			method = "HEAD"
		}
		got := play(method, string(raw), int(buf)+1, pieces(int(piece)+1))
		if got.err != nil || got.resp.Header["Trailer"] != nil { // net/http judges announced trailers by name
			return
		}
		br := bufio.NewReaderSize(strings.NewReader(string(raw)), 128<<10)
		var resp *http.Response
		for {
			var err error
			resp, err = http.ReadResponse(br, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("net/http refuses what was accepted: %v", err)
			}
			if resp.StatusCode >= 200 {
				break
			}
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("net/http refuses the body %q: %v", got.body, err)
		}
		if resp.StatusCode != got.resp.Status || string(body) != got.body || resp.Proto != got.resp.Proto {
			t.Fatalf("status %d and %d, body %q and %q", got.resp.Status, resp.StatusCode, got.body, body)
		}
		for name, values := range got.resp.Header {
			switch name { // net/http takes these out or mends them
			case "Content-Length", "Transfer-Encoding", "Connection", "Cache-Control":
				continue
			}
			if !slices.Equal(values, resp.Header[name]) {
				t.Fatalf("header %q: %q and %q", name, values, resp.Header[name])
			}
		}
		if !got.kept {
			return
		}
		if resp.Close {
			t.Fatal("kept, although net/http would close")
		}
		if rest, _ := io.ReadAll(br); len(rest) != got.left {
			t.Fatalf("%d bytes after the answer, %d seen", len(rest), got.left)
		}
	})
}
