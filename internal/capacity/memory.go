package capacity

import "fmt"

// Memory is what becomes of the memory of one GPU.
type Memory struct {
	Usable     Bytes // what the engine may use
	Weights    Bytes
	Activation Bytes
	Overhead   Bytes   // CUDA graphs, communication, the runtime
	Cache      Bytes   // what is left, for keys and values
	Tokens     float64 // that the caches of all GPUs hold together
}

// Activation in a step, in GiB for each GPU, by architecture, and by kind where the
// architecture was not measured. Overhead is memory outside of the engine's allocator.
//
// Source: llm-d-planner 0.3.3 (Apache-2.0), calibrated on vLLM 0.19 and one H100.
var activation = map[string]Bytes{
	"LlamaForCausalLM": 1.89, "Qwen2ForCausalLM": 2.25, "Qwen3ForCausalLM": 2.21, "Mistral3ForConditionalGeneration": 2.1,
	"PixtralForConditionalGeneration": 2.1, "DeepseekV2ForCausalLM": 1.93, "GraniteForCausalLM": 0.85,
	"LlavaNextForConditionalGeneration": 0.79, "MixtralForCausalLM": 1.21, "Phi3ForCausalLM": 1.52, "Qwen2MoeForCausalLM": 2.47,
	"Qwen3MoeForCausalLM": 2.68, "Gemma2ForCausalLM": 3.65, "Gemma3ForCausalLM": 3.94, "GemmaForCausalLM": 3.63,
}

const (
	activationDense  Bytes = 2
	activationSparse Bytes = 2.5
	overheadOne      Bytes = 0.27
	overheadMore     Bytes = 2.1
)

// Utilisation is the share of a GPU's memory that vLLM takes if it is not told another.
const Utilisation = 0.92

// TooBig says that a model does not fit.
type TooBig struct {
	Model, GPU, Precision string
	GPUs                  int
	Needs, Has            Bytes // of one GPU
}

func (e *TooBig) Error() string {
	return fmt.Sprintf("%s in %s does not fit on %d x %s: it needs %.1f GiB on each, and %.1f are usable", e.Model, e.Precision, e.GPUs, e.GPU, float64(e.Needs/GiB), float64(e.Has/GiB))
}

// Plan says what becomes of the memory of each of so many GPUs that share a model, of
// which an engine takes a share. It is a *[TooBig] where no sequence of context tokens
// would have room.
func (g *GPU) Plan(m *Model, p Precision, gpus int, utilisation float64, context int) (Memory, error) {
	n := Bytes(gpus)
	out := Memory{Usable: g.Memory * Bytes(utilisation), Weights: Bytes(m.Params*p.Weight) / n, Activation: activationDense, Overhead: overheadOne}
	if m.Sparse() {
		out.Activation = activationSparse
	}
	if known, ok := activation[m.Architecture]; ok {
		out.Activation = known
	}
	if gpus > 1 {
		out.Overhead = overheadMore
	}
	out.Activation *= GiB
	out.Overhead *= GiB
	kv := m.KV(p)
	needs := out.Weights + out.Activation + out.Overhead
	if out.Cache = out.Usable - needs; out.Cache < Bytes(context)*kv/n || out.Cache < 0 {
		return out, &TooBig{Model: m.Name, GPU: g.Name, Precision: p.Name, GPUs: gpus, Needs: needs + Bytes(context)*kv/n, Has: out.Usable}
	}
	if kv > 0 {
		out.Tokens = float64(out.Cache * n / kv)
	}
	return out, nil
}
