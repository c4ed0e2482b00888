"""Calls through the anthropic package."""

import inspect
import json

import anthropic

from failures import describe, lower


def do(where, step):
    client = anthropic.Anthropic(
        base_url=where["url"],
        api_key=step.get("key") or where["key"],
        max_retries=step["retries"],
    )
    if step.get("leave_waiting"):  # all that this client can be told is how long to wait
        client = client.with_options(timeout=2)
    extra = {"extra_headers": step.get("headers") or {}, "extra_body": step.get("extra") or None}
    out = {}
    try:
        CALLS[step["op"]](client, step, extra, out)
    except anthropic.APITimeoutError as e:
        if step.get("leave_waiting"):
            out["left"] = True
        else:
            out["error"] = describe(e)
    except Exception as e:
        out["error"] = describe(e)
    finally:
        client.close()
    return out


def call(method, step, extra):
    """Call a method; members that it has no argument for go as extra ones, as
    applications do since the SDK dropped the sampling parameters."""
    known = inspect.signature(method).parameters
    params = {k: v for k, v in step["params"].items() if k in known}
    more = {k: v for k, v in step["params"].items() if k not in known}
    body = {**more, **(extra["extra_body"] or {})}
    return method(**params, extra_headers=extra["extra_headers"], extra_body=body or None)


def show(out, m):
    u = m.usage
    out.update(
        model=m.model,
        stop=m.stop_reason or "",
        stop_sequence=m.stop_sequence or "",
        raw=json.loads(m.model_dump_json()),
        usage={
            "in": u.input_tokens,
            "out": u.output_tokens,
            "cached": u.cache_read_input_tokens or 0,
            "cache_write": u.cache_creation_input_tokens or 0,
        },
        blocks=[
            {
                "type": b.type,
                "text": getattr(b, "thinking", None) or getattr(b, "text", None) or "",
                "signature": getattr(b, "signature", None) or "",
                "id": getattr(b, "id", None) or "",
                "name": getattr(b, "name", None) or "",
                "input": getattr(b, "input", None),
            }
            for b in m.content
        ],
    )


def messages(client, step, extra, out):
    raw = call(client.messages.with_raw_response.create, step, extra)
    out["headers"] = lower(raw.headers)
    show(out, raw.parse())


def messages_stream(client, step, extra, out):
    """Uses the SDK's own putting together of a message."""
    out["events"] = []
    raw = []
    with call(client.messages.stream, step, extra) as stream:
        out["headers"] = lower(stream.response.headers)
        for event in stream:
            if event.type in WIRE:  # the helper adds events of its own
                out["events"].append(event.type)
                raw.append(json.loads(event.model_dump_json()))
            if step.get("leave_after") and len(out["events"]) >= step["leave_after"]:
                out["left"] = True
                return
        show(out, stream.get_final_message())
        out["raw"] = raw


WIRE = {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "ping"}


def count_tokens(client, step, extra, out):
    out["tokens"] = call(client.messages.count_tokens, step, extra).input_tokens


def models(client, step, extra, out):
    out["models"] = [m.id for m in client.models.list(extra_headers=extra["extra_headers"])]


def model(client, step, extra, out):
    out["models"] = [client.models.retrieve(step["params"]["id"]).id]


def post(client, step, extra, out):
    out["raw"] = client.post("/" + step["params"]["path"], body=step["params"]["body"], cast_to=object)


CALLS = {f.__name__: f for f in (messages, messages_stream, count_tokens, models, model, post)}
