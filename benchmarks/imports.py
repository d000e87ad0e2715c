"""How long `import flowdis` takes beside `import torch` alone: `python -m benchmarks.imports [--repeats N] [--json]`.

Each is a new process, one of each in turn, so that both meet the same machine; the first pair only fills the cache
of the disk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

__all__ = ["main", "run"]


def seconds(module: str) -> float:
    """How long a new process that imports one module takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def run(repeats: int = 9) -> dict[str, Any]:
    """Times both imports.

    Arguments:
        repeats: How many processes of each.
    """
    pairs = [(seconds("torch"), seconds("flowdis")) for _ in range(repeats + 1)][1:]
    torch, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {"repeats": repeats, "torch_seconds": torch, "flowdis_seconds": ours, "ratio": ours / torch}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How long `import flowdis` takes beside `import torch`.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a line")
    parser.add_argument("--repeats", type=int, default=9, help="processes of each")
    options = parser.parse_args()
    report = run(options.repeats)
    line = "import flowdis {flowdis_seconds:.2f} s, import torch {torch_seconds:.2f} s: {ratio:.2f} times"
    print(json.dumps(report, indent=2) if options.json else line.format(**report))


if __name__ == "__main__":
    main()
