package capacity

import (
	"cmp"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
)

// hub is what of a config.json, as models come with it, counts their weights.
type hub struct {
	Architectures []string `json:"architectures"`
	Hidden        int      `json:"hidden_size"`
	Layers        int      `json:"num_hidden_layers"`
	Heads         int      `json:"num_attention_heads"`
	KVHeads       int      `json:"num_key_value_heads"`
	HeadDim       int      `json:"head_dim"`
	Inner         int      `json:"intermediate_size"`
	Vocabulary    int      `json:"vocab_size"`
	Context       int      `json:"max_position_embeddings"`
	Tied          bool     `json:"tie_word_embeddings"`

	Experts   int `json:"num_local_experts"` // Mixtral, gpt-oss
	Experts2  int `json:"num_experts"`       // Qwen
	PerToken  int `json:"num_experts_per_tok"`
	PerToken2 int `json:"experts_per_token"`
	ExpertDim int `json:"moe_intermediate_size"`
}

// ReadModel reads a decoder's config.json, as it lies beside weights. It counts weights
// from shapes: embeddings, four projections of attention, three of each gated network, and
// routers; norms and biases are some thousandths and are left out. Forms that this does
// not hold for (latent attention, shared experts, encoders) are refused.
func ReadModel(in io.Reader, name string) (*Model, error) {
	var whole map[string]any
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return nil, err
	}
	var c hub
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("it is no config.json: %w", err)
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, fmt.Errorf("it is no config.json: %w", err)
	}
	for _, other := range []string{"kv_lora_rank", "n_shared_experts", "shared_expert_intermediate_size", "text_config", "is_encoder_decoder", "encoder_layers"} {
		if v, ok := whole[other]; ok && v != nil && v != false && v != 0.0 {
			return nil, fmt.Errorf("it has %s, and its weights cannot be counted from config.json", other)
		}
	}
	m := &Model{
		Name: name, Layers: c.Layers, Heads: c.Heads, KVHeads: cmp.Or(c.KVHeads, c.Heads), Hidden: c.Hidden, Context: c.Context, Source: "config.json",
		Experts: cmp.Or(c.Experts, c.Experts2), PerToken: cmp.Or(c.PerToken, c.PerToken2),
	}
	if len(c.Architectures) > 0 {
		m.Architecture = c.Architectures[0]
	}
	if m.HeadDim = c.HeadDim; m.HeadDim == 0 && m.Heads > 0 {
		m.HeadDim = m.Hidden / m.Heads
	}
	hidden, wide, narrow := float64(m.Hidden), float64(m.Heads*m.HeadDim), float64(m.KVHeads*m.HeadDim)
	attention := 2*hidden*wide + 2*hidden*narrow
	inner := c.Inner
	if m.Experts > 0 {
		inner = cmp.Or(c.ExpertDim, c.Inner)
	}
	network := 3 * hidden * float64(inner)
	embeddings := float64(c.Vocabulary) * hidden
	if !c.Tied {
		embeddings *= 2
	}
	outside := embeddings + float64(m.Layers)*(attention+hidden*float64(m.Experts))
	m.Params = outside + float64(m.Layers)*network*float64(max(1, m.Experts))
	if m.Experts > 0 {
		m.Active = outside + float64(m.Layers)*network*float64(m.PerToken)
	}
	if inner <= 0 || c.Vocabulary <= 0 {
		return nil, fmt.Errorf("it says intermediate_size %d and vocab_size %d; both must be more than 0", inner, c.Vocabulary)
	}
	return m, m.Check()
}
