"""Runs llama.cpp's server out of the xllamacpp package, for freehold.

freehold starts it as: python -I -B launcher.py SITE PARAMETERS, where SITE is the
directory with the package and PARAMETERS is a JSON object of CommonParams
attributes ("a.b" reaches into a). Its standard input is a pipe that freehold
holds open: when it ends, freehold is gone, and so is the engine at once.

The package loads a model while holding Python's global lock, so that no thread
of the same process could watch the pipe meanwhile. Where there is fork, the
watcher is therefore a process of its own, and the parent.
"""

import json
import os
import sys


def watch_until_freehold_is_gone():
    # Also returns on a read error: without freehold there is no engine.
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass


def watch_child(child):
    """Ends with the child's own end, or ends the whole group with freehold."""
    import signal
    import threading

    def end_group():
        watch_until_freehold_is_gone()
        os.killpg(0, signal.SIGKILL)

    # freehold sends SIGTERM to the group; the watcher goes when the child went.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_group, daemon=True).start()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        # Die of the same cause, so that freehold can say it.
        sig = os.WTERMSIG(status)
        if sig != signal.SIGKILL:
            signal.signal(sig, signal.SIG_DFL)
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        except (ImportError, ValueError, OSError):
            pass
        os.kill(os.getpid(), sig)
    os._exit(os.WEXITSTATUS(status))


def die_with_parent(parent):
    """Linux: the kernel ends this process when the watcher is killed."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def convert(name, old, value):
    """Brings a text from the command line to the type of the attribute."""
    if not isinstance(value, str) or isinstance(old, str):
        return value
    if isinstance(old, bool):
        if value.lower() in ("true", "1", "on", "yes", ""):
            return True
        if value.lower() in ("false", "0", "off", "no"):
            return False
        raise SystemExit(f"freehold-launcher: {name} takes true or false, not {value!r}")
    for kind in (int, float):
        if isinstance(old, kind):
            try:
                return kind(value)
            except ValueError:
                raise SystemExit(f"freehold-launcher: {name} takes a number, not {value!r}") from None
    raise SystemExit(f"freehold-launcher: {name} cannot be set with an extra argument")


def set_parameter(xllamacpp, params, name, value):
    target, *path = params, *name.split(".")
    for part in path[:-1]:
        target = getattr(target, part)
    attribute = path[-1]
    if attribute.startswith("_") or not hasattr(target, attribute):
        raise SystemExit(f"freehold-launcher: the engine has no parameter {name}")
    if attribute == "pooling_type":
        value = getattr(xllamacpp.llama_pooling_type, "LLAMA_POOLING_TYPE_" + value.upper())
    elif attribute == "model_alias":
        value = {value}
    else:
        value = convert(name, getattr(target, attribute), value)
    setattr(target, attribute, value)


def serve(site, parameters):
    sys.path.insert(0, site)
    import xllamacpp

    params = xllamacpp.CommonParams()
    for name, value in parameters.items():
        set_parameter(xllamacpp, params, name, value)
    # Whatever was asked for: only programs on this machine reach the engine,
    # and no web page in a browser of this machine does.
    params.hostnames = ["127.0.0.1"]
    params.cors_origins = ""
    params.cors_credentials = False
    params.ui = False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as e:
        raise SystemExit(f"freehold-launcher: {e}") from None
    print(f"freehold-launcher: listening on {server.listening_address}", file=sys.stderr, flush=True)
    return server


def main():
    site, parameters = sys.argv[1], json.loads(sys.argv[2])
    # What libraries print belongs to the log.
    os.dup2(2, 1)
    if hasattr(os, "fork"):
        parent = os.getpid()
        child = os.fork()
        if child:
            watch_child(child)
        die_with_parent(parent)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        server = serve(site, parameters)
        import threading

        threading.Event().wait()
    else:
        server = serve(site, parameters)
        watch_until_freehold_is_gone()
    del server
    os._exit(0)


main()
