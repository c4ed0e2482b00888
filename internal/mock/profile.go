package mock

import "regexp"

// Profile is which provider the server plays where they differ.
type Profile string

// Profiles. Any serves every path and takes what OpenAI takes; a last
// assistant message is continued where the others' own rules do not forbid it.
const (
	Any       Profile = "any"
	OpenAI    Profile = "openai"    // the OpenAI paths only; a last assistant message is history
	Azure     Profile = "azure"     // as OpenAI: api-key header, /openai/deployments/ID/..., api-version
	Anthropic Profile = "anthropic" // the Anthropic paths only
	Mistral   Profile = "mistral"   // prefix: true continues and is repeated; /fim/completions; random_seed
	VLLM      Profile = "vllm"      // continue_final_message; reasoning; its sampling parameters
	LlamaCpp  Profile = "llama.cpp" // a last assistant message is continued and repeated
	Ollama    Profile = "ollama"    // no tool_choice, n, logit_bias, image addresses; embeddings of inputs that are too long are cut
	TEI       Profile = "tei"       // embeddings only: 32 inputs at once, those that are too long are cut
	Infinity  Profile = "infinity"  // embeddings only: 2,048 inputs at once, those that are too long are cut
	Cohere    Profile = "cohere"    // /v2/embed only: 96 texts at once
)

// Profiles lists them.
func Profiles() []Profile {
	return []Profile{Any, OpenAI, Azure, Anthropic, Mistral, VLLM, LlamaCpp, Ollama, TEI, Infinity, Cohere}
}

// traits are the differences of OpenAI-compatible servers.
type traits struct {
	openai, anthropic bool // which paths are served
	// vectorsOnly: of them, those of embeddings and models.
	vectorsOnly bool
	// extra parameters and message members are accepted; missing ones refused.
	extra, extraMessage, missing []string
	// reasoning is the member that shows thinking.
	reasoning string
	// prefill: "always" continues a last assistant message, "never" answers
	// anew, "marked" continues one with prefix: true and refuses others,
	// "final" obeys continue_final_message.
	prefill string
	echo    bool
	// schema: strict schemas are checked as OpenAI does.
	schema bool
	// aged: the rules of OpenAI's own model families hold.
	aged bool
	// apiKey: keys come as api-key.
	apiKey bool
	// unasked: usage comes on the last chunk without being asked for.
	unasked bool
	// callID is how long a tool call's id is (0: OpenAI's own form).
	callID int
}

var sampling = []string{"top_k", "min_p", "repetition_penalty"}

func (p Profile) traits() traits {
	switch p {
	case OpenAI:
		return traits{openai: true, prefill: "never", schema: true, aged: true}
	case Azure:
		return traits{openai: true, prefill: "never", schema: true, aged: true, apiKey: true, extra: []string{"data_sources", "user_security_context"}}
	case Anthropic:
		return traits{anthropic: true}
	case TEI, Infinity, Cohere:
		return traits{openai: true, vectorsOnly: true}
	case Mistral:
		return traits{openai: true, prefill: "marked", echo: true, unasked: true, callID: 9,
			extra: []string{"random_seed", "safe_prompt", "prompt_mode", "guardrails"}, extraMessage: []string{"prefix"},
			missing: []string{"seed", "logit_bias", "logprobs", "top_logprobs", "user", "store", "service_tier", "max_completion_tokens", "stream_options"}}
	case VLLM:
		return traits{openai: true, anthropic: true, prefill: "final", reasoning: "reasoning", extraMessage: []string{"reasoning", "reasoning_content"},
			extra: append([]string{"continue_final_message", "add_generation_prompt", "length_penalty", "ignore_eos", "min_tokens", "stop_token_ids", "bad_words",
				"include_stop_str_in_output", "skip_special_tokens", "spaces_between_special_tokens", "truncate_prompt_tokens", "chat_template", "chat_template_kwargs",
				"structured_outputs", "guided_json", "priority", "documents", "mm_processor_kwargs", "echo", "add_special_tokens", "use_beam_search", "include_reasoning",
				"return_token_ids", "request_id", "cache_salt"}, sampling...)}
	case LlamaCpp:
		return traits{openai: true, anthropic: true, prefill: "always", echo: true, reasoning: "reasoning_content", extraMessage: []string{"reasoning_content"},
			extra: append([]string{"typical_p", "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_tau", "mirostat_eta", "grammar", "json_schema", "cache_prompt", "id_slot",
				"samplers", "n_probs", "n_predict", "n_keep", "chat_template_kwargs", "reasoning_format", "reasoning_budget", "timings_per_token", "dynatemp_range",
				"dynatemp_exponent", "dry_multiplier", "xtc_probability", "ignore_eos", "t_max_predict_ms", "return_progress", "add_generation_prompt"}, sampling...)}
	case Ollama:
		return traits{openai: true, anthropic: true, prefill: "always", reasoning: "reasoning", extraMessage: []string{"reasoning"},
			extra: []string{"reasoning"}, missing: []string{"tool_choice", "n", "logit_bias"}}
	}
	return traits{openai: true, anthropic: true, prefill: "always", schema: true, aged: true, reasoning: "reasoning_content", extraMessage: []string{"reasoning_content"}}
}

// Names of models with rules of their own.
var (
	// reasoners refuse max_tokens and sampling parameters.
	reasoners = regexp.MustCompile(`^(ft:)?(o[1-9](-|$)|gpt-[5-9])`)
	// plainGPT knows no reasoning_effort.
	plainGPT = regexp.MustCompile(`^(ft:)?gpt-(3|4)`)
	// unprefillable Claude models (since 4.6) refuse a last assistant message.
	unprefillable = regexp.MustCompile(`^claude-((opus|sonnet|haiku)-4-[6-9](-|$)|(opus|sonnet|haiku|fable)-([5-9]|\d\d)(-|$)|mythos-)`)
	// adaptive ones (since 4.7) think as they please and refuse sampling parameters.
	adaptive = regexp.MustCompile(`^claude-(opus-4-[7-9](-|$)|(opus|sonnet|haiku|fable)-([5-9]|\d\d)(-|$)|mythos-)`)
	// earlier ones know no adaptive thinking.
	unadaptive = regexp.MustCompile(`^claude-(2|3|instant|(opus|sonnet|haiku)-4(-[0-5])?(-20\d{6})?$)`)
	// structured ones know output_config.format.
	unstructured = regexp.MustCompile(`^claude-(2|3|instant|(opus|sonnet|haiku)-4(-0)?(-20\d{6})?$)`)
)
