package judge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"freehold/internal/judge"
)

// TestMain makes this binary a user's program where a test asks it to.
func TestMain(m *testing.M) {
	if does := os.Getenv("JUDGE_TEST_PROGRAM"); does != "" {
		os.Exit(act(does))
	}
	os.Exit(m.Run())
}

func act(does string) int {
	switch does {
	case "score":
		var s judge.Sample
		if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		length := func(a judge.Answer) float64 { return min(1, float64(len(a.Text))/10) }
		fmt.Printf(`{"baseline":%v,"candidate":%v,"detail":"by length of %s"}`, length(s.Baseline), length(s.Candidate), s.ID)
	case "environment":
		if os.Getenv("FREEHOLD_CAPTURE_KEY") != "" || os.Getenv("OPENAI_API_KEY") != "" {
			fmt.Println(`{"baseline":0,"candidate":0}`)
			return 0
		}
		fmt.Println(`{"baseline":1,"candidate":1}`)
	case "fail":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 5000)+" no such rule")
		return 3
	case "flood":
		for range 1000 {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "hang":
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		<-interrupted
	case "leave": // a child that has its output, and a connection to the test
		if err := leave(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	default:
		fmt.Print(does)
	}
	return 0
}

func leave() error {
	conn, err := net.Dial("tcp", os.Getenv("JUDGE_TEST_ADDRESS"))
	if err != nil {
		return err
	}
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	child := exec.Command(os.Args[0])
	child.Env, child.Stdout, child.ExtraFiles = append(os.Environ(), "JUDGE_TEST_PROGRAM=hang"), os.Stdout, []*os.File{f}
	return child.Start()
}

// acting is a judge by a program that does what is said.
func acting(t *testing.T, does string, timeout time.Duration, env ...string) judge.Judge {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return made(t, judge.Spec{Kind: judge.Program, Command: []string{self}, Timeout: timeout, Environment: append(env, "JUDGE_TEST_PROGRAM="+does, "GORACE=atexit_sleep_ms=0")})
}

func TestProgram(t *testing.T) {
	j := acting(t, "score", 0)
	s := judge.Sample{ID: "7", Conversation: strings.Repeat("long ", 100_000), Baseline: text("12345"), Candidate: text("1234567890")}
	v, err := j.Judge(t.Context(), s)
	if err != nil || v.Baseline != 0.5 || v.Candidate != 1 || v.Difference != 0.5 || v.Basis != judge.Check || v.Quote != "by length of 7" {
		t.Errorf("%+v, %v", v, err)
	}
	if w, err := j.Judge(t.Context(), s.Swapped()); err != nil || w.Difference != -0.5 {
		t.Errorf("%+v, %v", w, err)
	}
	// What failed has 0, whatever the program thinks of it.
	s.Candidate.Failure = "status 500"
	if v, err := j.Judge(t.Context(), s); err != nil || v.Candidate != 0 || v.Baseline != 0.5 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := j.Judge(t.Context(), s.Swapped()); err != nil || v.Baseline != 0 || v.Candidate != 0.5 {
		t.Errorf("%+v, %v", v, err)
	}
	s.Baseline.Failure = "status 500"
	if v, err := acting(t, "fail", 0).Judge(t.Context(), s); err != nil || v.Difference != 0 || v.Basis != judge.Unanswered {
		t.Errorf("%+v, %v", v, err)
	}
}

// A program finds none of freehold's secrets in its environment.
func TestProgramEnvironment(t *testing.T) {
	t.Setenv("FREEHOLD_CAPTURE_KEY", "secret")
	t.Setenv("OPENAI_API_KEY", "secret")
	if v, err := acting(t, "environment", 0).Judge(t.Context(), judge.Sample{Baseline: text("a"), Candidate: text("b")}); err != nil || v.Baseline != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestProgramFailures(t *testing.T) {
	s := judge.Sample{ID: "row-7", Baseline: text("a"), Candidate: text("b")}
	for does, says := range map[string]string{
		"fail": "no such rule", "flood": "more than", "nothing": "must print", `{"baseline":1}`: "from 0 to 1",
		`{"baseline":1,"candidate":1.1}`: "from 0 to 1", `{"baseline":1,"candidate":1,"more":2}`: "must print",
		`{"baseline":1,"candidate":1} {}`: "more than one", `{"baseline":"1","candidate":1}`: "must print",
	} {
		_, err := acting(t, does, 0).Judge(t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "row-7") || len(err.Error()) > 4000 {
			t.Errorf("%s: %v", does, err)
		}
	}
	if _, err := acting(t, "hang", 50*time.Millisecond).Judge(t.Context(), s); err == nil || !strings.Contains(err.Error(), "50ms") {
		t.Errorf("one that hangs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := acting(t, "score", 0).Judge(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("one that is no longer wanted: %v", err)
	}
	gone := made(t, judge.Spec{Kind: judge.Program, Command: []string{"./no-such-program"}})
	if _, err := gone.Judge(t.Context(), s); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("one that is not there: %v", err)
	}
}
