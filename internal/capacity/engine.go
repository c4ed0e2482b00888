package capacity

// Defaults are how many sequences an engine runs at once on a GPU, and how many tokens a
// step takes, where it is not told otherwise.
//
// Source: get_batch_defaults in vLLM's engine/arg_utils.py (0.19): 1,024 and 8,192 for a
// server on GPUs with 70 GiB and more that are no A100, else 256 and 2,048. Other engines
// have their own rules; SGLang's were not seen to run more than 256 in the measured rows.
func Defaults(engine string, g *GPU) (slots, chunk int) {
	if engine == "vllm" && g.Memory >= 70*GiB && g.Flops > 400e12 {
		return 1024, 8192
	}
	return 256, 2048
}
