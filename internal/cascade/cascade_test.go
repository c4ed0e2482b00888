package cascade_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"freehold/internal/cascade"
)

// Each phrasing is another, and keeps the form that was asked for.
func TestPhrasings(t *testing.T) {
	seen := map[string]bool{}
	for n := range cascade.MaxAttempts {
		p := cascade.Phrasing(n)
		if seen[p] || (p == "") != (n == 0) || n > 0 && !strings.Contains(p, "language") || len(p) > cascade.LongestPhrasing() {
			t.Errorf("phrasing %d is %q", n, p)
		}
		seen[p] = true
	}
	if cascade.Phrasing(cascade.MaxAttempts) != "" || cascade.Phrasing(-1) != "" {
		t.Error("there are phrasings outside the list")
	}
}

// logprobs are those of tokens with the probabilities of their likeliest two.
func logprobs(pairs ...[2]float64) json.RawMessage {
	var parts []string
	for _, p := range pairs {
		parts = append(parts, fmt.Sprintf(`{"token":"x","logprob":%f,"top_logprobs":[{"token":"x","logprob":%f},{"token":"y","logprob":%f}]}`, math.Log(p[0]), math.Log(p[0]), math.Log(p[1])))
	}
	return json.RawMessage(`{"content":[` + strings.Join(parts, ",") + `],"refusal":null}`)
}

func TestMargin(t *testing.T) {
	long := make([][2]float64, 20)
	for i := range long {
		long[i] = [2]float64{0.99, 0.01}
	}
	long[3], long[9] = [2]float64{0.5, 0.4}, [2]float64{0.6, 0.3}
	for name, c := range map[string]struct {
		logprobs json.RawMessage
		want     float64
		ok       bool
	}{
		"one token":              {logprobs([2]float64{0.8, 0.1}), 0.7, true},
		"the least of a few":     {logprobs([2]float64{0.9, 0.05}, [2]float64{0.5, 0.4}), 0.1, true},
		"a tenth of many":        {logprobs(long...), 0.2, true},
		"the second is likelier": {json.RawMessage(`{"content":[{"top_logprobs":[{"logprob":-2},{"logprob":-0.1}]}]}`), math.Exp(-0.1) - math.Exp(-2), true},
		"sure":                   {json.RawMessage(`{"content":[{"top_logprobs":[{"logprob":0},{"logprob":-9999}]}]}`), 1, true},
		"no alternatives":        {json.RawMessage(`{"content":[{"token":"x","logprob":-1,"top_logprobs":[]}]}`), 0, false},
		"one alternative":        {json.RawMessage(`{"content":[{"top_logprobs":[{"logprob":-1}]}]}`), 0, false},
		"one without a number":   {json.RawMessage(`{"content":[{"top_logprobs":[{"logprob":-1},{}]}]}`), 0, false},
		"no tokens":              {json.RawMessage(`{"content":[]}`), 0, false},
		"null":                   {json.RawMessage(`null`), 0, false},
		"nothing":                {nil, 0, false},
		"garbage":                {json.RawMessage(`{"content":`), 0, false},
	} {
		got, ok := cascade.Margin(c.logprobs)
		if ok != c.ok || math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzMargin(f *testing.F) {
	f.Add([]byte(logprobs([2]float64{0.8, 0.1}, [2]float64{0.4, 0.3})))
	f.Add([]byte(`{"content":[{"top_logprobs":[{"logprob":5},{"logprob":-1e400}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := cascade.Margin(b); ok && !(m >= 0 && m <= 1) || !ok && m != 0 {
			t.Errorf("%s: %v, %v", b, m, ok)
		}
	})
}

// run lets n requests come, of which a share is escalated, and returns how many
// were asked and how often the switch turned.
func run(s *cascade.Switch, r *rand.Rand, n int, escalated, spent, strong float64) (asked, turned int) {
	for range n {
		if !s.Ask() {
			continue
		}
		asked++
		o := cascade.Outcome{Kept: r.Float64() >= escalated, Cause: "disagree", Spent: spent, Priced: true}
		if o.Kept {
			o.Cause, o.Saved = "", strong
		}
		if s.Note(o) {
			turned++
		}
	}
	return asked, turned
}

// A cascade that pays stays on; one that only costs goes off after some
// requests, is tried now and then, and comes back when it pays again.
func TestSwitch(t *testing.T) {
	for name, c := range map[string]struct {
		escalated, spent, strong float64
		off                      string
	}{
		"two phrasings of a cheap model":  {0.35, 0.0002, 0.003, ""},
		"free attempts":                   {0.6, 0, 0.003, ""},
		"nothing costs anything":          {0.6, 0, 0, ""},
		"nearly always escalated":         {0.95, 0, 0.003, "were escalated"},
		"always escalated":                {1, 0.0002, 0.003, "were escalated"},
		"dearer than what it saves":       {0.5, 0.002, 0.003, "cost"},
		"the strong model costs nothing":  {0.1, 0.002, 0, "cost"},
		"the attempts cost as the strong": {0, 0.003, 0.003, "cost"},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := &cascade.Switch{}, rand.New(rand.NewPCG(5, 6))
			asked, turned := run(s, r, 5000, c.escalated, c.spent, c.strong)
			if c.off == "" {
				if asked != 5000 || turned != 0 || s.Off() != "" {
					t.Fatalf("asked %d of 5000, turned %d times: %s", asked, turned, s.Off())
				}
				return
			}
			if turned != 1 || !strings.Contains(s.Off(), c.off) {
				t.Fatalf("turned %d times, off: %q", turned, s.Off())
			}
			if asked > 150+5000/20 || asked < 50+4800/20 {
				t.Errorf("asked %d of 5000", asked)
			}
			// A better model takes its place: one request in twenty finds out.
			asked, turned = run(s, r, 1000, 0.2, 0.0001, 0.003)
			if turned != 1 || s.Off() != "" || asked < 1000-800+20 {
				t.Errorf("not on again: asked %d, turned %d times, off: %q", asked, turned, s.Off())
			}
		})
	}
}

// An unknown price counts for nothing: only escalations then do.
func TestSwitchWithoutPrices(t *testing.T) {
	s := &cascade.Switch{}
	for range 500 {
		s.Note(cascade.Outcome{Kept: true, Spent: 5})
	}
	if s.Off() != "" {
		t.Errorf("off: %s", s.Off())
	}
	st := s.Stats()
	if st.Kept != 500 || st.Spent != 0 || len(st.Escalated) != 0 || st.Off {
		t.Errorf("%+v", st)
	}
}

// Few requests turn nothing off, and what is counted is told by cause.
func TestSwitchCounts(t *testing.T) {
	s := &cascade.Switch{}
	for range 49 {
		if !s.Ask() || s.Note(cascade.Outcome{Cause: "failed"}) {
			t.Fatal("turned off too early")
		}
	}
	if !s.Ask() || !s.Note(cascade.Outcome{Cause: "cut"}) {
		t.Fatal("not turned off")
	}
	for i := range 19 {
		if s.Ask() {
			t.Fatalf("request %d after it is asked", i+1)
		}
	}
	if !s.Ask() {
		t.Error("the twentieth is not")
	}
	st := s.Stats()
	if st.Escalated["failed"] != 49 || st.Escalated["cut"] != 1 || st.Passed != 19 || !st.Off || st.Why != s.Off() {
		t.Errorf("%+v", st)
	}
}

// samples are of a model that is right as often as it is sure.
func samples(n int, right func(margin float64) float64) []cascade.Sample {
	r := rand.New(rand.NewPCG(7, 8))
	out := make([]cascade.Sample, n)
	for i := range out {
		out[i].Margin = r.Float64()
		if r.Float64() < right(out[i].Margin) {
			out[i].Score = 1
		}
	}
	return out
}

func TestCalibrate(t *testing.T) {
	list := samples(2000, func(m float64) float64 { return 0.5 + m/2 })
	c, err := cascade.Calibrate(list, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	// Above a margin of .6 the mean is .9.
	if c.Margin < 0.58 || c.Margin > 0.75 || c.Chosen.Low < 0.9 || c.HeldOut.Accuracy < 0.9 || c.HeldOut.Low >= c.HeldOut.Accuracy || c.HeldOut.High <= c.HeldOut.Accuracy {
		t.Errorf("%+v", c)
	}
	if len(c.Curve) != 21 || c.Curve[0].Kept != 2000 || c.Curve[0].Share != 1 || c.Curve[10].Share < 0.45 || c.Curve[10].Share > 0.55 {
		t.Errorf("curve %+v", c.Curve)
	}
	if c.HeldOut.Share < 0.2 || c.HeldOut.Share > 0.5 {
		t.Errorf("held out %+v", c.HeldOut)
	}
	rand.New(rand.NewPCG(9, 9)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	again, err := cascade.Calibrate(list, 0.9)
	if err != nil || again.Margin != c.Margin || again.HeldOut != c.HeldOut {
		t.Errorf("in another order: %+v, %v", again, err)
	}
}

func TestCalibrateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		samples []cascade.Sample
		says    string
	}{
		"nothing":            {nil, "takes 100"},
		"few":                {samples(99, func(float64) float64 { return 1 }), "takes 100"},
		"a weak model":       {samples(2000, func(float64) float64 { return 0.4 }), "too weak"},
		"margins say little": {samples(150, func(m float64) float64 { return 0.8 }), ""},
	} {
		_, err := cascade.Calibrate(c.samples, 0.9)
		var none *cascade.NoMarginError
		if !errors.As(err, &none) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A model that is always right keeps everything.
	c, err := cascade.Calibrate(samples(200, func(float64) float64 { return 1 }), 0.9)
	if err != nil || c.Chosen.Share != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestReadSamples(t *testing.T) {
	got, err := cascade.ReadSamples("f", strings.NewReader("\xef\xbb\xbf{\"margin\":0.5,\"correct\":true,\"more\":[1]}\n\n{\"margin\":1,\"score\":0.25}\n{\"margin\":0,\"correct\":false}"))
	if err != nil || fmt.Sprint(got) != "[{0.5 1} {1 0.25} {0 0}]" {
		t.Errorf("%v, %v", got, err)
	}
	for bad, says := range map[string]string{
		`{"margin":0.5}`: "f:1: a row has either",
		`{"margin":0.5,"correct":true,"score":1}`:        "f:1: a row has either",
		`{"correct":true}`:                               `"margin" must be`,
		`{"margin":1.5,"correct":true}`:                  `"margin" must be`,
		`{"margin":0.5,"score":-1}`:                      `"score" must be`,
		`{"margin":"x","correct":true}`:                  "no row",
		"{\"margin\":0,\"correct\":true}\n[]":            "f:2: no row",
		strings.Repeat("x\n", 50):                        "and 30 more bad lines",
		`{"margin":1,"x":"` + strings.Repeat("x", 2<<20): "f:1: ",
	} {
		if _, err := cascade.ReadSamples("f", strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
}
