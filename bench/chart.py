"""The chart: the gateway's fan-out throughput as a ratio to every other server's, as SVG."""

from collections.abc import Sequence
from html import escape
from math import log10
from pathlib import Path

from bench.results import Results, deliveries_per_second
from bench.scenarios import fan_out_key
from bench.servers import GATEWAY, Server

WIDTH, LEFT, RIGHT, TOP = 960, 400, 70, 78
ROW, BAR = 46, 16
SERIES = ((1, "one message at a time (W=1)", "#7a8ba6"), (16, "sixteen under way (W=16)", "#1f6feb"))
TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50)


def write_chart(path: Path, results: Results, servers: Sequence[Server]) -> None:
    """Write the chart; servers without figures are left out."""
    rows = []
    for server in servers:
        ratios = [
            results.ratio(fan_out_key(1000, 128, w), GATEWAY, server.name, deliveries_per_second) for w, *_ in SERIES
        ]
        if server.name != GATEWAY and any(ratios):
            rows.append((server.title.replace("`", ""), ratios))
    path.write_text(_svg(rows), encoding="utf-8")


def _svg(rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    values = [ratio for _, ratios in rows for ratio in ratios if ratio] or [1.0]
    low, high = min(0.5, *values) * 0.9, max(2.0, *values) * 1.1
    height = TOP + ROW * len(rows) + 46

    def x(ratio: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (log10(ratio) - log10(low)) / (log10(high) - log10(low))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif">',
        "<title>Fan-out throughput of the gateway as a ratio to every other server</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 26, "Fan-out to 1,000 subscribers, 128 bytes, one core: the gateway's throughput divided by", 15),
        *_legend(),
    ]
    bottom = TOP + ROW * len(rows)
    for tick in TICKS:
        if low <= tick <= high:
            colour, width = ("#57606a", 1.5) if tick == 1 else ("#d8dee4", 1)
            parts.append(
                f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="{colour}" '
                f'stroke-width="{width}"/>'
            )
            parts.append(_text(x(tick), bottom + 18, f"{tick:g}x", 12, "middle"))
    for index, (title, ratios) in enumerate(rows):
        top = TOP + index * ROW
        parts.append(_text(LEFT - 12, top + 24, title, 13, "end"))
        for number, (ratio, (_, _, colour)) in enumerate(zip(ratios, SERIES, strict=True)):
            if ratio:
                parts += _bar(x(1), x(ratio), top + 3 + number * (BAR + 2), colour, f"{ratio:.2f}x")
    parts.append(_text(LEFT, bottom + 36, "logarithmic; right of 1x the gateway is faster", 12))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(one: float, end: float, top: float, colour: str, label: str) -> list[str]:
    left, width = min(one, end), max(1.0, abs(end - one))
    return [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
        _text(max(one, end) + 6, top + BAR - 3, label, 12),
    ]


def _legend() -> list[str]:
    parts = []
    for index, (_, title, colour) in enumerate(SERIES):
        left = 16 + index * 260
        parts.append(f'<rect x="{left}" y="42" width="14" height="14" fill="{colour}"/>')
        parts.append(_text(left + 20, 54, title, 13))
    return parts


def _text(x: float, y: float, text: str, size: int, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#24292f">{escape(text)}</text>'
    )
