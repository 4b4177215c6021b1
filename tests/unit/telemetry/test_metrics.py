"""How a class lists metrics as its fields."""

from collections import Counter
from dataclasses import dataclass

from websocket_handler.telemetry.metrics import Kind, Label, Metric, Unit, by_labels, count, gauge, metrics_of

COLOUR = Label("colour", ("red", "blue"))
SIZE = Label("size", ("small", "large"), is_pushed_when_seen=True)


@dataclass(slots=True)
class Shop:
    """Two metrics that only grow, and one that does not."""

    sold: Counter[tuple[str, str]] = count("Things sold", COLOUR, SIZE)
    bytes_written: int = count("Bytes of receipts", unit=Unit.BYTES, pushed_as="ReceiptBytes")
    open: int = gauge("1 while the shop is open")


def test_each_field_is_a_row_of_the_table() -> None:
    assert metrics_of(Shop) == (
        Metric("sold", Kind.COUNTER, Unit.COUNT, (COLOUR, SIZE), "Things sold", ""),
        Metric("bytes_written", Kind.COUNTER, Unit.BYTES, (), "Bytes of receipts", "ReceiptBytes"),
        Metric("open", Kind.GAUGE, Unit.COUNT, (), "1 while the shop is open", ""),
    )


def test_each_object_counts_for_itself() -> None:
    one, other = Shop(), Shop()
    one.sold["red", "small"] += 1
    one.bytes_written += 10
    assert (other.sold, other.bytes_written) == (Counter(), 0)


def test_values_are_told_by_all_their_labels() -> None:
    assert by_labels(Counter({"red": 2})) == {("red",): 2}
    assert by_labels(Counter({("red", "small"): 1})) == {("red", "small"): 1}
