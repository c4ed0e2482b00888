"""The Milvus server itself (PyPI milvus 2.3.5) as a test server.

It listens on all interfaces, so it runs in a network namespace of its own, which
has loopback and nothing else. What comes to a port of loopback outside is handed
in: a socket stays where it was made.

    python full.py --dir DIR [--port N]

says {"port": N} on its standard output when the server answers, {"skip": WHY}
where there can be no such namespace, and ends when its standard input does.
"""

import argparse
import ctypes
import fcntl
import json
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
INSIDE = ("127.0.0.1", 19530)


class Cannot(Exception):
    pass


def own_network():
    """Moves this process into a network namespace of its own."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Cannot("there is a Milvus server for Linux on x86-64 only")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0 and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise Cannot("no network namespace without root: " + os.strerror(ctypes.get_errno()))
    with socket.socket() as s:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, SIOCGIFFLAGS, name))[1]
        try:
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
        except OSError as e:
            raise Cannot(f"no network namespace without root: {e}") from e
    return libc


def hand_in(listener):
    """Connects what comes to listener with the server inside."""

    def pump(from_, to):
        try:
            while data := from_.recv(1 << 16):
                to.sendall(data)
        except OSError:
            pass
        for s, how in (from_, socket.SHUT_RD), (to, socket.SHUT_WR):
            try:
                s.shutdown(how)
            except OSError:
                pass

    def serve(outside):
        try:
            inside = socket.create_connection(INSIDE)
        except OSError:
            outside.close()
            return
        with outside, inside:
            for s in outside, inside:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=pump, args=(inside, outside), daemon=True)
            back.start()
            pump(outside, inside)
            back.join()

    while True:
        outside, _ = listener.accept()
        threading.Thread(target=serve, args=(outside,), daemon=True).start()


def unpack(package):
    """Unpacks the program beside the package, once, and returns where it is."""
    home = os.path.join(os.path.dirname(package.__file__), "unpacked")
    if not os.path.isdir(home):
        with tempfile.TemporaryDirectory(dir=os.path.dirname(home)) as tmp:
            package._initialize_data_files(tmp)
            try:
                os.rename(os.path.join(tmp, "bin"), home)
            except OSError:  # another one was faster
                if not os.path.isdir(home):
                    raise
    return home


def start(dir, libc):
    import milvus

    home = unpack(milvus)
    config = milvus.MilvusServerConfig(data_dir=dir, system_log_level="error")
    config.resolve()
    env = dict(os.environ, DEPLOY_MODE="STANDALONE", METRICS_PORT="9091", LD_LIBRARY_PATH=home, MILVUS_RUN_DIR=os.path.join(dir, "run"))
    with open(os.path.join(dir, "milvus.log"), "ab") as log:
        return subprocess.Popen(
            [os.path.join(home, "milvus"), "run", "standalone"], cwd=dir, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )


def wait_healthy(server, dir):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 300
    while time.monotonic() < until and server.poll() is None:
        try:
            with opener.open("http://127.0.0.1:9091/healthz", timeout=5) as answer:
                if b"OK" in answer.read():
                    return
        except OSError:
            pass
        time.sleep(0.2)
    with open(os.path.join(dir, "milvus.log"), "rb") as log:
        sys.exit(f"the Milvus server does not start ({server.poll()}): {log.read()[-3000:].decode(errors='replace')}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()

    listener = socket.create_server(("127.0.0.1", args.port), backlog=64)
    try:
        libc = own_network()
    except Cannot as e:
        print(json.dumps({"skip": str(e)}), flush=True)
        return
    server = start(args.dir, libc)
    wait_healthy(server, args.dir)
    threading.Thread(target=hand_in, args=(listener,), daemon=True).start()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    sys.stdin.read()
    server.kill()
    server.wait()
    os._exit(0)


if __name__ == "__main__":
    main()
