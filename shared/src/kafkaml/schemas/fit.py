"""How a model is fitted: the arguments, callbacks and schedules of Keras, as data.

Names and defaults are those of Keras. What Keras counts in steps is counted in epochs here,
for nobody knows how many steps an epoch has before the stream is there.
"""

import re
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from kafkaml.schemas.base import Request

VALIDATION_PREFIX = "val_"

Mode = Literal["auto", "min", "max"]
MixedPrecision = Literal["mixed_float16", "mixed_bfloat16"]
LearningRate = Annotated[float, Field(gt=0, le=1e6)]
Epochs = Annotated[float, Field(gt=0, le=1e6)]
EpochCount = Annotated[int, Field(ge=0, le=1_000_000)]
ClassWeights = dict[str, float]


class Monitor(Request):
    """Watches one metric, under the name that the curves give it."""

    monitor: str = Field(
        default="val_loss",
        min_length=1,
        max_length=200,
        description="a metric; `val_…` is measured on the validation part",
    )
    mode: Mode = Field(
        default="auto", description="whether less or more is better; auto: by the metric"
    )

    @property
    def needs_validation(self) -> bool:
        return self.monitor.startswith(VALIDATION_PREFIX)


class EarlyStopping(Monitor):
    """Ends the fit when a metric has not got better for `patience` epochs."""

    patience: EpochCount = 0
    min_delta: float = Field(default=0, ge=0, description="less than this is no better")
    baseline: float | None = Field(
        default=None, description="to be reached within the first `patience` epochs"
    )
    start_from_epoch: EpochCount = 0
    restore_best_weights: bool = Field(
        default=False, description="keep the weights of the best epoch, not of the last"
    )


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a metric has not got better for `patience` epochs."""

    factor: float = Field(default=0.1, gt=0, lt=1)
    patience: EpochCount = 10
    min_delta: float = Field(default=1e-4, ge=0)
    cooldown: EpochCount = 0
    min_lr: float = Field(default=0, ge=0)


class ExponentialDecay(Request):
    """`initial_learning_rate * decay_rate ** (epoch / decay_epochs)`."""

    schedule: Literal["ExponentialDecay"]
    initial_learning_rate: LearningRate
    decay_rate: float = Field(gt=0, le=1)
    decay_epochs: Epochs = 1
    staircase: bool = Field(default=False, description="go down once in `decay_epochs`")


class CosineDecay(Request):
    """Half a cosine from `initial_learning_rate` down to `alpha` of it.

    With a warm-up it rises from there to `warmup_target` first, and goes down from that.
    """

    schedule: Literal["CosineDecay"]
    initial_learning_rate: float = Field(ge=0, le=1e6)
    decay_epochs: Epochs | None = Field(
        default=None, description="null: all epochs that follow the warm-up"
    )
    alpha: float = Field(default=0, ge=0, le=1)
    warmup_target: LearningRate | None = None
    warmup_epochs: float = Field(default=0, ge=0, le=1e6)

    @model_validator(mode="after")
    def _check_warmup(self) -> Self:
        if (self.warmup_target is None) != (self.warmup_epochs == 0):
            raise ValueError("a warm-up needs both warmup_target and warmup_epochs")
        if self.warmup_target is None and self.initial_learning_rate == 0:
            raise ValueError("without a warm-up initial_learning_rate must be above 0")
        return self


class PiecewiseConstantDecay(Request):
    """`values[0]` up to the epoch `boundaries[0]`, then `values[1]`, and so on."""

    schedule: Literal["PiecewiseConstantDecay"]
    boundaries: list[Epochs] = Field(min_length=1, max_length=1000, examples=[[5, 10]])
    values: list[LearningRate] = Field(
        min_length=2, max_length=1001, examples=[[0.01, 0.001, 0.0001]]
    )

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError("values must have one element more than boundaries")
        if any(two <= one for one, two in pairwise(self.boundaries)):
            raise ValueError("boundaries must rise")
        return self


Schedule = ExponentialDecay | CosineDecay | PiecewiseConstantDecay


def _kind_of_rate(value: object) -> str | None:
    """Return the schedule that is meant, so that errors are told about that one alone."""
    if isinstance(value, dict):
        kind = value.get("schedule")
        return kind if isinstance(kind, str) else None
    return getattr(value, "schedule", "number")


LearningRateOrSchedule = Annotated[
    Annotated[LearningRate, Tag("number")]
    | Annotated[ExponentialDecay, Tag("ExponentialDecay")]
    | Annotated[CosineDecay, Tag("CosineDecay")]
    | Annotated[PiecewiseConstantDecay, Tag("PiecewiseConstantDecay")],
    Discriminator(
        _kind_of_rate,
        custom_error_type="unknown_schedule",
        custom_error_message="give a number, or a schedule: ExponentialDecay, CosineDecay "
        "or PiecewiseConstantDecay",
    ),
]


class FitOptions(Request):
    """Further arguments of Keras' `fit`, its callbacks, and what the optimizer may do."""

    shuffle: bool = Field(
        default=True, description="draw the training records anew in each epoch"
    )
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        default=None,
        description="weight of each class by its number, for unbalanced streams; "
        "`balanced` weighs each class by how rare it is among the training records",
        examples=["balanced", {"0": 1.0, "1": 4.0}],
    )
    validation_batch_size: int | None = Field(default=None, ge=1, le=1_000_000)
    validation_freq: int = Field(default=1, ge=1, le=100_000)
    steps_per_execution: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="batches per call of the compiled step; null chooses by the data",
    )
    early_stopping: EarlyStopping | None = Field(
        default=None, examples=[{"monitor": "val_loss", "patience": 3}]
    )
    restore_best: Monitor | None = Field(
        default=None,
        description="train all epochs, then keep the weights of the best one",
        examples=[{"monitor": "val_accuracy"}],
    )
    reduce_lr_on_plateau: ReduceLROnPlateau | None = Field(
        default=None, examples=[{"monitor": "val_loss", "factor": 0.5, "patience": 2}]
    )
    learning_rate: LearningRateOrSchedule | None = Field(
        default=None,
        description="a number or a schedule, instead of the one in the model's source",
        examples=[0.001, {"schedule": "CosineDecay", "initial_learning_rate": 0.01}],
    )
    clipnorm: float | None = Field(
        default=None, gt=0, description="longest gradient of one weight"
    )
    global_clipnorm: float | None = Field(
        default=None, gt=0, description="longest gradient of all weights together"
    )
    clipvalue: float | None = Field(
        default=None, gt=0, description="largest element of a gradient"
    )
    mixed_precision: MixedPrecision | None = Field(
        default=None,
        description="compute in 16 bits, keep weights in 32; set before the model is "
        "built, whose last layer must have dtype='float32'",
    )

    @property
    def monitors(self) -> dict[str, Monitor]:
        """What watches a metric, by the name of the option."""
        named: dict[str, Monitor | None] = {
            "early_stopping": self.early_stopping,
            "restore_best": self.restore_best,
            "reduce_lr_on_plateau": self.reduce_lr_on_plateau,
        }
        return {name: monitor for name, monitor in named.items() if monitor is not None}

    @model_validator(mode="after")
    def _check_class_weight(self) -> Self:
        weights = self.class_weight if isinstance(self.class_weight, dict) else {}
        for label, weight in weights.items():
            if not re.fullmatch(r"[0-9]{1,9}", label) or weight < 0:
                raise ValueError(
                    "class_weight maps class numbers from 0 to weights of 0 or more"
                )
        return self

    @model_validator(mode="after")
    def _check_clipping(self) -> Self:
        given = (self.clipnorm, self.global_clipnorm, self.clipvalue)
        if sum(each is not None for each in given) > 1:
            raise ValueError("use one of clipnorm, global_clipnorm and clipvalue")
        return self

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        stopping = self.early_stopping
        if stopping and stopping.restore_best_weights and self.restore_best:
            raise ValueError(
                "use either restore_best or early_stopping.restore_best_weights"
            )
        if isinstance(self.learning_rate, Schedule) and self.reduce_lr_on_plateau:
            raise ValueError(
                "reduce_lr_on_plateau needs a learning_rate that is a number, not a "
                "schedule"
            )
        return self

    def check_epochs(self, epochs: int) -> None:
        """Raise ValueError if an option cannot be met within so many epochs."""
        for name, monitor in self.monitors.items():
            if monitor.needs_validation and self.validation_freq > epochs:
                raise ValueError(
                    f"fit.{name} monitors {monitor.monitor!r}, but no epoch is validated: "
                    f"validation_freq is {self.validation_freq}, epochs {epochs}"
                )
        rate = self.learning_rate
        if isinstance(rate, CosineDecay) and rate.warmup_epochs >= epochs:
            raise ValueError("warmup_epochs must be below epochs")
