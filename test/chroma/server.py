"""Starts the Chroma server of PyPI chromadb for tests.

    python server.py --dir DIR [--port N]

keeps its data in DIR, listens on loopback only, and says {"port": N} on its standard
output when it is ready. A line "crash" on its standard input kills the server; the end
of its standard input ends it in order, and this program with it. The server is native:
none of the packages that the client needs is loaded.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time

PATIENCE = 60  # seconds until it must answer
RUN = "import sys, chromadb_rust_bindings; chromadb_rust_bindings.cli(sys.argv)"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ready(server, port):
    """Whether it listens; None: it has ended."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            return None
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()

    log = os.path.join(args.dir, "log")
    env = {**os.environ, "ANONYMIZED_TELEMETRY": "False", "NO_PROXY": "*"}
    for attempt in range(5):
        port = args.port or free_port()
        command = [sys.executable, "-s", "-B", "-c", RUN, "run", "--host", "127.0.0.1", "--port", str(port), "--path", os.path.join(args.dir, "data")]
        with open(log, "ab") as out:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        answer = ready(server, port)
        if answer:
            break
        if answer is False:
            server.kill()
        server.wait()
        if args.port:
            break
    if not answer:
        with open(log, errors="replace") as f:
            sys.exit("Chroma does not start: " + f.read()[-2000:])
    print(json.dumps({"port": port}), flush=True)
    end = server.terminate
    for line in sys.stdin:
        if line.strip() == "crash":
            end = server.kill
            break
    end()
    server.wait()


if __name__ == "__main__":
    main()
