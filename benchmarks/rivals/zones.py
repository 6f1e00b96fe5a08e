"""octoDNS planning from YAML to YAML: writes its two zones and its settings, into FOLDER, so many RECORDS."""

from __future__ import annotations

import sys
from pathlib import Path

CONFIG = """\
providers:
  source: {class: octodns.provider.yaml.YamlProvider, directory: source}
  target: {class: octodns.provider.yaml.YamlProvider, directory: target, supports_root_ns: false}
zones:
  bench.test.:
    sources: [source]
    targets: [target]
"""


def main() -> None:
    """Write the same records on both sides: there is nothing to do, as in our plan."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    (folder / "config.yaml").parent.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    rows = "".join(
        f"p{n:07d}:\n  ttl: 300\n  type: A\n  value: 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}\n" for n in range(count)
    )
    for side in ("source", "target"):
        (folder / side).mkdir(exist_ok=True)
        (folder / side / "bench.test.yaml").write_text(f"---\n{rows}", encoding="utf-8")


if __name__ == "__main__":
    main()
