package sdk

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// openAIChecks are what holds for applications with an OpenAI SDK.
func openAIChecks() []check {
	checks := []check{
		{name: "plain", run: oaPlain},
		{name: "stream", run: oaStream},
		{name: "usage", run: oaUsage},
		{name: "usage_asked", run: oaUsageAsked},
		{name: "tools", run: oaTools},
		{name: "tools_stream", run: oaToolsStream},
		{name: "tools_no_arguments", run: oaToolsNoArguments},
		{name: "tools_round_trip", run: oaToolsRoundTrip},
		{name: "tools_one_at_a_time", run: oaToolsSerial},
		{name: "tool_choice", run: oaToolChoice},
		{name: "images", run: oaImages},
		{name: "structured", run: oaStructured},
		{name: "json_object", run: oaJSONObject},
		{name: "reasoning", upstream: "thinker", run: oaReasoning},
		{name: "stop", run: oaStop},
		{name: "length", run: oaLength},
		{name: "n_two", run: oaTwo},
		{name: "logprobs", run: oaLogprobs},
		{name: "seed", run: oaSeed},
		{name: "all_parameters", provider: "openai", run: oaAll},
		{name: "portable_parameters", run: oaPortable},
		{name: "system_and_developer", run: oaSystem},
		{name: "large_body", run: oaLarge},
		{name: "too_long", run: oaTooLong},
		{name: "unknown_members_there", run: oaUnknownThere},
		{name: "unknown_members_back", provider: "openai", upstream: "strange", run: oaUnknownBack},
		{name: "headers_there", run: oaHeaders},
		{name: "retry_after_passed", run: oaRetryAfterPassed},
		{name: "retry_after_honoured", run: oaRetryAfterHonoured},
		{name: "retries_not_multiplied", run: oaRetries},
		{name: "missing_messages", run: oaMissingMessages},
		{name: "wrong_types", run: oaWrongTypes},
		{name: "unknown_model", run: oaUnknownModel},
		{name: "wrong_key", run: oaWrongKey},
		{name: "models", run: modelLists},
		{name: "refusal", run: oaRefusal},
		{name: "content_filter", provider: "openai", run: oaFilter},
		{name: "embedding_float", provider: "openai", mode: "embedding", run: oaEmbedding},
		{name: "embedding_batches", provider: "openai", mode: "embedding", run: oaEmbeddingBatches},
		{name: "embedding_elsewhere", provider: "anthropic", run: oaNoEmbedding},
		{name: "completion", provider: "openai", mode: "completion", run: oaCompletion},
		{name: "leaves_stream", run: oaLeavesStream},
		{name: "leaves_waiting", run: oaLeavesWaiting},
		{name: "leaves_plain", run: oaLeavesPlain},
		{name: "whole_without_fallback", run: oaWhole},
	}
	for _, f := range cuts {
		checks = append(checks,
			check{name: "cut_" + f.name, workload: "continue: off", run: func(c *cell) { oaCut(c, f.spec) }},
			check{name: "continued_" + f.name, fallback: true, run: func(c *cell) { oaContinued(c, f.spec) }})
	}
	for _, f := range outages {
		checks = append(checks, check{name: "failover_" + f.name, fallback: true, run: func(c *cell) { oaFailover(c, f.spec) }})
	}
	for _, s := range statuses {
		checks = append(checks, check{name: fmt.Sprint("status_", s.provider), run: func(c *cell) {
			for _, op := range []string{"chat", "chat_stream"} {
				c.fail(fmt.Sprint(s.provider))
				c.raises(c.ask(op, oaSay()), s.client, s.class)
			}
		}})
	}
	return checks
}

// cuts end a stream after content; outages strike before it.
var cuts = []struct{ name, spec string }{
	{"connection", "cut:50%"}, {"clean", "cutclean:50%"}, {"reset", "reset:50%"}, {"error_event", "errorevent:5e"},
	{"no_finish", "nofinish"}, {"garbage", "garbage:5e"},
}

var outages = []struct{ name, spec string }{
	{"500", "500"}, {"503", "503"}, {"529", "529"}, {"429", "429:60s"}, {"401", "401"}, {"404", "404"}, {"refused", "refuse"},
	{"at_the_head", "cut:head"}, {"after_one_event", "cut:1e"}, {"error_event_first", "errorevent:1e"}, {"html", "garbage:html"},
	{"no_body", "empty:body"}, {"empty_answer", "empty:answer"},
}

// statuses are what a provider's refusal becomes when nobody else is there: a
// bad request is the caller's, credentials and model names are ours, the rest
// passes.
var statuses = []struct {
	provider, client int
	class            string
}{
	{400, 400, "BadRequestError"},
	{413, 413, "APIStatusError"},
	{422, 422, "UnprocessableEntityError"},
	{401, 502, "InternalServerError"},
	{402, 502, "InternalServerError"},
	{403, 502, "InternalServerError"},
	{404, 502, "InternalServerError"},
	{408, 503, "InternalServerError"},
	{409, 503, "InternalServerError"},
	{500, 503, "InternalServerError"},
	{503, 503, "InternalServerError"},
	{529, 503, "InternalServerError"},
}

func oaSay() object { return object{"messages": list{user(say)}} }

func oaOrder(order string) object { return object{"messages": list{user("Please.\nmock: " + order)}} }

var oaTool = object{"type": "function", "function": object{"name": "get_weather", "description": "Weather", "parameters": weather}}

var oaNow = object{"type": "function", "function": object{"name": "now"}}

// only is the one choice.
func (c *cell) only(o outcome) choice {
	c.Helper()
	if len(o.Choices) != 1 {
		c.Fatalf("%d choices, want 1: %s", len(o.Choices), shown(o))
	}
	return o.Choices[0]
}

func oaPlain(c *cell) {
	o := c.must("chat", oaSay())
	ch := c.only(o)
	c.equal("text", ch.Text, said)
	c.equal("finish", ch.Finish, "stop")
	c.equal("model", o.Model, c.check.name)
	c.equal("x-freehold-provider", o.Headers["x-freehold-provider"], "p-"+c.check.name)
	c.that(o.Headers["x-request-id"] != "", "no x-request-id")
}

func oaStream(c *cell) {
	o := c.must("chat_stream", oaSay())
	ch := c.only(o)
	c.equal("text", ch.Text, said)
	c.equal("finish", ch.Finish, "stop")
	c.equal("model", o.Model, c.check.name)
	c.that(o.Usage == nil, "usage that nobody asked for: %+v", o.Usage)
	c.that(len(o.Odd) == 0, "odd chunks: %q", o.Odd)
	c.that(len(o.Events) > 5, "only %d chunks: it was not streamed", len(o.Events))
}

func oaUsage(c *cell) {
	p := object{"messages": list{user("one two three four five six seven eight nine ten\nmock: cached 6\nmock: say " + said)}}
	u := c.must("chat", p).Usage
	c.that(u != nil && u.In > 6 && u.Out > 0 && u.Total == u.In+u.Out, "usage %+v", u)
	c.that(u != nil && u.Cached == 6, "cached tokens: %+v, want 6 of them inside the prompt's", u)
}

func oaUsageAsked(c *cell) {
	p := object{"messages": list{user("one two three four five six seven eight nine ten\nmock: cached 6\nmock: say " + said)}}
	plain := c.must("chat", p).Usage
	o := c.must("chat_stream", merged(p, object{"stream_options": object{"include_usage": true}}))
	c.that(len(o.Odd) == 0, "odd chunks: %q", o.Odd)
	if n := len(o.Events); n == 0 || o.Events[n-1] != "usage" || strings.Count(strings.Join(o.Events, " "), "usage") != 1 {
		c.Errorf("usage must come once, last: %q", o.Events)
	}
	c.equal("usage", o.Usage, plain)
}

func oaTools(c *cell) {
	o := c.must("chat", merged(oaOrder(`tools get_weather {"city":"Zürich"} get_weather {"city":"東京"}`), object{"tools": list{oaTool}}))
	ch := c.only(o)
	c.equal("finish", ch.Finish, "tool_calls")
	c.calls(ch.Calls, `{"city":"Zürich"}`, `{"city":"東京"}`)
}

func oaToolsStream(c *cell) {
	o := c.must("chat_stream", merged(oaOrder(`tools get_weather {"city":"Zürich"} get_weather {"city":"東京"}`), object{"tools": list{oaTool}}))
	ch := c.only(o)
	c.equal("finish", ch.Finish, "tool_calls")
	c.calls(ch.Calls, `{"city":"Zürich"}`, `{"city":"東京"}`)
}

func (c *cell) calls(got []call, want ...string) {
	c.Helper()
	if len(got) != len(want) {
		c.Fatalf("%d calls, want %d: %+v", len(got), len(want), got)
	}
	ids := map[string]bool{}
	for i, k := range got {
		c.equal("name", k.Name, "get_weather")
		c.sameJSON("arguments", k.Arguments, want[i])
		c.that(k.ID != "" && !ids[k.ID], "call %d has the id %q", i, k.ID)
		ids[k.ID] = true
	}
}

func oaToolsNoArguments(c *cell) {
	for _, op := range []string{"chat", "chat_stream"} {
		ch := c.only(c.must(op, merged(oaOrder("tools now"), object{"tools": list{oaNow}})))
		if len(ch.Calls) != 1 {
			c.Fatalf("%s: %d calls, want 1", op, len(ch.Calls))
		}
		c.equal("name", ch.Calls[0].Name, "now")
		c.sameJSON(op+" arguments", ch.Calls[0].Arguments, "{}")
	}
}

func oaToolsRoundTrip(c *cell) {
	q := user(`Weather?` + "\n" + `mock: tools get_weather {"city":"Bern"} get_weather {"city":"Rom"}` + "\nmock: say " + said)
	ch := c.only(c.must("chat", object{"messages": list{q}, "tools": list{oaTool}}))
	c.calls(ch.Calls, `{"city":"Bern"}`, `{"city":"Rom"}`)
	asked := list{}
	results := list{}
	for _, k := range ch.Calls {
		asked = append(asked, object{"id": k.ID, "type": "function", "function": object{"name": k.Name, "arguments": k.Arguments}})
		results = append(results, object{"role": "tool", "tool_call_id": k.ID, "content": "rain in " + k.Arguments})
	}
	messages := append(list{q, object{"role": "assistant", "content": nil, "tool_calls": asked}}, results...)
	for _, op := range []string{"chat", "chat_stream"} {
		c.equal(op+" text", c.only(c.must(op, object{"messages": messages, "tools": list{oaTool}})).Text, said)
	}
	c.that(strings.Count(c.lastBody(), "rain in") == 2, "the results did not reach the provider: %s", c.lastBody())
}

func oaToolsSerial(c *cell) {
	p := merged(oaOrder(`tools get_weather {"city":"Bern"} get_weather {"city":"Rom"}`), object{"tools": list{oaTool}, "parallel_tool_calls": false})
	c.calls(c.only(c.must("chat", p)).Calls, `{"city":"Bern"}`)
}

func oaToolChoice(c *cell) {
	p := object{"messages": list{user("Hello.")}, "tools": list{oaTool, oaNow}}
	for _, choice := range []any{"required", object{"type": "function", "function": object{"name": "now"}}} {
		ch := c.only(c.must("chat", merged(p, object{"tool_choice": choice})))
		c.that(len(ch.Calls) == 1 && ch.Finish == "tool_calls", "tool_choice %v: %+v", choice, ch)
		if choice != "required" && len(ch.Calls) == 1 {
			c.equal("the named tool", ch.Calls[0].Name, "now")
		}
	}
	ch := c.only(c.must("chat", merged(p, object{"tool_choice": "none"})))
	c.that(len(ch.Calls) == 0 && ch.Text != "", "tool_choice none: %+v", ch)
}

func oaImages(c *cell) {
	content := list{
		object{"type": "text", "text": say},
		object{"type": "image_url", "image_url": object{"url": "data:image/png;base64," + pixel}},
	}
	for _, op := range []string{"chat", "chat_stream"} {
		c.equal(op+" text", c.only(c.must(op, object{"messages": list{user(content)}})).Text, said)
	}
	c.that(strings.Contains(c.lastBody(), pixel), "the image did not reach the provider")
}

func oaStructured(c *cell) {
	p := object{"messages": list{user("Who?")}, "response_format": object{
		"type": "json_schema", "json_schema": object{"name": "person", "strict": true, "schema": person}}}
	for _, op := range []string{"chat", "chat_stream"} {
		ch := c.only(c.must(op, p))
		c.obeys(ch.Text)
		c.equal(op+" finish", ch.Finish, "stop")
		c.equal(op+" calls", len(ch.Calls), 0)
	}
}

// oaJSONObject: a JSON answer, or the word that the provider has no such mode.
func oaJSONObject(c *cell) {
	o := c.ask("chat", object{"messages": list{user("Say JSON.")}, "response_format": object{"type": "json_object"}})
	if c.provider == "openai" || o.Error == nil {
		if o.Error != nil {
			c.Fatalf("%+v", *o.Error)
		}
		c.that(json.Valid([]byte(c.only(o).Text)), "the answer is no JSON: %q", c.only(o).Text)
		return
	}
	c.unsupported(o, "response_format")
}

func oaReasoning(c *cell) {
	p := object{"messages": list{user("Why?\nmock: think 9\nmock: say " + said)}, "reasoning_effort": "low", "max_completion_tokens": 4000}
	plain := c.only(c.must("chat", p))
	c.equal("text", plain.Text, said)
	c.equal("words of reasoning", len(strings.Fields(plain.Reasoning)), 9)
	o := c.must("chat_stream", p)
	streamed := c.only(o)
	c.equal("streamed text", streamed.Text, said)
	c.equal("streamed reasoning", streamed.Reasoning, plain.Reasoning)
}

func oaStop(c *cell) {
	p := merged(oaOrder("say alpha beta HALT gamma"), object{"stop": list{"HALT"}})
	for _, op := range []string{"chat", "chat_stream"} {
		ch := c.only(c.must(op, p))
		c.equal(op+" text", ch.Text, "alpha beta ")
		c.equal(op+" finish", ch.Finish, "stop")
	}
	c.equal("stop as a text", c.only(c.must("chat", merged(p, object{"stop": "HALT"}))).Text, "alpha beta ")
}

func oaLength(c *cell) {
	for _, member := range []string{"max_tokens", "max_completion_tokens"} {
		for _, op := range []string{"chat", "chat_stream"} {
			ch := c.only(c.must(op, merged(oaSay(), object{member: 3})))
			c.equal(op+" finish with "+member, ch.Finish, "length")
			c.that(ch.Text != "" && len(ch.Text) < len(said), "%s: text %q", op, ch.Text)
		}
	}
}

func oaTwo(c *cell) {
	p := object{"messages": list{user("Two, please.")}, "n": 2}
	if c.provider == "anthropic" {
		c.unsupported(c.ask("chat", p), "n")
		c.unsupported(c.ask("chat_stream", p), "n")
		return
	}
	for _, op := range []string{"chat", "chat_stream"} {
		o := c.must(op, p)
		if len(o.Choices) != 2 {
			c.Fatalf("%s: %d choices, want 2", op, len(o.Choices))
		}
		c.that(o.Choices[0].Index != o.Choices[1].Index && o.Choices[0].Text != o.Choices[1].Text, "%s: choices %+v", op, o.Choices)
		for _, ch := range o.Choices {
			c.equal(op+" finish", ch.Finish, "stop")
		}
	}
}

func oaLogprobs(c *cell) {
	p := merged(oaSay(), object{"logprobs": true, "top_logprobs": 2})
	if c.provider == "anthropic" {
		c.unsupported(c.ask("chat", p), "logprobs")
		return
	}
	for _, op := range []string{"chat", "chat_stream"} {
		c.equal(op+" tokens with a logprob", c.only(c.must(op, p)).Logprobs, len(strings.Fields(said)))
	}
}

func oaSeed(c *cell) {
	for name, v := range map[string]any{"seed": 42, "logit_bias": object{"50256": -100}, "presence_penalty": 0.5} {
		p := merged(oaSay(), object{name: v})
		if c.provider == "anthropic" {
			c.unsupported(c.ask("chat", p), name)
			continue
		}
		c.must("chat", p)
		c.that(strings.Contains(c.lastBody(), name), "%s did not reach the provider", name)
	}
}

// oaAll is a chat call with every parameter that the API documents for a
// model that does not reason.
func oaAll(c *cell) {
	p := object{
		"messages":          list{object{"role": "system", "content": "s", "name": "boss"}, user(say)},
		"frequency_penalty": 0.1, "presence_penalty": 0.1, "temperature": 0.5, "top_p": 0.9, "seed": 1, "n": 1,
		"logit_bias": object{"1": 1}, "logprobs": true, "top_logprobs": 1, "max_completion_tokens": 100,
		"metadata": object{"k": "v"}, "modalities": list{"text"}, "parallel_tool_calls": true,
		"prediction":       object{"type": "content", "content": "x"},
		"prompt_cache_key": "k", "safety_identifier": "u", "service_tier": "auto", "store": false,
		"stop": list{"never said"}, "tools": list{oaTool}, "tool_choice": "auto", "user": "u",
		"response_format": object{"type": "text"},
	}
	for _, op := range []string{"chat", "chat_stream"} {
		c.equal(op+" text", c.only(c.must(op, p)).Text, said)
	}
	for name := range p {
		c.that(strings.Contains(c.lastBody(), `"`+name+`"`), "%s did not reach the provider", name)
	}
}

// oaPortable is a call with what every dialect has.
func oaPortable(c *cell) {
	p := object{
		"messages":    list{object{"role": "system", "content": "s"}, user("a"), object{"role": "assistant", "content": "b"}, user(say)},
		"temperature": 0.5, "max_tokens": 100, "stop": list{"never said"}, "tools": list{oaTool}, "tool_choice": "auto", "n": 1,
		"parallel_tool_calls": true, "user": "u", "response_format": object{"type": "text"}, "stream_options": nil,
	}
	delete(p, "stream_options")
	for _, op := range []string{"chat", "chat_stream"} {
		c.equal(op+" text", c.only(c.must(op, p)).Text, said)
	}
}

func oaSystem(c *cell) {
	p := object{"messages": list{
		object{"role": "system", "content": "first order"}, object{"role": "developer", "content": "second order"}, user(say),
	}}
	c.equal("text", c.only(c.must("chat", p)).Text, said)
	body := c.lastBody()
	first, second := strings.Index(body, "first order"), strings.Index(body, "second order")
	c.that(first >= 0 && second > first, "system and developer texts are lost or out of order: %s", body)
}

// oaLarge: megabytes in a body are normal, and the bytes of an image are not
// tokens of the prompt.
func oaLarge(c *cell) {
	image := object{"type": "image_url", "image_url": object{"url": "data:image/png;base64," + largeImage()}}
	c.equal("text", c.only(c.must("chat", object{"messages": list{user(list{object{"type": "text", "text": say}, image})}})).Text, said)
}

// oaTooLong: what no deployment has room for is refused in the words that
// applications look for.
func oaTooLong(c *cell) {
	f := c.raises(c.ask("chat", object{"messages": list{user(strings.Repeat("many words ", 100_000))}}), 400, "BadRequestError")
	c.equal("code", f.Code, "context_length_exceeded")
}

func oaUnknownThere(c *cell) { c.unknownThere("openai", oaSay(), "chat", "chat_stream") }

func oaUnknownBack(c *cell) {
	p := object{"messages": list{user("hi")}}
	c.unknownBack(c.must("chat", p))
	c.unknownBack(c.must("chat_stream", merged(p, object{"stream_options": object{"include_usage": true}})))
}

func oaHeaders(c *cell) {
	for _, op := range []string{"chat", "chat_stream"} {
		h := c.headersOf(op, oaSay(), map[string]string{
			"OpenAI-Beta": "assistants=v2", "Idempotency-Key": "once", "Cookie": "session=secret", "X-Forwarded-For": "10.0.0.1"})
		if c.provider == "openai" {
			c.equal(op+" openai-beta", h.Get("OpenAI-Beta"), "assistants=v2")
			c.equal(op+" idempotency-key", h.Get("Idempotency-Key"), "once")
		}
	}
}

func oaRefusal(c *cell) {
	for _, op := range []string{"chat", "chat_stream"} {
		ch := c.only(c.must(op, oaOrder("refuse")))
		c.that(ch.Refusal+ch.Text != "", "%s: the refusal is lost", op)
		if c.provider == "openai" {
			c.that(ch.Refusal != "" && ch.Finish == "stop", "%s: %+v", op, ch)
		} else {
			c.equal(op+" finish", ch.Finish, "content_filter")
		}
	}
}

func oaFilter(c *cell) {
	for _, op := range []string{"chat", "chat_stream"} {
		c.equal(op+" finish", c.only(c.must(op, oaOrder("filter"))).Finish, "content_filter")
	}
}

func oaEmbedding(c *cell) {
	var forms [][][]float64
	for _, p := range []object{{}, {"encoding_format": "float"}, {"encoding_format": "base64"}} {
		o := c.must("embedding", merged(p, object{"input": list{"one", "two"}}))
		if len(o.Vectors) != 2 || len(o.Vectors[0]) < 8 {
			c.Fatalf("%v: vectors %.200v", p, o.Vectors)
		}
		c.that(o.Usage != nil && o.Usage.In > 0, "usage %+v", o.Usage)
		forms = append(forms, o.Vectors)
	}
	for _, f := range forms[1:] {
		for i := range f {
			for j := range f[i] {
				if math.Abs(f[i][j]-forms[0][i][j]) > 1e-6 {
					c.Fatalf("the forms differ at %d,%d: %v and %v", i, j, f[i][j], forms[0][i][j])
				}
			}
		}
	}
}

// oaEmbeddingBatches: more inputs than the provider is asked for at once come in
// order, in each form, and of the length that was asked for.
func oaEmbeddingBatches(c *cell) {
	var texts list
	for i := range 20 {
		texts = append(texts, fmt.Sprintf("text number %d", i))
	}
	for _, p := range []object{{}, {"encoding_format": "float"}, {"dimensions": 16}} {
		o := c.must("embedding", merged(p, object{"input": texts}))
		if len(o.Vectors) != len(texts) {
			c.Fatalf("%v: %d vectors", p, len(o.Vectors))
		}
		if o.Headers != nil { // the Python SDK shows none of an answer
			c.equal("attempts", o.Headers["x-freehold-attempts"], "3")
		}
		last := c.must("embedding", merged(p, object{"input": list{texts[19]}}))
		c.that(len(last.Vectors) == 1 && fmt.Sprint(last.Vectors[0]) == fmt.Sprint(o.Vectors[19]), "%v: the vectors are not in order", p)
		if p["dimensions"] != nil {
			c.equal("numbers", len(o.Vectors[0]), 16)
		}
	}
	f := c.ask("embedding", object{"input": "one", "dimensions": 100000}).Error
	c.that(f != nil && f.Status == 400 && f.Param == "dimensions", "%+v", f)
}

// oaNoEmbedding: what a provider does not have is said.
func oaNoEmbedding(c *cell) {
	f := c.ask("embedding", object{"input": "one"}).Error
	c.that(f != nil && f.Status >= 400 && f.Status < 500 && f.Type != "", "%+v", f)
}

func oaCompletion(c *cell) {
	p := object{"prompt": "def f():\nmock: say return 1", "suffix": "\nprint(f())", "max_tokens": 50}
	for _, op := range []string{"completion", "completion_stream"} {
		ch := c.only(c.must(op, p))
		c.equal(op+" text", ch.Text, "return 1")
		c.equal(op+" finish", ch.Finish, "stop")
	}
	c.that(strings.Contains(c.lastBody(), "print(f())"), "the suffix did not reach the provider")
}
