"""Calls freehold through the official Python SDKs, for the checks in Go.

Reads one JSON object a line from standard input: first {"url", "key"}, then
steps (see step in main_test.go, with "client" added). Writes one line of JSON,
an outcome, for each step.
"""

import json
import sys

import anthropic_calls
import openai_calls

CLIENTS = {"openai": openai_calls, "anthropic": anthropic_calls}


def main():
    where = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        step = json.loads(line)
        try:
            outcome = CLIENTS[step["client"]].do(where, step)
        except Exception as e:  # a slip of this program, not the SDK's word
            import traceback

            outcome = {"broken": f"{e!r}: {traceback.format_exc()}"}
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
