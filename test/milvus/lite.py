"""milvus-lite as a test server, as `milvus-lite server` starts it.

It has one worker, for it takes one write at a time, and leaves that to its
clients.

    python lite.py --dir DIR [--port N]

listens on loopback only, says {"port": N} on its standard output when it is
ready, and ends when its standard input does.
"""

import argparse
import json
import os
import sys

from milvus_lite.adapter.grpc.server import start_server_in_thread


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()

    server, db, port = start_server_in_thread(args.dir, host="127.0.0.1", port=args.port, max_workers=1)
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    server.stop(0).wait()
    db.close()
    os._exit(0)  # the engine's threads need not be waited for


if __name__ == "__main__":
    main()
