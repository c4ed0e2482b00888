package capacity

import (
	"fmt"
	"math"
)

// Model is what of a transformer decides its speed and its memory.
type Model struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	// Architecture is its name in config.json (LlamaForCausalLM).
	Architecture string `json:"architecture"`
	Layers       int    `json:"layers"`
	Heads        int    `json:"heads"`
	KVHeads      int    `json:"kv_heads"`
	HeadDim      int    `json:"head_dim"`
	Hidden       int    `json:"hidden"`
	// Params are all weights, Active those that a token passes through; 0: all.
	Params float64 `json:"params"`
	Active float64 `json:"active_params,omitempty"`
	// Experts of a layer, and to how many of them a token is sent; 0: there are none.
	Experts  int `json:"experts,omitempty"`
	PerToken int `json:"experts_per_token,omitempty"`
	// Embeds: it makes vectors, and no text; it has no cache.
	Embeds bool `json:"embeds,omitempty"`
	// Context is how many tokens it takes; 0: not known.
	Context int `json:"context,omitempty"`
	// Native is the precision that its weights are published in, if it is not bf16.
	Native string `json:"native,omitempty"`
	Source string `json:"source,omitempty"`
}

// Check says what about a model cannot be.
func (m *Model) Check() error {
	for _, f := range []struct {
		name string
		n    float64
	}{{"layers", float64(m.Layers)}, {"heads", float64(m.Heads)}, {"kv_heads", float64(m.KVHeads)}, {"head_dim", float64(m.HeadDim)}, {"hidden", float64(m.Hidden)}, {"params", m.Params}} {
		if !(f.n > 0) || f.n > 1e15 {
			return fmt.Errorf("model %s: %s is %v; it must be more than 0", m.Name, f.name, f.n)
		}
	}
	switch {
	case m.Active < 0 || m.Active > m.Params:
		return fmt.Errorf("model %s: active_params is %v; it has %v params", m.Name, m.Active, m.Params)
	case m.Experts < 0 || m.PerToken < 0 || m.PerToken > m.Experts:
		return fmt.Errorf("model %s: a token is sent to %d of %d experts", m.Name, m.PerToken, m.Experts)
	case m.Sparse() && (m.Active == 0 || m.Active <= m.Params*float64(m.PerToken)/float64(m.Experts)*0.5):
		return fmt.Errorf("model %s: active_params is %v of %v, with %d of %d experts", m.Name, m.Active, m.Params, m.PerToken, m.Experts)
	}
	return nil
}

// Sparse reports whether a token passes through some experts only.
func (m *Model) Sparse() bool { return m.Experts > 1 && m.PerToken < m.Experts }

func (m *Model) active() float64 {
	if m.Active > 0 {
		return m.Active
	}
	return m.Params
}

// read is how many weights a step with so many tokens reads. Of experts it reads those
// that at least one token is sent to: of E experts, tokens that each go to k at random
// leave (1-k/E)^n untouched, which is what well balanced routers come to.
func (m *Model) read(tokens float64) float64 {
	if !m.Sparse() {
		return m.Params
	}
	share := float64(m.PerToken) / float64(m.Experts)
	experts := (m.Params - m.active()) / (1 - share) // the weights of all experts
	return m.Params - experts*math.Pow(1-share, tokens)
}

// KV is what a token of context takes in the cache: a key and a value of each head that
// keeps them, in each layer.
func (m *Model) KV(p Precision) Bytes {
	if m.Embeds {
		return 0
	}
	return Bytes(2 * float64(m.Layers) * float64(m.KVHeads) * float64(m.HeadDim) * p.KV)
}
