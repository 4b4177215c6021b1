#!/usr/bin/env bash
# uvicorn 0.54.0 with httptools 0.9.0 (its default parser when that is installed), against h11 0.16.0.
#
# Guess: a server that does not speak HTTP/2 ignores an `Upgrade: h2c` offer (RFC 9110 section 7.8) and serves the request
# as any other one, with its body, whichever parser reads it. uvicorn says so, too: it logs "Unsupported upgrade request".
# Seen: with httptools the application gets the POST with an EMPTY body and answers 200: what the client sent is lost, and
# nobody is told. With h11 the same bytes arrive whole. The client need not be odd: java.net.http.HttpClient (JDK 11 and
# later) makes this offer in its first request to each http:// server, whatever the method, unless its version is set to
# HTTP_1_1; JDK 17.0.15 gave the same picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import http.client
from importlib.metadata import version

import uvicorn

SENT = b'{"n":1}'
OFFER = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}


async def echo(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def post(port, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/", SENT, headers)
    answer = connection.getresponse()
    seen = answer.status, answer.read()
    connection.close()
    return seen


async def seen_with(parser):
    config = uvicorn.Config(echo, port=0, http=parser, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    seen = [await asyncio.to_thread(post, port, headers) for headers in ({}, OFFER)]
    server.should_exit = True
    await serving
    for name, answer in zip(("without the offer", "with the offer"), seen):
        print(parser.ljust(9), name.ljust(17), answer)
    return seen


print("uvicorn", version("uvicorn"), "httptools", version("httptools"), "h11", version("h11"))
assert asyncio.run(seen_with("h11")) == [(200, SENT), (200, SENT)]
assert asyncio.run(seen_with("httptools")) == [(200, SENT), (200, b"")], "the body is lost, and the answer is 200"
PYTHON
echo "as described"
