"""An HTTP proxy in front of the AWS emulator that lets so many calls of DynamoDB through in a second, one by one.

It goes on with a call whose caller hung up, as a store does that has begun with it. It is a process of its own, so that
nobody's work makes it slower: `python -m tests.proof.bounded_proxy TARGET CALLS_PER_S` says its address, and ends with
its input.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import ClientError, ClientSession, TCPConnector, web

from tests.support.gateway import REPOSITORY
from tests.support.patience import PATIENCE_S

HOP_BY_HOP: Final = {"connection", "content-length", "transfer-encoding", "keep-alive"}
STATISTICS: Final = "/_proxy"


class BoundedProxy:
    """A proxy that runs: where it is, and what it saw."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def statistics(self) -> tuple[Counter[str], float]:
        """The calls by operation, and how long the one that came at the worst moment waited for its turn."""
        async with ClientSession() as session, session.get(self.url + STATISTICS) as answer:
            found = await answer.json()
            return Counter(found["calls"]), found["wait_most_s"]


@asynccontextmanager
async def running_proxy(target_url: str, calls_per_s: float) -> AsyncIterator[BoundedProxy]:
    """A proxy, for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.proof.bounded_proxy",
        target_url,
        str(calls_per_s),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            url = (await process.stdout.readline()).decode().strip()
        yield BoundedProxy(url)
    finally:
        process.stdin.close()
        await process.wait()


class _Server:
    """The proxy itself."""

    def __init__(self, target_url: str, calls_per_s: float) -> None:
        self._target_url = target_url
        self._calls_per_s = calls_per_s
        self._calls: Counter[str] = Counter()
        self._wait_most_s = 0.0
        self._free_at = 0.0
        self._session: ClientSession

    async def run(self) -> None:
        """Serve until the input ends."""
        application = web.Application(client_max_size=2**24)
        application.router.add_get(STATISTICS, self._statistics)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(auto_decompress=False, connector=TCPConnector(force_close=True)) as self._session:
            sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
            await runner.cleanup()

    async def _statistics(self, _request: web.Request) -> web.Response:
        found: dict[str, Any] = {"calls": self._calls, "wait_most_s": self._wait_most_s}
        return web.Response(text=json.dumps(found), content_type="application/json")

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        service, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
        if service.startswith("DynamoDB"):
            self._calls[operation] += 1
            await self._turn()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = f"{self._target_url}{request.path_qs}"
        try:
            async with self._session.request(request.method, url, headers=headers, data=body) as answer:
                told = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                return web.Response(status=answer.status, headers=told, body=await answer.read())
        except (ClientError, RuntimeError):  # all is over
            return web.Response(status=502)

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + 1 / self._calls_per_s
        self._wait_most_s = max(self._wait_most_s, self._free_at - now)
        await asyncio.sleep(self._free_at - now)


if __name__ == "__main__":
    asyncio.run(_Server(sys.argv[1], float(sys.argv[2])).run())
