package sdk

import (
	"strings"
	"time"
)

func oaRetryAfterPassed(c *cell) {
	for _, op := range []string{"chat", "chat_stream"} {
		c.fail("429:7s")
		c.waits(c.ask(op, oaSay()), 7)
	}
}

func oaRetryAfterHonoured(c *cell) {
	c.fail("429@1:1s")
	c.equal("text", c.only(c.must("chat", oaSay())).Text, said)
	r := c.primary.Requests()
	if len(r) != 2 {
		c.Fatalf("%d requests, want 2", len(r))
	}
	c.that(r[1].Time.Sub(r[0].Time) >= time.Second, "asked again after %v, told to wait 1s", r[1].Time.Sub(r[0].Time))
}

// oaRetries: an SDK that asks again by itself must not make every try several.
func oaRetries(c *cell) {
	c.fail("500")
	o := c.step(step{Op: "chat", Params: oaSay(), Retries: 1})
	c.raises(o, 503, "InternalServerError")
	n := c.primary.Stats().Requests
	c.that(n <= 3, "%d requests at the provider for one call with one retry of the SDK", n)
}

func oaMissingMessages(c *cell) {
	name := c.check.name
	for _, body := range []object{{"model": name}, {"model": name, "stream": true}, {"model": name, "messages": list{}}, {"model": name, "messages": nil}} {
		f := c.raises(c.step(step{Op: "post", Params: object{"path": "chat/completions", "body": body}}), 400, "BadRequestError")
		c.equal("type", f.Type, "invalid_request_error")
		c.that(strings.Contains(f.Param+f.Message, "messages"), "the member is not named: %+v", *f)
	}
	f := c.raises(c.step(step{Op: "post", Params: object{"path": "chat/completions", "body": object{"messages": list{user("x")}}}}), 400, "BadRequestError")
	c.that(strings.Contains(f.Param+f.Message, "model"), "the member is not named: %+v", *f)
	c.equal("requests that reached the provider", c.primary.Stats().Requests, 0)
}

func oaWrongTypes(c *cell) {
	for name, v := range map[string]any{"messages": "text", "temperature": "hot", "stream": "yes", "max_tokens": -1, "tools": object{}} {
		body := merged(object{"model": c.check.name, "messages": list{user("x")}}, object{name: v})
		f := c.raises(c.step(step{Op: "post", Params: object{"path": "chat/completions", "body": body}}), 400, "BadRequestError")
		c.that(strings.Contains(f.Param+f.Message, name), "%s is not named: %+v", name, *f)
	}
}

func oaUnknownModel(c *cell) {
	for _, stream := range []bool{false, true} {
		body := object{"model": "nobody-has-this", "stream": stream, "messages": list{user("x")}}
		f := c.raises(c.step(step{Op: "post", Params: object{"path": "chat/completions", "body": body}}), 404, "NotFoundError")
		c.equal("code", f.Code, "model_not_found")
	}
	c.raises(c.step(step{Op: "post", Params: object{"path": "no/such/path", "body": object{}}}), 404, "NotFoundError")
}

func oaWrongKey(c *cell) {
	for _, key := range []string{"fh-wrong", "sk-" + strings.Repeat("x", 40)} {
		f := c.raises(c.step(step{Op: "chat", Params: oaSay(), Key: key}), 401, "AuthenticationError")
		c.that(!strings.Contains(string(f.Body), key), "the key is repeated: %s", f.Body)
	}
	c.equal("requests that reached the provider", c.primary.Stats().Requests, 0)
}

func modelLists(c *cell) {
	o := c.must("models", nil)
	c.that(strings.Contains(" "+strings.Join(o.Models, " ")+" ", " "+c.check.name+" "), "the workload is not listed: %q", o.Models)
	c.equal("one model", c.must("model", object{"id": c.check.name}).Models, []string{c.check.name})
	c.raises(c.ask("model", object{"id": "nobody-has-this"}), 404, "NotFoundError")
}

// oaRefusal: a model's refusal is not an ordinary answer.
func oaLeavesStream(c *cell) {
	c.fail("slow:50ms")
	o := c.step(step{Op: "chat_stream", Params: oaOrder("length 400"), LeaveAfter: 3})
	c.that(o.Left, "did not leave: %s", shown(o))
	c.left(c.T)
}

func oaLeavesWaiting(c *cell) {
	c.fail("stall:head")
	o := c.step(step{Op: "chat_stream", Params: oaSay(), LeaveWaiting: true})
	c.that(o.Left, "did not leave: %s", shown(o))
	c.left(c.T)
}

func oaLeavesPlain(c *cell) {
	c.fail("stall:head")
	o := c.step(step{Op: "chat", Params: oaSay(), LeaveWaiting: true})
	c.that(o.Left, "did not leave: %s", shown(o))
	c.left(c.T)
}

// oaWhole: a stream that only lacks its end mark has all that was said and its
// finish; it is whole or it raises, never half.
func oaWhole(c *cell) {
	c.fail("noend")
	o := c.ask("chat_stream", oaSay())
	if o.Error == nil {
		ch := c.only(o)
		c.equal("text", ch.Text, said)
		c.equal("finish", ch.Finish, "stop")
	}
}

func oaCut(c *cell, fault string) {
	c.fail(fault)
	o := c.ask("chat_stream", oaSay())
	text, finish := "", ""
	for _, ch := range o.Choices {
		text, finish = text+ch.Text, finish+ch.Finish
	}
	c.cut(text, finish, o)
	c.fail(fault)
	if plain := c.ask("chat", oaSay()); plain.Error == nil {
		c.equal("plain answer", c.only(plain).Text, said)
	}
}

func oaContinued(c *cell, fault string) {
	c.fail(fault)
	o := c.must("chat_stream", merged(oaSay(), object{"stream_options": object{"include_usage": true}}))
	ch := c.only(o)
	c.equal("text", ch.Text, said)
	c.equal("finish", ch.Finish, "stop")
	c.that(len(o.Odd) == 0, "odd chunks: %q", o.Odd)
	c.that(o.Usage != nil && o.Usage.Out > 0, "usage %+v", o.Usage)
	c.that(c.backup.Stats().Requests > 0, "the fallback was not asked")
}

func oaFailover(c *cell, fault string) {
	for _, op := range []string{"chat", "chat_stream"} {
		c.fail(fault)
		ch := c.only(c.must(op, oaSay()))
		c.equal(op+" text", ch.Text, said)
		c.equal(op+" finish", ch.Finish, "stop")
	}
	c.that(c.backup.Stats().Requests > 0, "the fallback was not asked")
}
