//go:build unix

package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"freehold/internal/leaktest"
)

// benchEnv makes the test binary a server, so that its CPU time is not counted
// as the client's.
const benchEnv = "FREEHOLD_UPSTREAM_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(benchEnv) != "" {
		benchServe()
	}
	leaktest.Main(m)
}

// benchServe answers until the parent process is gone.
func benchServe() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(ln.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	plain := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req-1\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 1200\r\n\r\n" + strings.Repeat("x", 1200))
	stream := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	chunk := []byte("c8\r\n" + strings.Repeat("y", 200) + "\r\n")
	for {
		c, err := ln.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			r := bufio.NewReaderSize(c, 64<<10)
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				if req.Header.Get("X-Stream") == "" {
					c.Write(plain)
					continue
				}
				c.Write(stream)
				for range 50 {
					c.Write(chunk)
				}
				c.Write([]byte("0\r\n\r\n"))
			}
		}()
	}
}

func startBenchServer(b *testing.B) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCarriers compares the two carriers on plain http, in CPU time of
// this process a request (cpu-us/op).
func BenchmarkCarriers(b *testing.B) {
	url := startBenchServer(b)
	for _, load := range []struct {
		name   string
		size   int
		stream bool
	}{{"1KB", 1000, false}, {"40KB", 40_000, false}, {"burst50", 1000, true}} {
		for _, carrier := range []string{"h1", "net_http"} {
			b.Run(load.name+"/"+carrier, func(b *testing.B) {
				target := Target{Provider: "p", BaseURL: url + "/v1", Auth: AuthBearer}
				c, err := New(target)
				if err != nil {
					b.Fatal(err)
				}
				if carrier == "net_http" {
					c.tr = newTransport(c.ep, &target, nil)
				}
				defer c.Close()
				call := &Call{
					Method: "POST", Path: "/chat/completions", Key: NewKey("sk-1"), Stream: load.stream,
					Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(strings.Repeat("z", load.size)),
				}
				if load.stream {
					call.Header.Set("X-Stream", "1")
				}
				var failed atomic.Pointer[error]
				b.ReportAllocs()
				b.SetParallelism(8)
				b.ResetTimer()
				start := cpuTime(b)
				b.RunParallel(func(pb *testing.PB) {
					buf := make([]byte, 32<<10)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					for pb.Next() {
						r, err := c.do(ctx, call)
						if err == nil {
							_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, buf)
							r.Body.Close()
						}
						if err != nil {
							failed.Store(&err)
							return
						}
					}
				})
				b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
				if err := failed.Load(); err != nil {
					b.Fatal(*err)
				}
			})
		}
	}
}
