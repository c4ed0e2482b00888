"""What the SDKs raise, in the form of failure in main_test.go."""

import json


def describe(error):
    """Turn an exception into a failure."""
    response = getattr(error, "response", None)
    body = getattr(error, "body", None)
    detail = body if isinstance(body, dict) else {}
    if isinstance(detail.get("error"), dict):
        detail = detail["error"]
    if response is not None:
        try:
            body = response.json()
        except Exception:  # not JSON, or a stream that was read
            pass
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", 0) or 0,
        "type": text(getattr(error, "type", None) or detail.get("type")),
        "code": text(getattr(error, "code", None) or detail.get("code")),
        "param": text(getattr(error, "param", None) or detail.get("param")),
        "message": text(detail.get("message") or getattr(error, "message", None) or str(error)),
        "retry_after": response.headers.get("retry-after", "") if response is not None else "",
        "body": jsonable(body),
    }


def text(value):
    return "" if value is None else str(value)


def jsonable(value):
    try:
        json.dumps(value)
        return value
    except TypeError:
        return str(value)


def lower(headers):
    return {k.lower(): v for k, v in headers.items()}
