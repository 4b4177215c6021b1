"""Labels of metrics: closed sets, whatever a client does."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Http
from tests.support.gateway import Gateway
from tests.support.links import Open
from websocket_handler.api.metrics import PREFIX
from websocket_handler.telemetry.counters import Counters, Gauges
from websocket_handler.telemetry.metrics import metrics_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_close_code_that_a_client_made_up_is_no_label(api: Http, gateway: Gateway, open_python: Open) -> None:
    """It may take any code between 3000 and 4999; each would be a time series for ever."""
    client = await open_python()
    await client.link.close(4321, "a code of my own")
    await asyncio.to_thread(gateway.wait_for_record, "connection.closed", close_code=4321)

    async with api.session.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    seen = {
        (family.name.removeprefix(PREFIX), name, value)
        for family in families
        if family.name.startswith(PREFIX)
        for sample in family.samples
        for name, value in sample.labels.items()
    }

    allowed = {
        (metric.name, label.name, value)
        for table in (Gauges, Counters)
        for metric in metrics_of(table)
        for label in metric.labels
        for value in label.values
    }
    assert ("connections_closed", "code", "other") in seen
    assert seen <= allowed
