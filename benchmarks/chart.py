"""The growth of a plan as an SVG, from `benchmarks/results.json`: `python -m benchmarks.chart` writes `docs/growth.svg`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 320, 60, 270, 30
LINES = {
    "script: requests and yaml.safe_load": ("a plain script", "#999999"),
    "plan, cold": ("crmsync, first plan", "#7aa6d8"),
    "plan, nothing changed": ("crmsync, nothing changed", "#1f5fa8"),
}


def main() -> None:
    """Draw CPU seconds over records, both in powers of ten."""
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    (HERE.parent / "docs" / "growth.svg").write_text(drawn(results["sizes"]), encoding="utf-8")


def drawn(sizes: dict[str, dict[str, Any]]) -> str:
    """Return the chart of CPU seconds by number of records."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">CPU seconds to plan, by managed records</text>',
    ]
    for power in range(-1, 3):
        y = _y(10.0**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 190}" y1="{y:.0f}" y2="{y:.0f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10.0**power:g} s</text>')
    for size in sizes:
        parts.append(f'<text x="{_x(int(size)):.0f}" y="{BOTTOM + 20}" text-anchor="middle">{int(size):,}</text>')
    for name, (label, color) in LINES.items():
        points = [(_x(int(size)), _y(found[name]["cpu_seconds"])) for size, found in sizes.items() if name in found]
        if points:
            path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="3"/>')
            x, y = points[-1]
            parts.append(f'<text x="{x + 8:.0f}" y="{y + 4:.0f}" fill="{color}">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(records: int) -> float:
    return LEFT + (math.log10(records) - 3) / 2 * (WIDTH - 190 - LEFT)


def _y(seconds: float) -> float:
    return BOTTOM - (math.log10(max(seconds, 0.05)) + 1) / 3 * (BOTTOM - TOP)


if __name__ == "__main__":
    main()
