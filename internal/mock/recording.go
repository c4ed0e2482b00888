package mock

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Recording is one exchange with a provider. Its file is text:
//
//	freehold recording 1
//	request POST /v1/chat/completions?a=b
//	header Content-Type: application/json
//	body 27
//	{"model":"m","messages":[]}
//	response 200
//	header Content-Type: text/event-stream
//	chunk 120ms 14
//	data: {"a":1}
//	end 130ms complete
//
// body and chunk say how many bytes follow; a line break comes after them.
// Times count from the moment the request was sent. The end is complete, or
// cut: the connection was lost there.
type Recording struct {
	Method, Path string // with the query
	Header       http.Header
	Body         []byte
	Status       int
	Response     http.Header
	Chunks       []Chunk
	End          time.Duration
	Cut          bool
	// Name is the file's.
	Name string
}

// Chunk is what one read brought, and when.
type Chunk struct {
	At   time.Duration
	Data []byte
}

const magic = "freehold recording 1"

// Encode is the file.
func (r *Recording) Encode() []byte {
	var b bytes.Buffer
	headers := func(h http.Header) {
		for _, n := range slices.Sorted(maps.Keys(h)) {
			for _, v := range h[n] {
				fmt.Fprintf(&b, "header %s: %s\n", n, v)
			}
		}
	}
	fmt.Fprintf(&b, "%s\nrequest %s %s\n", magic, r.Method, r.Path)
	headers(r.Header)
	fmt.Fprintf(&b, "body %d\n%s\nresponse %d\n", len(r.Body), r.Body, r.Status)
	headers(r.Response)
	for _, c := range r.Chunks {
		fmt.Fprintf(&b, "chunk %s %d\n%s\n", c.At, len(c.Data), c.Data)
	}
	end := "complete"
	if r.Cut {
		end = "cut"
	}
	fmt.Fprintf(&b, "end %s %s\n", r.End, end)
	return b.Bytes()
}

// DecodeRecording reads a file.
func DecodeRecording(file []byte) (*Recording, error) {
	in := bufio.NewReader(bytes.NewReader(file))
	r := &Recording{Header: http.Header{}, Response: http.Header{}}
	headers := r.Header
	number := 0
	line := func() (string, error) {
		number++
		s, err := in.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("line %d: the file ends early", number)
		}
		return strings.TrimSuffix(s, "\n"), nil
	}
	block := func(size string) ([]byte, error) {
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(file) {
			return nil, fmt.Errorf("line %d: %q is no length of what follows", number, size)
		}
		data := make([]byte, n+1)
		if _, err := io.ReadFull(in, data); err != nil || data[n] != '\n' {
			return nil, fmt.Errorf("line %d: the length does not fit what follows", number)
		}
		number += bytes.Count(data, []byte("\n"))
		return data[:n], nil
	}
	if first, err := line(); err != nil || first != magic {
		return nil, errors.New("line 1: not a recording (want " + strconv.Quote(magic) + ")")
	}
	for {
		s, err := line()
		if err != nil {
			return nil, err
		}
		word, rest, _ := strings.Cut(s, " ")
		bad := fmt.Errorf("line %d: cannot read %q", number, s)
		switch word {
		case "request":
			var ok bool
			if r.Method, r.Path, ok = strings.Cut(rest, " "); !ok {
				return nil, bad
			}
		case "header":
			n, v, ok := strings.Cut(rest, ": ")
			if !ok {
				return nil, bad
			}
			headers.Add(n, v)
		case "body":
			if r.Body, err = block(rest); err != nil {
				return nil, err
			}
		case "response":
			if r.Status, err = strconv.Atoi(rest); err != nil || r.Status < 100 || r.Status > 999 {
				return nil, bad
			}
			headers = r.Response
		case "chunk":
			at, size, _ := strings.Cut(rest, " ")
			d, err := time.ParseDuration(at)
			if err != nil || d < 0 {
				return nil, bad
			}
			data, err := block(size)
			if err != nil {
				return nil, err
			}
			r.Chunks = append(r.Chunks, Chunk{d, data})
		case "end":
			at, how, _ := strings.Cut(rest, " ")
			if r.End, err = time.ParseDuration(at); err != nil || how != "complete" && how != "cut" || r.Method == "" || r.Status == 0 {
				return nil, bad
			}
			r.Cut = how == "cut"
			return r, nil
		default:
			return nil, bad
		}
	}
}

// aside are members of a body that do not change what is asked.
var aside = []string{"user", "metadata", "safety_identifier", "prompt_cache_key", "store", "service_tier", "stream_options"}

// identity is what a request is recognised by: the method, the path without
// query, and the body as canonical JSON without what does not change the
// answer. Secrets in it are masked, as in recordings.
func identity(method, path string, body []byte) (key string, members map[string]any) {
	path, _, _ = strings.Cut(path, "?")
	body = scrub(body)
	content := string(body)
	if tree, p := parse(body); p == nil {
		for _, n := range aside {
			delete(tree, n)
		}
		members = tree
		content = compact(tree)
	}
	sum := sha256.Sum256([]byte(method + " " + path + "\n" + content))
	return hex.EncodeToString(sum[:]), members
}

// distance counts the members in which two bodies differ, and names them.
func distance(a, b map[string]any) (int, []string) {
	n := 0
	var names []string
	all := slices.Concat(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	sort.Strings(all)
	for _, k := range slices.Compact(all) {
		if x, y := compact(a[k]), compact(b[k]); x != y {
			names = append(names, k)
			n += 1 << 10 // one member weighs more than any difference of length within one
			same := 0
			for same < len(x) && same < len(y) && x[same] == y[same] {
				same++
			}
			n += min(len(x)+len(y)-2*same, 1<<10-1)
		}
	}
	return n, names
}
