package learn

// sources tells, by the SHA-256 of a file, what the files behind the embedded
// model are. A file of somebody's own is described by its name only.
var sources = map[string]struct{ source, licence, date string }{
	"13d674882f6e40262bb49ff00322503bb6d2b5d9a9803eae13b4238680f050ba": {"ulab-uiuc/LLMRouter @4e7a796, development part: answers of nine models, graded", "MIT", "2026-11"},
	"a44378681f89673d9b3b3eb755984841ac20e818ef4382e892786ae41c2b417d": {"lm-sys/RouteLLM @0b64fda, development part: MMLU answered by mixtral-8x7b and gpt-4-1106", "Apache-2.0; MMLU: MIT", "2026-11"},
	"4b48f4bb0e99d2c2d9392a195cf56008837c29b5558cfd9761e9baddb92c05c1": {"lm-sys/RouteLLM @0b64fda, development part: GSM8K answered by mixtral-8x7b and gpt-4-1106", "Apache-2.0; GSM8K: MIT", "2026-11"},
	"68eb2ffc2be9ebea940e785ae681e708bef31024427cf598bb95b96d2153d26b": {"lm-sys/RouteLLM @0b64fda, development part: MT-Bench, judged", "Apache-2.0", "2026-11"},
	"4aae3222e8c2da36d7d7fcf95b8a256cccaf302242ff78ddd5ef687fc0c9f2ab": {"P3 templates via yizhongw/self-instruct @0b26cca, and LLMRouter: prompts with their task", "Apache-2.0; LLMRouter: MIT", "2026-11"},
	"ff5add8c976b7ee0c96abe4b1a364159bbf08c96adbdb38285be1fe042ea5e09": {"written for freehold (internal/classify/data/prompts.jsonl)", "Apache-2.0", "2026-11"},
}

func provenance(sum string) (source, licence, date string) {
	s := sources[sum]
	return s.source, s.licence, s.date
}
