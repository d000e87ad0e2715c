from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_run_that_was_killed_comes_to_what_it_comes_to_in_one_go():
    root = Path(__file__).parents[2]
    words = [sys.executable, "-m", "benchmarks.kill", "--quick", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    report = json.loads(done.stdout)
    assert report["kills"] == 2, done.stderr
    assert report["weights_equal"] and report["optimisers_equal"] and report["logs_equal"]
    assert report["log_lines"] == 8 and report["partial_files_at_the_end"] == 0
    assert done.returncode == 0
