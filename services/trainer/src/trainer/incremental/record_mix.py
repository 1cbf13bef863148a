"""Which records of a stream train a model, and which measure it. Child only."""

import numpy as np

from kafkaml.schemas.incremental import IncrementalOptions
from trainer.checkpoints.checkpoint import Arrays
from trainer.incremental.reservoir import RecentRecords, Reservoir, Rows


class RecordMix:
    """Holds back a share of each update, and mixes earlier records into the rest.

    Of what was trained on it keeps an even sample, of what was held back the newest.
    """

    def __init__(self, options: IncrementalOptions, *, validation_rate: float) -> None:
        self._share = options.replay_share
        self._validation_rate = validation_rate
        self._replay = Reservoir(options.replay_records)
        self._recent = RecentRecords(options.validation_records)

    @property
    def recent(self) -> Rows | None:
        """The newest of those that were held back; None before the first."""
        return self._recent.rows

    @property
    def replay_seen(self) -> int:
        """Of how many records the sample is."""
        return self._replay.seen

    def divide(self, rows: Rows, generator: np.random.Generator) -> tuple[Rows, Rows]:
        """Return the rows to train on, and those that are held back."""
        count = len(rows[0])
        share = max(1, round(count * self._validation_rate)) if count > 1 else 0
        order = generator.permutation(count)
        held_back, fresh = np.sort(order[:share]), np.sort(order[share:])
        return (rows[0][fresh], rows[1][fresh]), (rows[0][held_back], rows[1][held_back])

    def with_replay(self, fresh: Rows, generator: np.random.Generator) -> Rows:
        """Return rows with as many earlier ones as the deployment says."""
        count = round(len(fresh[0]) * self._share / (1 - self._share))
        drawn = self._replay.draw(count, generator)
        if drawn is None:
            return fresh
        return np.concatenate([fresh[0], drawn[0]]), np.concatenate([fresh[1], drawn[1]])

    def keep(self, fresh: Rows, held_back: Rows, generator: np.random.Generator) -> None:
        """Let rows that are done take their chance of being used again."""
        self._replay.add(fresh, generator)
        self._recent.add(held_back)

    def copies(self) -> Arrays:
        """Return all that is kept, as `restore` takes it."""
        none = np.empty(0, np.float32)
        kept = [self._replay.rows or (none, none), self._recent.rows or (none, none)]
        return [np.array(each) for rows in kept for each in rows]

    def restore(self, copies: Arrays, *, replay_seen: int) -> None:
        """Go on from what `copies` and `replay_seen` were."""
        features, labels, recent_features, recent_labels = copies
        self._replay.restore((features, labels), replay_seen)
        self._recent.add((recent_features, recent_labels))
