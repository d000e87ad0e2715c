"""A first look at one's own images, before a run trains on them."""

from __future__ import annotations

from flowdis.cli.runs import Run
from flowdis.cli.subject import Subject
from flowdis.cli.telling import Teller
from flowdis.plots.first_look import write_first_look

__all__ = ["look_at"]


def look_at(run: Run, subject: Subject, teller: Teller) -> None:
    """Writes the page of what was read, where it was a person's own images, and tells of it.

    Arguments:
        run: Where to.
        subject: What was read.
        teller: Who tells of it.

    Raises:
        OSError: if the page cannot be written.
    """
    album, tested = subject.album, subject.tested
    if album is None or tested is None:
        return
    write_first_look(run.first_look.parent, album, tested, attributes=subject.attributes, title=subject.name)
    told = f"{len(album)} images, {int(tested.sum())} of them to test on, {len(album.skipped)} files left out"
    teller.tell(f"{told}: look at {run.first_look}")
