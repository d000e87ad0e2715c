from __future__ import annotations

from benchmarks import kill


def test_a_run_that_was_killed_comes_to_what_it_comes_to_in_one_go():
    report = kill.run(kills=2, steps=60, longest=0.5, checkpoint_seconds=0.1)
    assert report["weights_equal"] and report["optimisers_equal"] and report["logs_equal"]
    assert report["log_lines"] == 3 and report["partial_files_at_the_end"] == 0
