package llm

// Features is the set of capabilities a request uses. The ledger keeps them:
// they are what holds a workload at its vendor.
type Features uint32

// Features.
const (
	FeatureTools Features = 1 << iota
	FeatureParallelTools
	FeatureToolRequired
	FeatureServerTools
	FeatureImages
	FeatureAudio
	FeatureDocuments
	FeatureJSONObject
	FeatureJSONSchema
	FeatureThinking
	FeatureCacheControl
	FeatureLogprobs
	FeatureLogitBias
	FeatureN
	FeatureSeed
	FeatureStop
	FeatureSuffix
	FeatureStream
	FeaturePrefill // the last message is the assistant's
)

var featureNames = []string{
	"tools", "parallel_tools", "tool_required", "server_tools", "images", "audio", "documents",
	"json_object", "json_schema", "thinking", "cache_control", "logprobs", "logit_bias", "n",
	"seed", "stop", "suffix", "stream", "prefill",
}

// featureParams are the members of a request that ask for features, as OpenAI
// names them. The others have the names of their members.
var featureParams = map[Features]string{
	FeatureParallelTools: "parallel_tool_calls", FeatureToolRequired: "tool_choice", FeatureServerTools: "tools",
	FeatureImages: "messages", FeatureAudio: "messages", FeatureDocuments: "messages", FeaturePrefill: "messages",
	FeatureJSONObject: "response_format", FeatureJSONSchema: "response_format", FeatureThinking: "reasoning_effort",
}

// Param names the request's member that asks for the first feature of f; empty
// for none.
func (f Features) Param() string {
	names := f.Names()
	if len(names) == 0 {
		return ""
	}
	if p, ok := featureParams[f&-f]; ok {
		return p
	}
	return names[0]
}

// Has reports whether f contains all of g.
func (f Features) Has(g Features) bool { return f&g == g }

// Names lists the features by their stable names, in a fixed order.
func (f Features) Names() []string {
	var out []string
	for i, n := range featureNames {
		if f&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

// Facts is what is known of a request after one scan of its body, without
// decoding it whole: enough to route, filter, meter and journal it.
type Facts struct {
	Model        string
	Stream       bool
	IncludeUsage bool  // the client asked for usage in the stream
	MaxTokens    int64 // 0: not said
	N            int64 // 0: not said
	Prompts      int64 // prompts to be completed, each with N choices; 0: one
	Features     Features
	Parameters   Parameters
	Turns        int // of the user, results of tools not counted
	// Inputs is how many inputs are to be embedded; 0: one. Truncates: those that
	// are too long are to be cut. Whole: it can be asked only as it is, of a
	// provider of the same dialect.
	Inputs           int
	Truncates, Whole bool
	// Tokens: the prompt or input, or a part of it, is given as token ids.
	Tokens bool
	// TextBytes is the size of the prompt's text in bytes (images and other
	// media excluded), for token estimates.
	TextBytes int
	// SystemBytes is the part of TextBytes that is the system prompt: what system
	// and developer say before the first turn.
	SystemBytes int
	// LongestBytes is the part of TextBytes that must fit into a context
	// together: of several prompts or inputs the largest. 0: all of it.
	LongestBytes int
	// Unsized: a part of it is of a kind of which the body does not tell the
	// size: a file by reference, a video.
	Unsized bool
	// Conversation identifies the conversation: a hash of the first turns
	// (system and first user message), so that later turns share it.
	// Empty when the operation has no conversation.
	Conversation string
	// EndUser is who the request says it is for; empty: it does not say.
	EndUser string
}

// Choices is how many choices the answer must have.
func (f *Facts) Choices() int64 { return max(f.N, 1) * max(f.Prompts, 1) }
