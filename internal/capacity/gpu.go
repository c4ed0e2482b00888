package capacity

// GPU is an accelerator as its maker describes it, without sparsity.
type GPU struct {
	Name      string         `json:"name"`
	Aliases   []string       `json:"aliases,omitempty"`
	Bandwidth BytesPerSecond `json:"bandwidth"`
	Memory    Bytes          `json:"memory"`
	Flops     FLOPS          `json:"flops"`            // of 16-bit floats, summed up in 32
	Flops8    FLOPS          `json:"flops8,omitempty"` // of 8-bit floats; 0: it has none
	Link      BytesPerSecond `json:"link"`             // to another one of the server, one way
	Most      int            `json:"most"`             // in one server
	Watts     Watts          `json:"watts"`
	// CPU: it is a processor, and its memory is that of the machine.
	CPU    bool   `json:"cpu,omitempty"`
	Source string `json:"source"`
}

// Precision is how weights are kept and multiplied.
type Precision struct {
	Name string
	// Weight is bytes of a weight, KV of a number in the cache.
	Weight, KV float64
}

// Precisions that engines offer. int4 has a 16-bit scale and a zero for each 64 weights,
// mxfp4 an 8-bit scale for each 32.
var precisions = []Precision{{"bf16", 2, 2}, {"fp8", 1, 2}, {"int4", 0.5625, 2}, {"mxfp4", 0.53125, 2}}

// PrecisionOf is the one of a name: bf16 (fp16, float16), fp8, int4 (awq, gptq), mxfp4.
func PrecisionOf(name string) (Precision, bool) {
	switch name {
	case "fp16", "float16", "bfloat16", "half":
		name = "bf16"
	case "awq", "gptq", "q4":
		name = "int4"
	case "float8":
		name = "fp8"
	}
	for _, p := range precisions {
		if p.Name == name {
			return p, true
		}
	}
	return Precision{}, false
}
