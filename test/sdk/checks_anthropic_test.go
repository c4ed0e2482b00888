package sdk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// anthropicChecks are what holds for applications with an Anthropic SDK.
func anthropicChecks() []check {
	checks := []check{
		{name: "plain", run: anPlain},
		{name: "stream", run: anStream},
		{name: "usage", run: anUsage},
		{name: "input_tokens_kept", run: anInputTokens},
		{name: "tools", run: anTools},
		{name: "tools_no_arguments", run: anToolsNoArguments},
		{name: "tools_round_trip", run: anToolsRoundTrip},
		{name: "tools_one_at_a_time", run: anToolsSerial},
		{name: "tool_choice", run: anToolChoice},
		{name: "images", run: anImages},
		{name: "structured", run: anStructured},
		{name: "thinking", upstream: "thinker", run: anThinking},
		{name: "thinking_replayed", provider: "anthropic", run: anThinkingReplayed},
		{name: "stop_sequence", run: anStop},
		{name: "length", run: anLength},
		{name: "all_parameters", provider: "anthropic", run: anAll},
		{name: "portable_parameters", run: anPortable},
		{name: "system_blocks", run: anSystem},
		{name: "cache_control", provider: "anthropic", run: anCacheControl},
		{name: "large_body", run: anLarge},
		{name: "too_long", run: anTooLong},
		{name: "unknown_members_there", run: anUnknownThere},
		{name: "unknown_members_back", provider: "anthropic", upstream: "strange", run: anUnknownBack},
		{name: "headers_there", run: anHeaders},
		{name: "retry_after_passed", run: anRetryAfterPassed},
		{name: "retry_after_honoured", run: anRetryAfterHonoured},
		{name: "retries_not_multiplied", run: anRetries},
		{name: "missing_members", run: anMissing},
		{name: "wrong_types", run: anWrongTypes},
		{name: "unknown_model", run: anUnknownModel},
		{name: "wrong_key", run: anWrongKey},
		{name: "models", run: modelLists},
		{name: "count_tokens", run: anCount},
		{name: "refusal", run: anRefusal},
		{name: "leaves_stream", run: anLeavesStream},
		{name: "leaves_waiting", run: anLeavesWaiting},
		{name: "leaves_plain", run: anLeavesPlain},
	}
	for _, f := range cuts {
		checks = append(checks,
			check{name: "cut_" + f.name, workload: "continue: off", run: func(c *cell) { anCut(c, f.spec) }},
			check{name: "continued_" + f.name, fallback: true, run: func(c *cell) { anContinued(c, f.spec) }})
	}
	for _, f := range outages {
		checks = append(checks, check{name: "failover_" + f.name, fallback: true, run: func(c *cell) { anFailover(c, f.spec) }})
	}
	for _, s := range statuses {
		class := s.class
		switch s.client {
		case 413:
			class = "ContentTooLargeError"
		case 503:
			class = "ServiceUnavailableError"
		}
		checks = append(checks, check{name: fmt.Sprint("status_", s.provider), run: func(c *cell) {
			for _, op := range []string{"messages", "messages_stream"} {
				c.fail(fmt.Sprint(s.provider))
				c.enveloped(c.raises(c.ask(op, anSay()), s.client, class))
			}
		}})
	}
	return checks
}

func anSay() object { return object{"max_tokens": 1000, "messages": list{user(say)}} }

func anOrder(order string) object {
	return object{"max_tokens": 1000, "messages": list{user("Please.\nmock: " + order)}}
}

var anTool = object{"name": "get_weather", "description": "Weather", "input_schema": weather}

var anNow = object{"name": "now", "input_schema": object{"type": "object"}}

// enveloped checks Anthropic's envelope of errors.
func (c *cell) enveloped(f *failure) *failure {
	c.Helper()
	var e struct {
		Type      string
		Error     struct{ Type, Message string }
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(f.Body, &e); err != nil {
		c.Errorf("the error's body is %s: %v", f.Body, err)
		return f
	}
	c.that(e.Type == "error" && e.Error.Type != "" && e.Error.Message != "" && e.RequestID != "", "no envelope of Anthropic's: %s", f.Body)
	return f
}

// text is all text of an answer, which must be of one block.
func (c *cell) text(o outcome) string {
	c.Helper()
	var texts []string
	for _, b := range o.Blocks {
		if b.Type == "text" {
			texts = append(texts, b.Text)
		}
	}
	if len(texts) != 1 {
		c.Fatalf("%d blocks of text, want 1: %s", len(texts), shown(o))
	}
	return texts[0]
}

func (c *cell) uses(o outcome) []block {
	return slices.DeleteFunc(slices.Clone(o.Blocks), func(b block) bool { return b.Type != "tool_use" })
}

func anPlain(c *cell) {
	o := c.must("messages", anSay())
	c.equal("text", c.text(o), said)
	c.equal("stop reason", o.Stop, "end_turn")
	c.equal("model", o.Model, c.check.name)
	c.that(o.Headers["request-id"] != "" && o.Headers["request-id"] == o.Headers["x-request-id"], "request ids: %v", o.Headers)
}

func anStream(c *cell) {
	o := c.must("messages_stream", anSay())
	c.equal("text", c.text(o), said)
	c.equal("stop reason", o.Stop, "end_turn")
	c.equal("model", o.Model, c.check.name)
	var order []string
	for _, e := range o.Events {
		if e != "ping" && (len(order) == 0 || order[len(order)-1] != e) {
			order = append(order, e)
		}
	}
	c.equal("events", strings.Join(order, " "), "message_start content_block_start content_block_delta content_block_stop message_delta message_stop")
	c.that(len(o.Events) > 10, "only %d events: it was not streamed", len(o.Events))
}

var anCached = object{"max_tokens": 1000, "messages": list{user("one two three four five six seven eight nine ten\nmock: cached 6\nmock: say " + said)}}

func anUsage(c *cell) {
	u := c.must("messages", anCached).Usage
	c.that(u != nil && u.In > 0 && u.Out > 0 && u.Cached == 6, "usage %+v: want 6 cached tokens beside the input's", u)
}

// anInputTokens: message_delta is cumulative and must not set input tokens to 0.
func anInputTokens(c *cell) {
	plain := c.must("messages", anCached).Usage
	c.equal("usage of the stream", c.must("messages_stream", anCached).Usage, plain)
}

func anTools(c *cell) {
	p := merged(anOrder(`tools get_weather {"city":"Zürich"} get_weather {"city":"東京"}`), object{"tools": list{anTool}})
	for _, op := range []string{"messages", "messages_stream"} {
		o := c.must(op, p)
		c.equal(op+" stop reason", o.Stop, "tool_use")
		uses := c.uses(o)
		if len(uses) != 2 {
			c.Fatalf("%s: %d calls, want 2: %s", op, len(uses), shown(o))
		}
		for i, city := range []string{"Zürich", "東京"} {
			c.equal("name", uses[i].Name, "get_weather")
			c.sameJSON("input", string(uses[i].Input), `{"city":"`+city+`"}`)
		}
		c.that(uses[0].ID != "" && uses[0].ID != uses[1].ID, "ids %q and %q", uses[0].ID, uses[1].ID)
	}
}

func anToolsNoArguments(c *cell) {
	for _, op := range []string{"messages", "messages_stream"} {
		uses := c.uses(c.must(op, merged(anOrder("tools now"), object{"tools": list{anNow}})))
		if len(uses) != 1 {
			c.Fatalf("%s: %d calls, want 1", op, len(uses))
		}
		c.sameJSON(op+" input", string(uses[0].Input), "{}")
	}
}

func anToolsRoundTrip(c *cell) {
	q := user("Weather?\nmock: tools get_weather {\"city\":\"Bern\"} get_weather {\"city\":\"Rom\"}\nmock: say " + said)
	uses := c.uses(c.must("messages", object{"max_tokens": 100, "messages": list{q}, "tools": list{anTool}}))
	if len(uses) != 2 {
		c.Fatalf("%d calls, want 2", len(uses))
	}
	asked, results := list{}, list{}
	for _, u := range uses {
		asked = append(asked, object{"type": "tool_use", "id": u.ID, "name": u.Name, "input": u.Input})
		results = append(results, object{"type": "tool_result", "tool_use_id": u.ID, "content": list{object{"type": "text", "text": "rain in " + string(u.Input)}}})
	}
	p := object{"max_tokens": 100, "messages": list{q, object{"role": "assistant", "content": asked}, user(results)}, "tools": list{anTool}}
	for _, op := range []string{"messages", "messages_stream"} {
		c.equal(op+" text", c.text(c.must(op, p)), said)
	}
	c.that(strings.Count(c.lastBody(), "rain in") == 2, "the results did not reach the provider: %s", c.lastBody())
}

func anToolsSerial(c *cell) {
	p := merged(anOrder(`tools get_weather {"city":"Bern"} get_weather {"city":"Rom"}`),
		object{"tools": list{anTool}, "tool_choice": object{"type": "auto", "disable_parallel_tool_use": true}})
	c.equal("calls", len(c.uses(c.must("messages", p))), 1)
}

func anToolChoice(c *cell) {
	p := object{"max_tokens": 100, "messages": list{user("Hello.")}, "tools": list{anTool, anNow}}
	for _, choice := range []object{{"type": "any"}, {"type": "tool", "name": "now"}} {
		o := c.must("messages", merged(p, object{"tool_choice": choice}))
		uses := c.uses(o)
		c.that(len(uses) == 1 && o.Stop == "tool_use", "tool_choice %v: %s", choice, shown(o))
		if choice["name"] != nil && len(uses) == 1 {
			c.equal("the named tool", uses[0].Name, "now")
		}
	}
	o := c.must("messages", merged(p, object{"tool_choice": object{"type": "none"}}))
	c.that(len(c.uses(o)) == 0 && c.text(o) != "", "tool_choice none: %s", shown(o))
}

func anImage(data string) object {
	return object{"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": data}}
}

func anImages(c *cell) {
	p := object{"max_tokens": 100, "messages": list{user(list{anImage(pixel), object{"type": "text", "text": say}})}}
	for _, op := range []string{"messages", "messages_stream"} {
		c.equal(op+" text", c.text(c.must(op, p)), said)
	}
	c.that(strings.Contains(c.lastBody(), pixel), "the image did not reach the provider")
}

func anStructured(c *cell) {
	p := object{"max_tokens": 100, "messages": list{user("Who?")}, "output_config": object{"format": object{"type": "json_schema", "schema": person}}}
	for _, op := range []string{"messages", "messages_stream"} {
		o := c.must(op, p)
		c.obeys(c.text(o))
		c.equal(op+" stop reason", o.Stop, "end_turn")
	}
}

func anThinking(c *cell) {
	p := object{"max_tokens": 4000, "thinking": object{"type": "enabled", "budget_tokens": 1024}, "messages": list{user("Why?\nmock: think 9\nmock: say " + said)}}
	var before []block
	for _, op := range []string{"messages", "messages_stream"} {
		o := c.must(op, p)
		c.equal(op+" text", c.text(o), said)
		if len(o.Blocks) != 2 || o.Blocks[0].Type != "thinking" {
			c.Fatalf("%s: thinking must be the first of two blocks: %s", op, shown(o))
		}
		c.equal(op+" words of thinking", len(strings.Fields(o.Blocks[0].Text)), 9)
		c.that(c.provider != "anthropic" || o.Blocks[0].Signature != "", "%s: the signature is lost", op)
		if before != nil {
			c.equal("thinking of stream and plain answer", o.Blocks[0], before[0])
		}
		before = o.Blocks
	}
}

// anThinkingReplayed: thinking goes back unchanged with its signature; the mock
// knows its own.
func anThinkingReplayed(c *cell) {
	think := object{"type": "enabled", "budget_tokens": 1024}
	q := user("Weather?\nmock: think 5\nmock: tools get_weather {\"city\":\"Bern\"}\nmock: say " + said)
	o := c.must("messages_stream", object{"max_tokens": 4000, "thinking": think, "messages": list{q}, "tools": list{anTool}})
	asked := list{}
	for _, b := range o.Blocks {
		switch b.Type {
		case "thinking":
			asked = append(asked, object{"type": "thinking", "thinking": b.Text, "signature": b.Signature})
		case "tool_use":
			asked = append(asked, object{"type": "tool_use", "id": b.ID, "name": b.Name, "input": b.Input})
		}
	}
	if len(asked) != 2 {
		c.Fatalf("want thinking and a call: %s", shown(o))
	}
	answer := user(list{object{"type": "tool_result", "tool_use_id": asked[1].(object)["id"], "content": "rain"}})
	p := object{"max_tokens": 4000, "thinking": think, "messages": list{q, object{"role": "assistant", "content": asked}, answer}, "tools": list{anTool}}
	c.equal("text", c.text(c.must("messages", p)), said)
}

func anStop(c *cell) {
	p := merged(anOrder("say alpha beta HALT gamma"), object{"stop_sequences": list{"HALT"}})
	for _, op := range []string{"messages", "messages_stream"} {
		o := c.must(op, p)
		c.equal(op+" text", c.text(o), "alpha beta ")
		// OpenAI's API does not say which sequence ended an answer, or that one did.
		if c.provider == "anthropic" {
			c.equal(op+" stop reason", o.Stop, "stop_sequence")
			c.equal(op+" stop sequence", o.StopSequence, "HALT")
		} else {
			c.that(o.Stop == "end_turn" || o.Stop == "stop_sequence", "%s stop reason %q", op, o.Stop)
		}
	}
}

func anLength(c *cell) {
	for _, op := range []string{"messages", "messages_stream"} {
		o := c.must(op, merged(anSay(), object{"max_tokens": 3}))
		c.equal(op+" stop reason", o.Stop, "max_tokens")
		c.that(c.text(o) != "" && len(c.text(o)) < len(said), "%s: text %q", op, c.text(o))
	}
}

// anAll is a call with every parameter that the API documents and that goes
// together.
func anAll(c *cell) {
	p := merged(anSay(), object{
		"system": list{object{"type": "text", "text": "s", "cache_control": object{"type": "ephemeral"}}}, "temperature": 0.5, "top_k": 5,
		"metadata": object{"user_id": "u"}, "service_tier": "auto", "stop_sequences": list{"never said"},
		"tools": list{anTool}, "tool_choice": object{"type": "auto"},
	})
	for _, op := range []string{"messages", "messages_stream"} {
		c.equal(op+" text", c.text(c.must(op, p)), said)
	}
	for name := range p {
		c.that(strings.Contains(c.lastBody(), `"`+name+`"`), "%s did not reach the provider", name)
	}
}

func anPortable(c *cell) {
	p := object{
		"max_tokens": 100, "system": "s", "temperature": 0.5, "top_p": 0.9, "stop_sequences": list{"never said"}, "metadata": object{"user_id": "u"},
		"tools": list{anTool}, "tool_choice": object{"type": "auto"},
		"messages": list{user("a"), object{"role": "assistant", "content": list{object{"type": "text", "text": "b"}}}, user(say)},
	}
	for _, op := range []string{"messages", "messages_stream"} {
		c.equal(op+" text", c.text(c.must(op, p)), said)
	}
}

func anSystem(c *cell) {
	p := merged(anSay(), object{"system": list{object{"type": "text", "text": "first order"}, object{"type": "text", "text": "second order"}}})
	c.equal("text", c.text(c.must("messages", p)), said)
	body := c.lastBody()
	first, second := strings.Index(body, "first order"), strings.Index(body, "second order")
	c.that(first >= 0 && second > first, "system texts are lost or out of order: %s", body)
}

func anCacheControl(c *cell) {
	block := object{"type": "text", "text": strings.Repeat("long ", 1500), "cache_control": object{"type": "ephemeral"}}
	p := merged(anSay(), object{"system": list{block}})
	c.must("messages", p)
	c.that(strings.Contains(c.lastBody(), "ephemeral"), "cache_control did not reach the provider")
}

func anLarge(c *cell) {
	p := object{"max_tokens": 100, "messages": list{user(list{anImage(largeImage()), object{"type": "text", "text": say}})}}
	c.equal("text", c.text(c.must("messages", p)), said)
}

// anTooLong: some clients react to these words only.
func anTooLong(c *cell) {
	p := object{"max_tokens": 100, "messages": list{user(strings.Repeat("many words ", 150_000))}}
	f := c.enveloped(c.raises(c.ask("messages", p), 400, "BadRequestError"))
	c.that(strings.Contains(f.Message, "prompt is too long"), "the message is %q", f.Message)
}

func anUnknownThere(c *cell) { c.unknownThere("anthropic", anSay(), "messages", "messages_stream") }

func anUnknownBack(c *cell) {
	for _, op := range []string{"messages", "messages_stream"} {
		c.unknownBack(c.must(op, object{"max_tokens": 10, "messages": list{user("hi")}}))
	}
}

func anHeaders(c *cell) {
	ops := []string{"messages", "messages_stream"}
	if c.provider == "anthropic" { // else tokens are counted here
		ops = append(ops, "count_tokens")
	}
	for _, op := range ops {
		p := anSay()
		if op == "count_tokens" {
			delete(p, "max_tokens")
		}
		h := c.headersOf(op, p, map[string]string{
			"anthropic-beta": "one-2026-01-01,two-2026-02-02", "anthropic-version": "2023-01-01", "Cookie": "session=secret"})
		if c.provider == "anthropic" {
			c.equal(op+" anthropic-beta", h.Get("Anthropic-Beta"), "one-2026-01-01,two-2026-02-02")
			c.equal(op+" anthropic-version", h.Get("Anthropic-Version"), "2023-01-01") // the client's own, not freehold's
		}
	}
}

func anRetryAfterPassed(c *cell) {
	for _, op := range []string{"messages", "messages_stream"} {
		c.fail("429:7s")
		c.waits(c.ask(op, anSay()), 7)
	}
}

func anRetryAfterHonoured(c *cell) {
	c.fail("429@1:1s")
	c.equal("text", c.text(c.must("messages", anSay())), said)
	r := c.primary.Requests()
	if len(r) != 2 {
		c.Fatalf("%d requests, want 2", len(r))
	}
	c.that(r[1].Time.Sub(r[0].Time) >= time.Second, "asked again after %v, told to wait 1s", r[1].Time.Sub(r[0].Time))
}

func anRetries(c *cell) {
	c.fail("500")
	o := c.step(step{Op: "messages", Params: anSay(), Retries: 1})
	c.raises(o, 503, "ServiceUnavailableError")
	n := c.primary.Stats().Requests
	c.that(n <= 3, "%d requests at the provider for one call with one retry of the SDK", n)
}

func anMissing(c *cell) {
	whole := merged(anSay(), object{"model": c.check.name})
	for _, name := range []string{"messages", "max_tokens", "model"} {
		for _, stream := range []bool{false, true} {
			body := merged(whole, object{"stream": stream})
			delete(body, name)
			f := c.enveloped(c.raises(c.step(step{Op: "post", Params: object{"path": "v1/messages", "body": body}}), 400, "BadRequestError"))
			c.equal("type", f.Type, "invalid_request_error")
			c.that(strings.Contains(f.Message, name), "%s is not named: %+v", name, *f)
		}
	}
	c.raises(c.step(step{Op: "post", Params: object{"path": "v1/messages", "body": merged(whole, object{"messages": list{}})}}), 400, "BadRequestError")
	c.equal("requests that reached the provider", c.primary.Stats().Requests, 0)
}

func anWrongTypes(c *cell) {
	for name, v := range map[string]any{"messages": "text", "temperature": "hot", "stream": "yes", "max_tokens": "many", "tools": object{}} {
		body := merged(merged(anSay(), object{"model": c.check.name}), object{name: v})
		f := c.enveloped(c.raises(c.step(step{Op: "post", Params: object{"path": "v1/messages", "body": body}}), 400, "BadRequestError"))
		c.that(strings.Contains(f.Message, name), "%s is not named: %+v", name, *f)
	}
}

func anUnknownModel(c *cell) {
	for _, stream := range []bool{false, true} {
		body := merged(anSay(), object{"model": "nobody-has-this", "stream": stream})
		f := c.enveloped(c.raises(c.step(step{Op: "post", Params: object{"path": "v1/messages", "body": body}}), 404, "NotFoundError"))
		c.equal("type", f.Type, "not_found_error")
	}
	c.enveloped(c.raises(c.step(step{Op: "post", Params: object{"path": "v1/messages/nothing", "body": object{}}}), 404, "NotFoundError"))
}

func anWrongKey(c *cell) {
	f := c.enveloped(c.raises(c.step(step{Op: "messages", Params: anSay(), Key: "sk-ant-" + strings.Repeat("x", 40)}), 401, "AuthenticationError"))
	c.equal("type", f.Type, "authentication_error")
	c.equal("requests that reached the provider", c.primary.Stats().Requests, 0)
}

// anCount: the provider's own number, or an honest one of ours.
func anCount(c *cell) {
	o := c.must("count_tokens", object{"messages": list{user("one two three four five six")}, "system": "seven eight"})
	c.that(o.Tokens >= 6 && o.Tokens <= 40, "%d tokens", o.Tokens)
}

func anRefusal(c *cell) {
	for _, op := range []string{"messages", "messages_stream"} {
		o := c.must(op, anOrder("refuse"))
		c.equal(op+" stop reason", o.Stop, "refusal")
	}
}

func anLeavesStream(c *cell) {
	c.fail("slow:50ms")
	o := c.step(step{Op: "messages_stream", Params: anOrder("length 400"), LeaveAfter: 4})
	c.that(o.Left, "did not leave: %s", shown(o))
	c.left(c.T)
}

func anLeavesWaiting(c *cell) {
	c.fail("stall:head")
	o := c.step(step{Op: "messages_stream", Params: anSay(), LeaveWaiting: true})
	c.that(o.Left, "did not leave: %s", shown(o))
	c.left(c.T)
}

func anLeavesPlain(c *cell) {
	c.fail("stall:head")
	o := c.step(step{Op: "messages", Params: anSay(), LeaveWaiting: true})
	c.that(o.Left, "did not leave: %s", shown(o))
	c.left(c.T)
}

func anCut(c *cell, fault string) {
	c.fail(fault)
	o := c.ask("messages_stream", anSay())
	text := ""
	for _, b := range o.Blocks {
		text += b.Text
	}
	c.cut(text, o.Stop, o)
	c.fail(fault)
	if plain := c.ask("messages", anSay()); plain.Error == nil {
		c.equal("plain answer", c.text(plain), said)
	}
}

func anContinued(c *cell, fault string) {
	c.fail(fault)
	o := c.must("messages_stream", anSay())
	c.equal("text", c.text(o), said)
	c.equal("stop reason", o.Stop, "end_turn")
	c.that(o.Usage != nil && o.Usage.In > 0 && o.Usage.Out > 0, "usage %+v", o.Usage)
	c.that(c.backup.Stats().Requests > 0, "the fallback was not asked")
}

func anFailover(c *cell, fault string) {
	for _, op := range []string{"messages", "messages_stream"} {
		c.fail(fault)
		o := c.must(op, anSay())
		c.equal(op+" text", c.text(o), said)
		c.equal(op+" stop reason", o.Stop, "end_turn")
	}
	c.that(c.backup.Stats().Requests > 0, "the fallback was not asked")
}
