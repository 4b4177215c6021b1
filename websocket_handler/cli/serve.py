"""`websocket-handler serve`: run one node until it is told to stop."""

import asyncio
import os
import signal
import sys

import uvloop

from websocket_handler import config
from websocket_handler.adapters.system.ids import new_id
from websocket_handler.cli import EXIT_PORT, EXIT_USAGE
from websocket_handler.net.compile_send import compile_send
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog, start_logging
from websocket_handler.variables.names import tell_unknown


def serve() -> int:
    """Run until SIGTERM or SIGINT. A second signal ends the node at once. Returns the exit code."""
    try:
        settings = config.from_environment(os.environ)
    except config.ConfigurationError as error:
        lines = (str(error), *tell_unknown(config.unknown_settings(os.environ)))
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        return EXIT_USAGE
    counters = Counters()
    node_id = settings.node_id or new_id()
    stop_logging = start_logging(node_id, settings.log_level, settings.log_format, counters)
    for name, near in config.unknown_settings(os.environ).items():
        EventLog().emit("setting.unknown", variable=name, nearest=near)
    for name, reason in config.shared_queues(settings).items():
        EventLog().emit("setting.dangerous", variable=name, reason=reason)
    try:
        if settings.native_send == "on" and (problem := compile_send()):
            EventLog().emit("node.without_compiled_loop", reason=problem)
        return uvloop.run(_run(settings, counters, node_id))
    finally:
        stop_logging()


async def _run(settings: config.Settings, counters: Counters, node_id: str) -> int:
    from websocket_handler.app import App  # noqa: PLC0415 - it loads the compiled loop, which may only now be there

    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    app = App(settings, counters, node_id)

    def asked() -> None:
        if asked_to_stop.is_set():
            app.stop_now()
        asked_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    try:
        await app.start()
    except OSError as error:
        EventLog().emit("node.failed", reason=str(error))
        return EXIT_PORT
    await asked_to_stop.wait()
    await app.stop()
    return 0
