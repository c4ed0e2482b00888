package capacity_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"freehold/internal/capacity"
)

var update = flag.Bool("update", false, "fit data/calibration.json anew")

func known(t testing.TB) *capacity.Known {
	t.Helper()
	k, err := capacity.Load()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rows(t testing.TB, k *capacity.Known) []capacity.Measured {
	t.Helper()
	text, err := os.ReadFile("data/throughput.csv")
	if err != nil {
		t.Fatal(err)
	}
	all, err := capacity.ReadRows(bytes.NewReader(text), k)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 140 {
		t.Fatalf("%d rows, not 140", len(all))
	}
	return all
}

// TestCalibration: what comes with the program is what is fitted to the rows that come
// with it.
func TestCalibration(t *testing.T) {
	k := known(t)
	all := rows(t, k)
	if *update {
		c, err := capacity.Fit(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(c, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("data/calibration.json", append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		k.Calibration = c
	}
	var knee, easy []float64
	for i := range all {
		o, err := all[i].Predict(k.Calibration)
		if err != nil {
			t.Fatal(err)
		}
		off := math.Abs(o.Throughput/all[i].Throughput - 1)
		if all[i].Knee() {
			knee = append(knee, off)
		} else {
			easy = append(easy, off)
		}
	}
	if median(knee) > 0.10 || median(easy) > 0.04 {
		t.Errorf("rows that it was fitted to: %.1f %% at the knee, %.1f %% elsewhere", 100*median(knee), 100*median(easy))
	}
	t.Logf("fitted rows: %.1f %% at the knee (%d), %.1f %% elsewhere (%d)", 100*median(knee), len(knee), 100*median(easy), len(easy))
}

// TestLeftOut: the rows of hardware and a model that a calibration has not seen are said
// well enough. The six calibrations are in testdata, since to make them takes minutes
// (-update); freehold cost validate makes them.
func TestLeftOut(t *testing.T) {
	const file = "testdata/leftout.json"
	k := known(t)
	all := rows(t, k)
	without := map[string]capacity.Calibration{}
	if *update {
		scored, err := capacity.Validate(t.Context(), all, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range scored {
			without[scored[i].Excluded] = scored[i].By
		}
		text, err := json.Marshal(without, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &without); err != nil {
		t.Fatal(err)
	}
	var scored []capacity.Scored
	for i := range all {
		c, ok := without[all[i].GPU.Name+", "+all[i].Model.Name]
		if !ok {
			t.Fatalf("%s has no calibration without %s, %s", file, all[i].GPU.Name, all[i].Model.Name)
		}
		said, err := all[i].Predict(c)
		if err != nil {
			t.Fatal(err)
		}
		scored = append(scored, capacity.Scored{Row: all[i], Said: said})
	}
	judge(t, scored)
}

// judge holds what was said of rows to the goals: a fifth at the knee and beyond, a
// twentieth elsewhere.
func judge(t *testing.T, all []capacity.Scored) {
	t.Helper()
	var knee, easy []capacity.Scored
	for _, s := range all {
		if s.Row.Knee() {
			knee = append(knee, s)
		} else {
			easy = append(easy, s)
		}
	}
	k, e := capacity.Median(knee, (*capacity.Scored).Error), capacity.Median(easy, (*capacity.Scored).Error)
	if !(k <= 0.20) || !(e <= 0.05) {
		t.Errorf("left out: %.1f %% at the knee, %.1f %% elsewhere", 100*k, 100*e)
	}
	t.Logf("left out: %.1f %% at the knee (%d), %.1f %% elsewhere (%d)", 100*k, len(knee), 100*e, len(easy))
}

// TestValidate leaves out one group after another, of a few rows.
func TestValidate(t *testing.T) {
	var some []capacity.Measured
	for _, r := range rows(t, known(t)) {
		if r.Engine == "vllm" && (r.Rate == 10 || r.Rate == 100) {
			some = append(some, r)
		}
	}
	told := 0
	all, err := capacity.Validate(t.Context(), some, func(_, of int) { told = of })
	if err != nil {
		t.Fatal(err)
	}
	if told != 6 || len(all) != len(some) {
		t.Errorf("%d groups, %d rows of %d", told, len(all), len(some))
	}
	judge(t, all)
	if _, err := capacity.Validate(t.Context(), some[:2], nil); err == nil {
		t.Error("rows of one hardware and model only were validated")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := capacity.Validate(gone, some, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

func median(all []float64) float64 {
	s := make([]capacity.Scored, len(all))
	at := map[*capacity.Scored]float64{}
	for i := range s {
		at[&s[i]] = all[i]
	}
	return capacity.Median(s, func(s *capacity.Scored) float64 { return at[s] })
}

// TestL4 is a memory plan that vLLM itself was seen to make: 40,208 tokens.
func TestL4(t *testing.T) {
	k := known(t)
	bf16, _ := capacity.PrecisionOf("bf16")
	m, err := k.GPU("L4").Plan(k.Model("llama-3.1-8b"), bf16, 1, 0.92, 8192)
	if err != nil {
		t.Fatal(err)
	}
	if got := float64(m.Weights / capacity.GiB); math.Abs(got-14.96) > 0.005 {
		t.Errorf("weights: %.3f GiB", got)
	}
	if got := k.Model("llama-3.1-8b").KV(bf16); got != 131072 {
		t.Errorf("a token takes %v bytes", got)
	}
	if off := math.Abs(m.Tokens/40208 - 1); off > 0.03 {
		t.Errorf("%.0f tokens, %.1f %% off 40,208", m.Tokens, 100*off)
	}
	var big *capacity.TooBig
	if _, err := k.GPU("L4").Plan(k.Model("llama-3.1-70b"), bf16, 1, 0.92, 8192); !errors.As(err, &big) {
		t.Errorf("70B on one L4: %v", err)
	}
}

// TestReadModel counts weights from shapes as their makers count them.
func TestReadModel(t *testing.T) {
	k := known(t)
	for _, c := range []struct{ name, config string }{
		{"llama-3.1-8b", `{"architectures":["LlamaForCausalLM"],"hidden_size":4096,"intermediate_size":14336,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"vocab_size":128256,"max_position_embeddings":131072}`},
		{"llama-3.1-405b", `{"architectures":["LlamaForCausalLM"],"hidden_size":16384,"intermediate_size":53248,"num_attention_heads":128,"num_hidden_layers":126,"num_key_value_heads":8,"vocab_size":128256}`},
		{"mistral-large-2407", `{"architectures":["MistralForCausalLM"],"head_dim":128,"hidden_size":12288,"intermediate_size":28672,"num_attention_heads":96,"num_hidden_layers":88,"num_key_value_heads":8,"vocab_size":32768}`},
		{"phi-4", `{"architectures":["Phi3ForCausalLM"],"hidden_size":5120,"intermediate_size":17920,"num_attention_heads":40,"num_hidden_layers":40,"num_key_value_heads":10,"vocab_size":100352}`},
		{"phi-4-mini", `{"architectures":["Phi3ForCausalLM"],"hidden_size":3072,"intermediate_size":8192,"num_attention_heads":24,"num_hidden_layers":32,"num_key_value_heads":8,"vocab_size":200064,"tie_word_embeddings":true}`},
		{"mixtral-8x7b", `{"architectures":["MixtralForCausalLM"],"hidden_size":4096,"intermediate_size":14336,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":32000}`},
		{"qwen3-30b-a3b", `{"architectures":["Qwen3MoeForCausalLM"],"head_dim":128,"hidden_size":2048,"intermediate_size":6144,"moe_intermediate_size":768,"num_attention_heads":32,"num_hidden_layers":48,"num_key_value_heads":4,"num_experts":128,"num_experts_per_tok":8,"vocab_size":151936}`},
		{"qwen3-32b", `{"architectures":["Qwen3ForCausalLM"],"head_dim":128,"hidden_size":5120,"intermediate_size":25600,"num_attention_heads":64,"num_hidden_layers":64,"num_key_value_heads":8,"vocab_size":151936}`},
	} {
		got, err := capacity.ReadModel(strings.NewReader(c.config), c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := k.Model(c.name)
		if math.Abs(got.Params/want.Params-1) > 0.003 || want.Active > 0 && math.Abs(got.Active/want.Active-1) > 0.03 {
			t.Errorf("%s: %.4g weights, %.4g active; it has %.4g, %.4g", c.name, got.Params, got.Active, want.Params, want.Active)
		}
		if got.Layers != want.Layers || got.KVHeads != want.KVHeads || got.HeadDim != want.HeadDim || got.Heads != want.Heads || got.Hidden != want.Hidden {
			t.Errorf("%s: %+v, not %+v", c.name, got, want)
		}
	}
	for _, bad := range []string{"", "[]", "{}", `{"hidden_size":-1}`, `{"hidden_size":4096,"kv_lora_rank":512}`, `{"architectures":["LlamaForCausalLM"],"hidden_size":4096,"num_attention_heads":32,"num_hidden_layers":32,"vocab_size":1}`} {
		if m, err := capacity.ReadModel(strings.NewReader(bad), "bad"); err == nil {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}

// TestKnown: every model fits somewhere, every GPU runs something, and no number is
// nonsense.
func TestKnown(t *testing.T) {
	k := known(t)
	for i := range k.Models {
		m := &k.Models[i]
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		fits := 0
		for j := range k.GPUs {
			g := &k.GPUs[j]
			for n := 1; n <= g.Most; n *= 2 {
				for _, name := range []string{"bf16", "fp8", "int4"} {
					p, _ := capacity.PrecisionOf(name)
					s, err := k.Calibration.Serve("vllm", m, g, p, n, 4096)
					if err != nil {
						continue
					}
					fits++
					o := capacity.Simulate(s, []capacity.Request{{Input: 512, Output: 16}})
					if !(o.TTFT.P50 > 0) || !(o.TPOT.P50 > 0) || math.IsInf(float64(o.Took), 0) {
						t.Errorf("%s on %s: %+v", m.Name, s.Name(), o)
					}
				}
			}
		}
		if fits == 0 {
			t.Errorf("%s fits nowhere", m.Name)
		}
	}
	for _, name := range []string{"meta-llama/Llama-3.1-8B-Instruct", "llama-3.3-70b", "microsoft/phi-4", "openai/gpt-oss-120b", "BAAI/bge-m3", "Qwen/Qwen3-30B-A3B-Instruct-2507"} {
		if k.Model(name) == nil {
			t.Errorf("%s is not known", name)
		}
	}
	for _, name := range []string{"h100", "H100 SXM", "h100-nvl", "A100 PCIe", "l40s", "RTX 4090", "mi300x", "cpu"} {
		if k.GPU(name) == nil {
			t.Errorf("%s is not known", name)
		}
	}
}

// TestNeeds: more traffic never needs fewer servers, and utilisation is a share.
func TestNeeds(t *testing.T) {
	k := known(t)
	fp8, _ := capacity.PrecisionOf("fp8")
	s, err := k.Calibration.Serve("vllm", k.Model("llama-3.1-8b"), k.GPU("h100"), fp8, 1, 4096)
	if err != nil {
		t.Fatal(err)
	}
	slo := capacity.SLO{TTFT: 0.5, TPOT: 0.03}
	rapid.Check(t, func(t *rapid.T) {
		hours := make([]capacity.Hour, rapid.IntRange(1, 48).Draw(t, "hours"))
		for i := range hours {
			hours[i] = capacity.Hour{Requests: rapid.Float64Range(1, 300_000).Draw(t, "requests"), Input: 400, Output: 200}
		}
		was, err := s.Needs(hours, slo, 0.2)
		if err != nil {
			t.Fatal(err)
		}
		if !(was.Utilisation > 0 && was.Utilisation <= 1) || !(was.Elastic > 0 && was.Elastic <= 1) || was.Elastic < was.Utilisation-1e-9 {
			t.Fatalf("used %v, by the hour %v", was.Utilisation, was.Elastic)
		}
		by := rapid.Float64Range(1, 4).Draw(t, "more")
		for i := range hours {
			hours[i].Requests *= by
		}
		now, err := s.Needs(hours, slo, 0.2)
		if err != nil {
			t.Fatal(err)
		}
		for i := range hours {
			if now.Hours[i] < was.Hours[i] {
				t.Fatalf("%v times the traffic of hour %d needs %d servers, not %d", by, i, now.Hours[i], was.Hours[i])
			}
		}
	})
	var slow *capacity.TooSlow
	if _, err := s.Needs([]capacity.Hour{{Requests: 1, Input: 400, Output: 200}}, capacity.SLO{TTFT: 0.0001}, 0); !errors.As(err, &slow) {
		t.Errorf("a first token in 0.1 ms: %v", err)
	}
	if _, err := s.Needs([]capacity.Hour{{}}, slo, 0); !errors.Is(err, capacity.ErrNoTraffic) {
		t.Errorf("no traffic: %v", err)
	}
	for _, bad := range []capacity.Hour{{Requests: -1, Output: 1}, {Requests: math.NaN()}, {Requests: 1, Input: math.Inf(1), Output: 1}} {
		if n, err := s.Needs([]capacity.Hour{bad}, slo, 0); err == nil {
			t.Errorf("%+v: %+v", bad, n)
		}
	}
}

// TestSimulate: no request is lost, and tokens come in the order of steps.
func TestSimulate(t *testing.T) {
	k := known(t)
	bf16, _ := capacity.PrecisionOf("bf16")
	rapid.Check(t, func(t *rapid.T) {
		s, err := k.Calibration.Serve("vllm", k.Model("qwen3-8b"), k.GPU("l40s"), bf16, 1, 1024)
		if err != nil {
			t.Fatal(err)
		}
		s.Slots = rapid.IntRange(1, 64).Draw(t, "slots")
		s.Chunk = rapid.IntRange(1, 4096).Draw(t, "chunk")
		s.Cache = rapid.Float64Range(1, 20_000).Draw(t, "cache")
		n, at, tokens := rapid.IntRange(1, 60).Draw(t, "requests"), capacity.Seconds(0), 0
		var load []capacity.Request
		for range n {
			at += capacity.Seconds(rapid.Float64Range(0, 0.5).Draw(t, "after"))
			r := capacity.Request{At: at, Input: rapid.IntRange(0, 3000).Draw(t, "input"), Output: rapid.IntRange(1, 300).Draw(t, "output")}
			tokens += r.Output
			load = append(load, r)
		}
		o := capacity.Simulate(s, load)
		if got := o.Throughput * float64(o.Took); math.Abs(got-float64(tokens)) > 0.01 {
			t.Fatalf("%v tokens, not %d", got, tokens)
		}
		if o.Busy > 1+1e-9 || o.TTFT.P50 <= 0 || o.TTFT.P50 > o.Took || o.TTFT.P50 > o.TTFT.P99 || o.Running > float64(s.Slots) {
			t.Fatalf("%+v", o)
		}
	})
}

// TestReadRows says where a file is wrong.
func TestReadRows(t *testing.T) {
	k := known(t)
	head := "engine,model,precision,hardware,gpus,rps,request_throughput,tps_output,ttft_mean_ms,tpot_p50_ms\n"
	for _, c := range []struct{ text, want string }{
		{"", "line 1"},
		{"a,b\n", "no column engine"},
		{head, "no rows"},
		{head + "vllm,llama-3.1-8b,fp8,H100,1,1,1,256,20,x\n", `line 2: tpot_p50_ms is "x"`},
		{head + "vllm,llama-3.1-8b,fp8,H100,1,1,1,256,20,NaN\n", "tpot_p50_ms"},
		{head + "vllm,nosuch,fp8,H100,1,1,1,256,20,5\n", `line 2: the model "nosuch"`},
		{head + "vllm,llama-3.1-8b,fp8,H99,1,1,1,256,20,5\n", `the hardware "H99"`},
		{head + "vllm,llama-3.1-8b,fp7,H100,1,1,1,256,20,5\n", `the precision "fp7"`},
		{head + "vllm,llama-3.1-8b\n", "line 2"},
	} {
		if _, err := capacity.ReadRows(strings.NewReader(c.text), k); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, not %q", c.text, err, c.want)
		}
	}
}
