//go:build unix

package judge_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"freehold/internal/judge"
)

// What a program leaves behind is neither waited for nor left.
func TestProgramLeavesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			_, err = io.Copy(io.Discard, conn) // until who has the other end is gone
		}
		ended <- err
	}()
	j := acting(t, "leave", 0, "JUDGE_TEST_ADDRESS="+l.Addr().String())
	if _, err := j.Judge(t.Context(), judge.Sample{Baseline: text("a"), Candidate: text("b")}); err == nil || !strings.Contains(err.Error(), "left a process behind") {
		t.Fatalf("%v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
