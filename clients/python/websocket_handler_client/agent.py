"""An agent in ten lines: takes tasks from its queue, and tells the followers of the project what it does."""

import asyncio
import inspect
import os
import signal
from contextlib import suppress
from typing import Any

from websocket_handler_client.publisher import outlet_from
from websocket_handler_client.publishing.outlet import Outlet
from websocket_handler_client.tasks.queue import TaskQueue
from websocket_handler_client.tasks.stops import Stops, stops_from
from websocket_handler_client.tasks.worker import Accept, Work, Worker, WorkerOptions


class Agent:
    """`agent = Agent("dev")`, a function with `@agent.task`, then `agent.run()`.

    The queue is `SQS_QUEUE_URL_<NAME>`; updates go to `WEBSOCKET_HANDLER_URL`, or to `SQS_QUEUE_URL_UPDATES`. A task is
    deleted when its function returns. If the function raises, the task comes again later, and after too many tries the
    queue's redrive policy moves it away. `accept` gives the fields of the update that says that a task was accepted.
    Who sent a task as an AG-UI client can stop it, if the agent reaches the gateway at `WEBSOCKET_HANDLER_URL`, or is
    given other `stops`; its function is then cancelled. `slots` tasks run at a time; the other options are those of
    `WorkerOptions`. Raises ValueError if an option makes no sense.
    """

    def __init__(
        self,
        name: str,
        *,
        queue: TaskQueue | None = None,
        outlet: Outlet | None = None,
        accept: Accept | None = None,
        stops: Stops | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self._options = WorkerOptions(**options)
        if self._options.slots < 1:
            raise ValueError("slots is at least 1")
        self._queue = queue
        self._outlet = outlet
        self._accept = accept
        self._stops = stops
        self._work: Work | None = None
        self._worker: Worker | None = None
        self._is_stopped = False

    def task(self, work: Work) -> Work:
        """Decorates the function that does the work: `async def work(task): …`. Raises TypeError if it is not `async`,
        or if there is one already."""
        if not inspect.iscoroutinefunction(work):
            raise TypeError("the function of a task is `async def`")
        if self._work is not None:
            raise TypeError("an agent has one function")
        self._work = work
        return work

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Raises ValueError if the environment names no queue."""
        asyncio.run(self._run_until_signal())

    async def serve(self) -> None:
        """Work until `stop`, in a program that has an event loop of its own. Raises as `run` does."""
        if self._work is None:
            raise TypeError("decorate the function of the task with `@agent.task`")
        queue, outlet = self._queue, self._outlet or outlet_from(os.environ)
        if queue is None:
            from websocket_handler_client.tasks.sqs import SqsTasks  # noqa: PLC0415 - boto3 is for agents on SQS only

            queue = SqsTasks(self.name)
        stops = self._stops or stops_from(os.environ)
        self._worker = Worker(self.name, self._work, queue, outlet, self._options, self._accept, stops)
        try:
            if not self._is_stopped:
                await self._worker.run()
        finally:
            if stops is not None:
                await stops.close()

    def stop(self) -> None:
        """Take no more tasks, hand unfinished ones back, and end."""
        self._is_stopped = True
        if self._worker is not None:
            self._worker.stop()

    async def _run_until_signal(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows has no such handlers; Ctrl-C ends the program there
                loop.add_signal_handler(number, self.stop)
        await self.serve()
