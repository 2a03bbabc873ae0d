"""How long a workflow waits before it looks again whether the long-term storage is ready. Pure."""

from datetime import timedelta

# Each look costs some thirteen of an execution's 25,000 events. So a wait is a quarter of the time already
# waited: a recall of seconds is noticed in seconds, and one of three days takes about 450 looks.
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=10)


def wait_after(waited: timedelta, longest: timedelta = LONGEST_WAIT) -> timedelta:
    """How long to wait before the next look, when so much time has been waited already."""
    return max(SHORTEST_WAIT, min(waited / 4, longest))
