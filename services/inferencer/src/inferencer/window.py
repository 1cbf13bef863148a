"""A window of records, compared with the training of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.drift import FeatureBins, ks, ks_by_chance, psi, psi_by_chance
from kafkaml.profiles import HISTOGRAM_BINS, DataProfile
from kafkaml.schemas.statistics import (
    MAX_CLASSES,
    MAX_TOP_FEATURES,
    ClassesDrift,
    DriftOptions,
    FeatureDrift,
    FeaturesDrift,
    WindowDrift,
)

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What windows are compared with: the profile of a training, and the limits."""

    training_id: int
    options: DriftOptions
    profile: DataProfile
    bins: FeatureBins | None
    classes: Counts | None
    names: Sequence[str]

    @classmethod
    def of(
        cls,
        profile: DataProfile,
        *,
        training_id: int,
        options: DriftOptions,
        names: Sequence[str] = (),
    ) -> "Reference":
        """Return the reference; names that are not one for each feature are not used."""
        features = profile.features if options.features else []
        return cls(
            training_id=training_id,
            options=options,
            profile=profile,
            bins=FeatureBins.of(features) if features else None,
            classes=_class_counts(profile.classes),
            names=names if len(names) == len(features) else (),
        )

    def compare(
        self,
        *,
        records: int,
        began_at: datetime,
        ended_at: datetime,
        features: Counts | None,
        classes: Counts | None,
    ) -> WindowDrift:
        """Say how far a window of `records` is from the training, by its counts."""
        found = None if features is None else self._features(features, records)
        told = None if classes is None else self._classes(classes)
        parts = [each for each in (found and _level(found), told and _level(told)) if each]
        return WindowDrift(
            training_id=self.training_id,
            records=records,
            began_at=began_at,
            ended_at=ended_at,
            level=max(parts, default=0.0),
            features=found,
            classes=told,
        )

    def _features(self, counts: Counts, records: int) -> FeaturesDrift | None:
        if self.bins is None:
            return None
        indices, distances = self.bins.psi(counts), self.bins.ks(counts)
        sizes = {"reference": self.profile.profiled, "window": records}
        chance = psi_by_chance(bins=HISTOGRAM_BINS + 1, comparisons=len(indices), **sizes)
        psi_limit = max(self.options.psi_limit, chance)
        ks_limit = max(
            self.options.ks_limit, ks_by_chance(comparisons=len(indices), **sizes)
        )
        order = np.argsort(-np.maximum(indices / psi_limit, distances / ks_limit))
        return FeaturesDrift(
            psi_max=float(indices.max()),
            psi_mean=float(indices.mean()),
            ks_max=float(distances.max()),
            ks_mean=float(distances.mean()),
            psi_limit=psi_limit,
            ks_limit=ks_limit,
            top=[
                FeatureDrift(
                    feature=place,
                    name=self.names[place][:200] if self.names else None,
                    psi=float(indices[place]),
                    ks=float(distances[place]),
                )
                for place in order[:MAX_TOP_FEATURES].tolist()
            ],
        )

    def _classes(self, counts: Counts) -> ClassesDrift | None:
        if self.classes is None or not counts.sum():
            return None
        size = max(len(self.classes), len(counts))
        reference, window = _padded(self.classes, size), _padded(counts, size)
        sizes = {"reference": int(reference.sum()), "window": int(window.sum())}
        chance = psi_by_chance(bins=size, comparisons=1, **sizes)
        shares = window / window.sum()
        return ClassesDrift(
            psi=float(psi(reference, window)),
            ks=float(ks(reference, window)),
            psi_limit=max(self.options.psi_limit, chance),
            ks_limit=max(self.options.ks_limit, ks_by_chance(comparisons=1, **sizes)),
            shares={
                str(number): float(shares[number])
                for number in np.flatnonzero(window)[:MAX_CLASSES].tolist()
            },
        )


def classes_of(predictions: NDArray[Any], reference: Counts) -> Counts | None:
    """Return how often each class is the likeliest; None if predictions are no classes.

    One output is the score of class 1 of two. What is not finite has no class.
    """
    rows = predictions.reshape(len(predictions), -1)
    rows = rows[np.isfinite(rows).all(axis=1)]
    known = max(rows.shape[1], 2)
    if not rows.shape[1] or known < len(reference):
        return None
    chosen = (rows[:, 0] >= 0.5) if rows.shape[1] == 1 else rows.argmax(axis=1)
    return np.bincount(chosen.astype(np.int64), minlength=known)


def _level(found: FeaturesDrift | ClassesDrift) -> float:
    if isinstance(found, ClassesDrift):
        return max(found.psi / found.psi_limit, found.ks / found.ks_limit)
    return max(found.psi_max / found.psi_limit, found.ks_max / found.ks_limit)


def _class_counts(classes: Mapping[str, int] | None) -> Counts | None:
    """Return the records of each class from 0 on; None if there are too many, or none."""
    numbers = {int(each): count for each, count in (classes or {}).items()}
    if not numbers or max(numbers) >= MAX_CLASSES:
        return None
    counts = np.zeros(max(numbers) + 1, np.int64)
    for number, count in numbers.items():
        counts[number] = count
    return counts


def _padded(counts: Counts, size: int) -> Counts:
    return np.pad(counts, (0, size - len(counts)))
