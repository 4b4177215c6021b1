"""What `websocket-handler dev` tells the person who started it."""

from __future__ import annotations

from websocket_handler.cli.dev.local import DEFAULT_ADDRESS, IN_MEMORY, Local
from websocket_handler.cli.dev.settings import choose
from websocket_handler.config import from_environment


def test_the_settings_in_memory_are_settings() -> None:
    queues = {f"SQS_QUEUE_URL_{name}": "http://127.0.0.1:1/0/q" for name in ("PM", "DEV", "QA", "OPS")}
    settings = from_environment({**queues, **IN_MEMORY})
    assert (settings.log_store, settings.connection_records) == ("memory", "off")


def test_commands_for_another_shell_find_the_gateway_wherever_it_is() -> None:
    local = Local({}, choose({}), 8080, [])
    assert "  websocket-handler tail proj_123" in local.more(DEFAULT_ADDRESS)
    assert "  WEBSOCKET_HANDLER_URL=ws://127.0.0.1:9000 websocket-handler tail " in local.more("127.0.0.1:9000")
    assert local.more(DEFAULT_ADDRESS).rstrip().endswith("the queues and the logs are gone.")
