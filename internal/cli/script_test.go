package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"freehold/internal/cli"
	"freehold/internal/engine"
	"freehold/internal/vector"
	"freehold/internal/vector/opensearch/opensearchtest"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/weaviate/weaviatetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"freehold": func() {
			engine.RunSupervisorIfAsked()
			os.Exit(cli.Main())
		},
	})
}

// TestScript drives the real commands by the scripts in testdata/script. Beside
// testscript's own commands they have:
//
//	freeport VAR...        sets variables to free loopback ports
//	await URL              waits until a server answers there, or listens at HOST:PORT
//	source STORE VAR       starts a simulator of a store that is only read, with three
//	                       records under the name docs or Docs, or an empty one of
//	                       Pinecone; sets VAR
//	certificate CERT KEY   makes a certificate for 127.0.0.1
//	post URL FILE [KEY]    posts a file as JSON, with the values of $VARS in it;
//	                       the answer is its output, the status in the first line
//	traffic BASE N TAG RATING PROMPT   asks the workload chat N times, %d in PROMPT
//	                       counted up, and rates each answer: RATING is members
//	capture VAR REGEXP     sets a variable to the first group, in the last output
//	pairs BASE WORKLOAD N  waits until a rollout knows N pairs
//	drilling               waits until a drill is under way
//	ends CODE COMMAND...   runs a command that must end with this code
//	tty start COMMAND...   runs a command on a terminal (Linux); then
//	tty expect REGEXP      waits until it shows that, behind what was expected last
//	tty send TEXT          types a text, with \n and such in it
//	tty end CODE           waits until it ends; what it showed is the output
//	said REGEXP            is stderr, with lines that were folded in one
//	columns N              fails if a line of the last output is wider
//	tamper DB              alters one byte of the history's last record
//	forget DB              takes the history's last record away
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", ContinueOnError: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("FREEHOLD_CACHE", e.WorkDir+"/cache")
			e.Setenv("USER", "tester")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each command ends a second later
			withTerminal(e)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freeport, "await": await, "source": source, "certificate": certificate, "get": get, "ask": ask, "post": post, "traffic": traffic, "pairs": pairs, "capture": capture, "drilling": drilling, "ends": ends, "tty": tty, "columns": columns, "said": said, "tamper": tamper, "forget": forget,
		},
	})
}

func freeport(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // all of them stay taken until each has its own
		_, port, err := net.SplitHostPort(l.Addr().String())
		ts.Check(err)
		ts.Setenv(name, port)
	}
}

func source(ts *testscript.TestScript, _ bool, a []string) {
	specs := []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}
	var records []vector.Record
	for i := range 3 {
		payload := vector.NewPayload([]vector.Field{{Name: "year", Value: vector.IntOf(2003)}, {Name: "price", Value: vector.FloatOf(float64(i))}})
		records = append(records, vector.Record{ID: vector.UUIDOf(uuid.UUID{byte(i)}), Vectors: []vector.Vector{{Dense: []float32{1, float32(i)}}}, Payload: payload})
	}
	var end func()
	var host string
	switch a[0] {
	case "pinecone":
		s, err := sim.New(sim.Options{Key: "s3cret"})
		ts.Check(err)
		end, host = s.Close, s.Address()
	case "weaviate":
		s, over := weaviatetest.Start(weaviatetest.Options{Key: "s3cret"})
		ts.Check(errors.Join(s.Make("Docs", specs), s.Put("Docs", records)))
		end, host = over, s.Host
	default:
		s, over := opensearchtest.Start(opensearchtest.Options{Elastic: a[0] == "elasticsearch", User: "ann", Password: "s3cret"})
		ts.Check(errors.Join(s.Make("docs", specs), s.Put("docs", records)))
		end, host = over, s.Host
	}
	ts.Defer(end)
	ts.Setenv(a[1], host)
}

func certificate(ts *testscript.TestScript, _ bool, a []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(a[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(a[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

func answers(at string) error {
	if !strings.Contains(at, "://") {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	resp, err := http.Get(at)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func await(ts *testscript.TestScript, _ bool, a []string) {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := answers(a[0])
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing answers at %s: %v", a[0], err)
		}
		time.Sleep(5 * time.Millisecond) // another process: there is nothing to wait on
	}
}

func post(ts *testscript.TestScript, _ bool, a []string) {
	r, err := http.NewRequest(http.MethodPost, a[0], strings.NewReader(os.Expand(ts.ReadFile(a[1]), ts.Getenv)))
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	if len(a) > 2 {
		r.Header.Set("Authorization", "Bearer "+a[2])
	}
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	_, err = fmt.Fprintf(ts.Stdout(), "status %d request %s\n%s\n", resp.StatusCode, resp.Header.Get("X-Request-Id"), body)
	ts.Check(err)
}

func traffic(ts *testscript.TestScript, _ bool, a []string) {
	base, tag, rating, prompt := a[0], a[2], a[3], a[4]
	n, err := strconv.Atoi(a[1])
	ts.Check(err)
	send := func(path, body string) string {
		r, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(body))
		ts.Check(err)
		r.Header.Set("X-Freehold-Tags", tag)
		resp, err := http.DefaultClient.Do(r)
		ts.Check(err)
		answer, err := io.ReadAll(resp.Body)
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			ts.Fatalf("%s: status %d: %s", path, resp.StatusCode, answer)
		}
		return resp.Header.Get("X-Request-Id")
	}
	for i := range n {
		text := strings.ReplaceAll(prompt, "%d", strconv.Itoa(i))
		id := send("/v1/chat/completions", fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":%q}]}`, text))
		send("/v1/feedback", fmt.Sprintf(`{"request_id":%q,%s}`, id, rating))
	}
}

func pairs(ts *testscript.TestScript, _ bool, a []string) {
	n, err := strconv.Atoi(a[2])
	ts.Check(err)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		resp, err := http.Get(a[0] + "/admin/v1/rollouts/" + a[1])
		ts.Check(err)
		var now struct {
			Report struct {
				Pairs int `json:"pairs"`
			} `json:"report"`
		}
		ts.Check(json.NewDecoder(resp.Body).Decode(&now))
		ts.Check(resp.Body.Close())
		if now.Report.Pairs >= n {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%d pairs of %d", now.Report.Pairs, n)
		}
		time.Sleep(5 * time.Millisecond) // another process: there is nothing to wait on
	}
}

func get(ts *testscript.TestScript, _ bool, a []string) {
	resp, err := http.Get(a[0])
	ts.Check(err)
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
	ts.Check(resp.Body.Close())
}

// ask sends a number of requests to a workload, each with another question.
func ask(ts *testscript.TestScript, _ bool, a []string) {
	n, err := strconv.Atoi(a[0])
	ts.Check(err)
	for i := range n {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"question %d"}]}`, a[2], i)
		resp, err := http.Post(a[1]+"/v1/chat/completions", "application/json", strings.NewReader(body))
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			ts.Fatalf("question %d: status %d", i, resp.StatusCode)
		}
	}
}

func capture(ts *testscript.TestScript, _ bool, a []string) {
	re, err := regexp.Compile("(?m)" + a[1])
	ts.Check(err)
	found := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("no match for %s", a[1])
	}
	ts.Setenv(a[0], found[1])
}

func drilling(ts *testscript.TestScript, _ bool, _ []string) {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		ts.Check(ts.Exec("freehold", "drill", "list"))
		if strings.Contains(ts.ReadFile("stdout"), " running ") {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no drill is under way")
		}
	}
}

func ends(ts *testscript.TestScript, _ bool, a []string) {
	want, err := strconv.Atoi(a[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(a[1], a[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("ended with %d, not %d", got, want)
	}
}

func said(ts *testscript.TestScript, no bool, a []string) {
	var text strings.Builder
	for i, line := range strings.Split(ts.ReadFile("stderr"), "\n") {
		words := strings.TrimLeft(line, " ")
		switch {
		case i == 0:
		case strings.HasPrefix(line, "  ") && !strings.HasPrefix(words, "hint: "):
			text.WriteByte(' ')
			line = words
		default:
			text.WriteByte('\n')
		}
		text.WriteString(line)
	}
	re, err := regexp.Compile("(?m)" + a[0])
	ts.Check(err)
	if re.MatchString(text.String()) == no {
		ts.Fatalf("%q in what was said is %v", a[0], !no)
	}
}

func columns(ts *testscript.TestScript, _ bool, a []string) {
	var limit int
	_, err := fmt.Sscan(a[0], &limit)
	ts.Check(err)
	of := "stdout"
	if len(a) > 1 {
		of = a[1]
	}
	for line := range strings.Lines(ts.ReadFile(of)) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > limit {
			ts.Fatalf("%d columns: %s", n, line)
		}
	}
}

func tamper(ts *testscript.TestScript, _ bool, a []string) {
	alter(ts, a[0], `UPDATE history SET record = CAST(replace(record, 'first', 'f1rst') AS BLOB) WHERE seq = (SELECT max(seq) FROM history)`)
}

func forget(ts *testscript.TestScript, _ bool, a []string) {
	alter(ts, a[0], `DELETE FROM history WHERE seq = (SELECT max(seq) FROM history)`)
}

// alter does to the state what nobody may, to one record.
func alter(ts *testscript.TestScript, file, statement string) {
	db, err := sql.Open("sqlite", ts.MkAbs(file))
	ts.Check(err)
	defer db.Close()
	r, err := db.Exec(statement)
	ts.Check(err)
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		ts.Fatalf("%d records changed: %v", n, err)
	}
}
