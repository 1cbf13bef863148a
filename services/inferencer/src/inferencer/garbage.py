"""How often Python looks for objects that only refer to one another."""

import gc

# A batch makes some objects for each record, and none of them is part of a cycle. Looking
# for cycles as often as by default (700, 10, 10) takes a third of the loop's time.
OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS = 100_000, 20, 50


def collect_rarely() -> None:
    """Look seldom, and never again at what there is now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)


def collect_young() -> None:
    """Look at new objects while there is time, such as those of requests over HTTP."""
    gc.collect(0)
