"""What is counted of a batch whose replies Kafka keeps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from inferencer.dead_letters import ERROR_PREFIX
from inferencer.record import Reply

MAX_SAMPLED = 64
_STAGE = f"{ERROR_PREFIX}stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredBatch:
    """Answers, dead letters by stage, and the timestamps of some of the records."""

    answers: int
    dead_letters: Counter[str]
    timestamps_ms: Sequence[int] = ()
    weight: int = 1
    """How many records each timestamp stands for: asking each for its own would be slow."""

    @property
    def records(self) -> int:
        return self.answers + self.dead_letters.total()

    @classmethod
    def of(
        cls, replies: Sequence[Reply], *, dead_letter_topic: str, refused: int = 0
    ) -> Self:
        """Count `replies`, of which `refused` answers became dead letters on delivery."""
        letters = Counter(
            _stage_of(each) for each in replies if each.topic == dead_letter_topic
        )
        answers = len(replies) - letters.total() - refused
        if refused:
            letters["deliver"] += refused
        weight = -(-len(replies) // MAX_SAMPLED) or 1
        stamps = [each.about.timestamp() for each in replies[::weight]]
        return cls(
            answers=answers,
            dead_letters=letters,
            timestamps_ms=[milliseconds for kind, milliseconds in stamps if kind],
            weight=weight,
        )


def _stage_of(letter: Reply) -> str:
    for name, value in reversed(letter.headers):
        if name == _STAGE and value is not None:
            return value.decode()
    return "deliver"
