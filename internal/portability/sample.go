package portability

import (
	"slices"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/variant"
)

// The parts that samples are made of.
const (
	question  = `"messages":[{"role":"user","content":"x"}]`
	aTool     = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
	claudes   = `"tools":[{"name":"f","input_schema":{"type":"object"}}]`
	aSchema   = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	onePixel  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
	beginning = `{"role":"user","content":"x"},{"role":"assistant","content":"y"}`
)

func says(parts string) string {
	return `"messages":[{"role":"user","content":[{"type":"text","text":"x"},` + parts + `]}]`
}

// openaiSamples are the members that use a feature or parameter, in a body of
// OpenAI's API.
var openaiSamples = map[string]string{
	"tools": aTool, "parallel_tools": aTool + `,"parallel_tool_calls":true`, "tool_required": aTool + `,"tool_choice":"required"`,
	"server_tools": `"web_search_options":{}`,
	"images":       says(`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + onePixel + `"}}`),
	"audio":        says(`{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`),
	"documents":    says(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}`),
	"json_object":  `"response_format":{"type":"json_object"}`,
	"json_schema":  `"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":` + aSchema + `}}`,
	"thinking":     `"reasoning_effort":"medium"`, "logprobs": `"logprobs":true`, "logit_bias": `"logit_bias":{"1":1}`, "n": `"n":2`, "seed": `"seed":1`,
	"cache_control": says(`{"type":"text","text":"y","cache_control":{"type":"ephemeral"}}`),
	"stop":          `"stop":["z"]`, "suffix": `"suffix":"z"`, "stream": `"stream":true`, "prefill": `"messages":[` + beginning + `]`,

	"temperature": `"temperature":0.5`, "top_p": `"top_p":0.95`, "top_k": `"top_k":20`, "max_tokens": `"max_tokens":4096`,
	"frequency_penalty": `"frequency_penalty":0.5`, "presence_penalty": `"presence_penalty":0.5`, "top_logprobs": `"logprobs":true,"top_logprobs":2`,
	"user": `"user":"u"`, "metadata": `"metadata":{"a":"b"}`, "service_tier": `"service_tier":"flex"`, "store": `"store":true`,
	"prediction": `"prediction":{"type":"content","content":"y"}`, "modalities": `"modalities":["text"]`, "verbosity": `"verbosity":"low"`,
	"best_of": `"best_of":2`, "echo": `"echo":true`, "safety_identifier": `"safety_identifier":"s"`, "prompt_cache_key": `"prompt_cache_key":"k"`,
	"dimensions": `"dimensions":256`, "encoding_format": `"encoding_format":"base64"`,
}

// completionSamples are those of text completions that are not as those of chats.
var completionSamples = map[string]string{"logprobs": `"logprobs":2`, "max_tokens": `"max_tokens":100`}

// anthropicSamples are the same in a body of Anthropic's API.
var anthropicSamples = map[string]string{
	"tools": claudes,
	"parallel_tools": `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},` +
		`{"type":"tool_use","id":"b","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},` +
		`{"type":"tool_result","tool_use_id":"b","content":"2"}]}],` + claudes,
	"tool_required": claudes + `,"tool_choice":{"type":"any"}`, "server_tools": `"tools":[{"type":"web_search_20250305","name":"web_search"}]`,
	"images":      says(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + onePixel + `"}}`),
	"documents":   says(`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}`),
	"json_schema": `"output_config":{"format":{"type":"json_schema","schema":` + aSchema + `}}`,
	"thinking":    `"thinking":{"type":"enabled","budget_tokens":2000}`, "stop": `"stop_sequences":["z"]`, "stream": `"stream":true`,
	"cache_control": says(`{"type":"text","text":"y","cache_control":{"type":"ephemeral"}}`), "prefill": `"messages":[` + beginning + `]`,

	"temperature": `"temperature":0.5`, "top_p": `"top_p":0.95`, "top_k": `"top_k":20`, "max_tokens": "",
	"metadata": `"metadata":{"user_id":"u"}`, "service_tier": `"service_tier":"auto"`,
}

// body is a request that uses one thing and no more; "" where there is no sample.
func body(u use) string {
	op, members := llm.Operation(u.operation), ""
	if u.kind != Operation {
		samples := openaiSamples
		if u.dialect == "anthropic" {
			samples = anthropicSamples
		}
		sample, known := samples[u.name]
		if own, is := completionSamples[u.name]; is && op == llm.Completion {
			sample = own
		}
		if members = sample; !known {
			return ""
		}
	}
	base := []string{`"model":"m"`}
	switch {
	case op == llm.Completion:
		base = append(base, `"prompt":"x"`)
	case op == llm.Embedding:
		base = append(base, `"input":"x"`)
	case !strings.HasPrefix(members, `"messages"`):
		base = append(base, question)
	}
	if u.dialect == "anthropic" && op == llm.Chat {
		base = append(base, `"max_tokens":4096`)
	}
	if members != "" {
		base = append(base, members)
	}
	return "{" + strings.Join(base, ",") + "}"
}

// sample puts a sample through the codecs, as the gateway does with a request.
func (c *checker) sample(d *fleet.Deployment, u use) Finding {
	text := body(u)
	codec := c.at.Codecs[u.dialect]
	if codec == nil || text == "" {
		return Finding{Severity: Changes, What: "is no parameter that freehold knows: it is handed on or refused as it is",
			Do: "find it in the application, and in what the new provider documents"}
	}
	op := llm.Operation(u.operation)
	b, err := codec.Read(op, []byte(text))
	if err != nil {
		return Finding{Severity: Fine} // no request of this operation can use it
	}
	defer b.Release()
	out, err := c.put(d, b, codec)
	switch {
	case err != nil:
		return Finding{Severity: Breaks, What: "refused: " + fault.From(err).Message}
	case len(out.Dropped) > 0:
		slices.Sort(out.Dropped)
		f := Finding{Severity: Changes, What: "left out: " + strings.Join(out.Dropped, ", "), Do: "see whether the application misses it"}
		if !slices.ContainsFunc(out.Dropped, func(name string) bool { return !c.v.Strips(name) }) {
			f.What += " (by the variant)"
		}
		return f
	case out.Tool != "":
		return Finding{Severity: Changes, What: "asked for as a tool that the model must call, for it has no such format of its own",
			Do: "compare by validity"}
	}
	return Finding{Severity: Fine}
}

// put makes the provider's body.
func (c *checker) put(d *fleet.Deployment, b *dialect.Body, codec dialect.Codec) (*dialect.Outgoing, error) {
	params := c.at.Route.Params.Then(d.Params)
	t := &dialect.Target{Model: d.ID, Stream: b.Facts.Stream, Drop: c.at.Drop, Params: params, Quirks: d.Quirks, Variant: c.v}
	if d.Provider.Codec.Name() == codec.Name() {
		return d.Provider.Codec.Forward(b, t)
	}
	r, err := codec.Decode(b)
	if err != nil {
		return nil, err
	}
	r, dropped := c.v.Apply(r)
	out, err := d.Provider.Codec.Encode(r, t)
	if err == nil {
		out.Dropped = append(dropped, out.Dropped...)
	}
	return out, err
}

// notes say what differs where a feature is taken.
var notes = map[string]func(d *fleet.Deployment, same bool) string{
	"prefill": func(d *fleet.Deployment, _ bool) string {
		switch d.Continue {
		case dialect.Prefill, dialect.PrefillEcho:
			return ""
		}
		return "the model is not known to go on with an answer that the request begins: it may begin anew"
	},
	"thinking": func(*fleet.Deployment, bool) string {
		return "another model thinks in its own way; thinking of earlier turns is not shown to it"
	},
	"cache_control": func(_ *fleet.Deployment, same bool) string {
		if same {
			return ""
		}
		return "marks of the prompt cache mean nothing there: what was read from the cache is paid in full, or cached by itself"
	},
	"images": func(d *fleet.Deployment, _ bool) string {
		if slices.Contains(d.Quirks.Unsupported, "image_url") {
			return "images by reference are refused: the server fetches none"
		}
		return ""
	},
	"server_tools": func(*fleet.Deployment, bool) string {
		return "tools that a vendor runs itself are not the same elsewhere"
	},
}

// advice is what to do about a use that does not go as before.
func advice(u use) string {
	switch {
	case u.kind == Parameter, u.name == "seed", u.name == "logit_bias", u.name == "n", u.name == "logprobs":
		if slices.Contains(variant.Takeable(), u.name) {
			return "take it out of the requests, with strip: in a variant for this model, or with server.drop_unsupported for all"
		}
		return "take it out of the requests, in the application or with server.drop_unsupported for all"
	case u.name == "tools", u.name == "parallel_tools", u.name == "tool_required":
		return "choose a model with tools, or a deployment that has them switched on"
	case u.name == "images", u.name == "audio", u.name == "documents":
		return "send requests with " + u.name + " to another model by a rule"
	case strings.HasPrefix(u.name, "json_"):
		return "describe the format in a variant's system prompt, and compare by validity"
	}
	return "change it in the application, or keep these requests where they are by a rule"
}
