package llm

// Parameters is the set of parameters a request gives, beside those that its
// Features tell of. The ledger keeps them for the day of a switch: what the next
// model does not take is known then, with counts.
type Parameters uint32

// Parameters. A new one goes to the end.
const (
	ParamTemperature Parameters = 1 << iota
	ParamTopP
	ParamTopK
	ParamMaxTokens
	ParamFrequencyPenalty
	ParamPresencePenalty
	ParamTopLogprobs
	ParamUser
	ParamMetadata
	ParamServiceTier
	ParamStore
	ParamPrediction
	ParamModalities
	ParamVerbosity
	ParamBestOf
	ParamEcho
	ParamSafetyIdentifier
	ParamPromptCacheKey
	ParamDimensions
	ParamEncodingFormat
	// ParamOther is any that is not known here: a vendor's own.
	ParamOther
)

var parameterNames = []string{
	"temperature", "top_p", "top_k", "max_tokens", "frequency_penalty", "presence_penalty", "top_logprobs", "user", "metadata", "service_tier",
	"store", "prediction", "modalities", "verbosity", "best_of", "echo", "safety_identifier", "prompt_cache_key", "dimensions", "encoding_format", "other",
}

// members are the top-level members of requests: 0 for those that are no
// parameters here, being what a request consists of, or what Features tell.
var members = map[string]Parameters{
	"model": 0, "messages": 0, "prompt": 0, "input": 0, "system": 0, "stream": 0, "stream_options": 0, "suffix": 0,
	"tools": 0, "tool_choice": 0, "parallel_tool_calls": 0, "functions": 0, "function_call": 0, "mcp_servers": 0, "web_search_options": 0, "audio": 0,
	"response_format": 0, "output_config": 0, "output_format": 0, "reasoning_effort": 0, "reasoning": 0, "thinking": 0, "cache_control": 0,
	"logprobs": 0, "logit_bias": 0, "n": 0, "seed": 0, "stop": 0, "stop_sequences": 0, "max_completion_tokens": ParamMaxTokens,

	"temperature": ParamTemperature, "top_p": ParamTopP, "top_k": ParamTopK, "max_tokens": ParamMaxTokens,
	"frequency_penalty": ParamFrequencyPenalty, "presence_penalty": ParamPresencePenalty, "top_logprobs": ParamTopLogprobs,
	"user": ParamUser, "metadata": ParamMetadata, "service_tier": ParamServiceTier, "store": ParamStore, "prediction": ParamPrediction,
	"modalities": ParamModalities, "verbosity": ParamVerbosity, "best_of": ParamBestOf, "echo": ParamEcho,
	"safety_identifier": ParamSafetyIdentifier, "prompt_cache_key": ParamPromptCacheKey, "dimensions": ParamDimensions, "encoding_format": ParamEncodingFormat, "texts": 0, "output_dimension": ParamDimensions, "embedding_types": ParamEncodingFormat,
}

// ParameterOf is the parameter that a top-level member gives; 0: it is none.
func ParameterOf(member []byte) Parameters {
	if p, ok := members[string(member)]; ok {
		return p
	}
	return ParamOther
}

// Names lists the parameters by their stable names, in a fixed order.
func (p Parameters) Names() []string {
	var out []string
	for i, n := range parameterNames {
		if p&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}
