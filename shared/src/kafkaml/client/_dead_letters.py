"""Dead letters that are sent again, by as many calls as it takes."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeAlias

from kafkaml.client._calls import build
from kafkaml.schemas.dead_letters import (
    MAX_LETTERS_NAMED,
    MAX_LETTERS_SENT,
    DeadLetter,
    DeadLettersSend,
    DeadLettersSent,
    LetterFilter,
    LetterPlace,
)

Wish: TypeAlias = LetterFilter | Mapping[str, object] | None


def wishes(
    letters: Iterable[DeadLetter | LetterPlace] | None, wanted: Wish, *, everything: bool
) -> list[DeadLettersSend]:
    """Return the bodies to send; each but the first is for other letters.

    Raise ProblemError unless one of the three is given.
    """
    if letters is None:
        letter_filter = (
            None if wanted is None else build(LetterFilter.model_validate, wanted)
        )
        body = build(
            DeadLettersSend, filter=letter_filter, all=everything, limit=MAX_LETTERS_SENT
        )
        return [body]
    places = [LetterPlace(partition=each.partition, offset=each.offset) for each in letters]
    rest = iter(places)
    parts = iter(lambda: list(islice(rest, MAX_LETTERS_NAMED)), [])
    return [build(DeadLettersSend, letters=part) for part in parts]


def total(inference_id: int, answers: Iterable[DeadLettersSent]) -> DeadLettersSent:
    """Return what came of all calls."""
    known = list(answers)
    return DeadLettersSent(
        inference_id=inference_id,
        sent=sum(each.sent for each in known),
        already_sent=sum(each.already_sent for each in known),
        refused=[refusal for each in known for refusal in each.refused],
    )
