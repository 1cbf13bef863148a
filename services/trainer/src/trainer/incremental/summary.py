"""What training on a stream without an end came to, in numbers."""

from dataclasses import replace

from kafkaml.schemas.incremental import EndedBy, IncrementalSummary
from kafkaml.schemas.trainings import SplitCounts
from trainer.messages import StreamTrained
from trainer.results.outcome import Outcome


def of_stream(
    outcome: Outcome, done: StreamTrained, *, ended_by: EndedBy, ranges: str
) -> Outcome:
    """Return an outcome that tells of the whole stream, not of a sample of it alone."""
    summary = IncrementalSummary(
        ended_by=ended_by,
        records=done.records,
        held_back=done.held_back,
        updates=done.updates,
        improvements=done.improvements,
        ranges=ranges,
    )
    counts = SplitCounts(
        training=done.records - done.held_back, validation=done.held_back, test=0
    )
    changed = {"incremental": summary, "counts": counts, "label_counts": None}
    return replace(outcome, result=outcome.result.model_copy(update=changed))
