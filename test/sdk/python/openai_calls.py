"""Calls through the openai package."""

import json

import openai

from failures import describe, lower


def do(where, step):
    client = openai.OpenAI(
        base_url=where["url"] + "/v1",
        api_key=step.get("key") or where["key"],
        max_retries=step["retries"],
    )
    if step.get("leave_waiting"):  # all that this client can be told is how long to wait
        client = client.with_options(timeout=2)
    extra = {"extra_headers": step.get("headers") or {}, "extra_body": step.get("extra") or None}
    out = {}
    try:
        CALLS[step["op"]](client, step, extra, out)
    except openai.APITimeoutError as e:
        if step.get("leave_waiting"):
            out["left"] = True
        else:
            out["error"] = describe(e)
    except Exception as e:
        out["error"] = describe(e)
    finally:
        client.close()
    return out


def usage_of(u):
    if u is None:
        return None
    prompt = getattr(u, "prompt_tokens_details", None)
    completion = getattr(u, "completion_tokens_details", None)
    return {
        "in": u.prompt_tokens,
        "out": getattr(u, "completion_tokens", 0),
        "total": u.total_tokens,
        "cached": (prompt and prompt.cached_tokens) or 0,
        "reasoning": (completion and completion.reasoning_tokens) or 0,
    }


def reasoning(message):
    """Under either of two names, as applications know."""
    extra = message.model_extra or {}
    return (extra.get("reasoning_content") or "") + (extra.get("reasoning") or "")


def chat(client, step, extra, out):
    raw = client.chat.completions.with_raw_response.create(**step["params"], **extra)
    r = raw.parse()
    out.update(model=r.model, usage=usage_of(r.usage), raw=json.loads(r.model_dump_json()), headers=lower(raw.headers), choices=[])
    for c in r.choices:
        m = c.message
        out["choices"].append({
            "index": c.index,
            "text": m.content or "",
            "refusal": m.refusal or "",
            "reasoning": reasoning(m),
            "finish": c.finish_reason or "",
            "calls": [{"id": k.id, "name": k.function.name, "arguments": k.function.arguments} for k in m.tool_calls or []],
            "logprobs": len((c.logprobs and c.logprobs.content) or []),
        })


def chat_stream(client, step, extra, out):
    out.update(choices=[], events=[], odd=[], usage=None, raw=[])
    raw = client.chat.completions.with_raw_response.create(**step["params"], stream=True, **extra)
    out["headers"] = lower(raw.headers)
    with raw.parse() as stream:
        for chunk in stream:
            out["model"] = chunk.model
            out["raw"].append(json.loads(chunk.model_dump_json()))
            if not chunk.choices and chunk.usage:
                out["events"].append("usage")
            elif not chunk.choices:
                out["odd"].append("no choices, no usage: " + chunk.model_dump_json())
            elif chunk.usage:
                out["odd"].append("choices and usage: " + chunk.model_dump_json())
            else:
                out["events"].append("chunk")
            if chunk.usage:
                out["usage"] = usage_of(chunk.usage)
            for d in chunk.choices:
                add(at(out["choices"], d.index), d)
            if step.get("leave_after") and len(out["events"]) >= step["leave_after"]:
                out["left"] = True
                return


def add(choice, d):
    choice["text"] += d.delta.content or ""
    choice["refusal"] += d.delta.refusal or ""
    choice["reasoning"] += reasoning(d.delta)
    choice["logprobs"] += len((d.logprobs and d.logprobs.content) or [])
    if d.finish_reason:
        choice["finish"] = d.finish_reason
    for k in d.delta.tool_calls or []:
        while len(choice["calls"]) <= k.index:
            choice["calls"].append({"id": "", "name": "", "arguments": ""})
        to = choice["calls"][k.index]
        to["id"] += k.id or ""
        to["name"] += (k.function and k.function.name) or ""
        to["arguments"] += (k.function and k.function.arguments) or ""


def at(choices, index):
    for c in choices:
        if c["index"] == index:
            return c
    choices.append({"index": index, "text": "", "refusal": "", "reasoning": "", "finish": "", "calls": [], "logprobs": 0})
    return choices[-1]


def completion(client, step, extra, out):
    r = client.completions.create(**step["params"], **extra)
    out.update(model=r.model, usage=usage_of(r.usage), raw=json.loads(r.model_dump_json()))
    out["choices"] = [{"index": c.index, "text": c.text, "finish": c.finish_reason or ""} for c in r.choices]


def completion_stream(client, step, extra, out):
    out["choices"] = []
    with client.completions.create(**step["params"], stream=True, **extra) as stream:
        for chunk in stream:
            out["model"] = chunk.model
            for d in chunk.choices:
                c = at(out["choices"], d.index)
                c["text"] += d.text or ""
                c["finish"] = d.finish_reason or c["finish"]


def embedding(client, step, extra, out):
    # Without encoding_format the SDK asks for base64 and decodes it by itself.
    r = client.embeddings.create(**step["params"], **extra)
    out.update(model=r.model, usage=usage_of(r.usage), vectors=[])
    for d in r.data:
        v = d.embedding
        if isinstance(v, str):
            import base64
            import struct

            data = base64.b64decode(v)
            v = list(struct.unpack(f"<{len(data) // 4}f", data))
        out["vectors"].append(v)


def models(client, step, extra, out):
    out["models"] = [m.id for m in client.models.list(extra_headers=extra["extra_headers"])]


def model(client, step, extra, out):
    out["models"] = [client.models.retrieve(step["params"]["id"]).id]


def post(client, step, extra, out):
    out["raw"] = client.post("/" + step["params"]["path"], body=step["params"]["body"], cast_to=object)


CALLS = {f.__name__: f for f in (chat, chat_stream, completion, completion_stream, embedding, models, model, post)}
