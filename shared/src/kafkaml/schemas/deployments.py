"""Deployments: a configuration and how to train it, waiting for its stream."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from kafkaml.control import Rate
from kafkaml.schemas.base import Id, Request, Resource, Time, example
from kafkaml.schemas.fit import FitOptions, Schedule
from kafkaml.schemas.incremental import IncrementalOptions
from kafkaml.schemas.trainings import ArtifactFormat, Training

SplitStrategy = Literal["shuffled", "stratified", "ordered"]
ExportFormat = Literal[
    ArtifactFormat.SAVED_MODEL, ArtifactFormat.LITERT, ArtifactFormat.ONNX
]

_CPU = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?|[0-9]{1,6}m")
_MEMORY = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi|Ti|k|M|G|T)?")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def _check_cpu(text: str) -> str:
    if not _CPU.fullmatch(text) or cpu_cores(text) <= 0:
        raise ValueError("write cores as '2' or '0.5', or thousandths as '500m'")
    return text


def _check_memory(text: str) -> str:
    if not _MEMORY.fullmatch(text) or memory_bytes(text) < 2**26:
        raise ValueError("write at least '64Mi'; units are Ki Mi Gi Ti k M G T")
    return text


def _default_exports() -> list[ExportFormat]:
    return [ArtifactFormat.LITERT]


def _check_unique(formats: list[ExportFormat]) -> list[ExportFormat]:
    if len(set(formats)) < len(formats):
        raise ValueError("name each format once")
    return formats


def cpu_cores(quantity: str) -> float:
    """Return the cores that a Kubernetes CPU quantity names."""
    if quantity.endswith("m"):
        return int(quantity[:-1]) / 1000
    return float(quantity)


def memory_bytes(quantity: str) -> int:
    """Return the bytes that a Kubernetes memory quantity names."""
    match = _MEMORY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a memory quantity")
    return int(match[1]) * _UNITS[match[2] or ""]


class Resources(Request):
    """What one workload may use, in the quantities of Kubernetes."""

    cpu: Annotated[str, AfterValidator(_check_cpu)] = "1"
    memory: Annotated[str, AfterValidator(_check_memory)] = "2Gi"
    gpu: int = Field(default=0, ge=0, le=64)


class BadRecords(Request):
    """What becomes of records that cannot be decoded."""

    action: Literal["fail", "skip"] = Field(
        default="fail", description="`skip` leaves them out, data and label together"
    )
    max_rate: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share that may be left out; the training fails above it",
    )


class TrainingParameters(Request):
    """How each model of a deployment is trained."""

    batch_size: int = Field(default=32, ge=1, le=1_000_000)
    epochs: int = Field(default=10, ge=1, le=100_000)
    fit: FitOptions = Field(default_factory=FitOptions)
    validation_rate: Rate | None = Field(
        default=None, description="null: as the stream's control message says"
    )
    test_rate: Rate | None = Field(
        default=None, description="null: as the stream's control message says"
    )
    seed: int = Field(default=0, ge=0, lt=2**31)
    split: SplitStrategy = "shuffled"
    bad_records: BadRecords = Field(default_factory=BadRecords)
    confusion_matrix: bool = True
    report: bool = Field(
        default=True,
        description="measure precision, recall and F1 of each class, or the errors of a "
        "regression",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=20,
        description="cross-validate first: fit as many times, each time measured on "
        "another share of the training records; then fit on all of them",
    )
    deadline_seconds: int = Field(
        default=3600,
        ge=1,
        le=30 * 24 * 3600,
        description="longest time from the announcement of the stream to the result; for "
        "a stream without an end, from its end",
    )
    max_attempts: int = Field(
        default=3, ge=1, le=20, description="how often a lost training is started"
    )
    checkpoint_seconds: int | None = Field(
        default=60,
        ge=1,
        le=24 * 3600,
        description="how much of a fit a lost attempt may cost; null: all of it",
    )
    exports: Annotated[list[ExportFormat], AfterValidator(_check_unique)] = Field(
        default_factory=_default_exports,
        json_schema_extra={"uniqueItems": True, "default": ["litert"]},
        description="formats that the trained model is made in, besides `.keras`; one that "
        "cannot be made is told in the result and costs nothing else",
    )
    resources: Resources = Field(default_factory=Resources)

    incremental: IncrementalOptions | None = Field(
        default=None,
        description="train on a stream without an end, as its records arrive",
        examples=[{"quiet_seconds": 600, "monitor": "val_accuracy"}],
    )

    @model_validator(mode="after")
    def _check_incremental(self) -> Self:
        if self.incremental is not None:
            self.check_suits_incremental()
        return self

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        if (self.validation_rate or 0) + (self.test_rate or 0) >= 1:
            raise ValueError(
                "validation_rate and test_rate leave nothing to train on: "
                "their sum must be below 1"
            )
        return self

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        self.fit.check_epochs(self.epochs)
        for name, monitor in self.fit.monitors.items():
            if monitor.needs_validation and self.validation_rate == 0:
                raise ValueError(
                    f"fit.{name} monitors {monitor.monitor!r}, but validation_rate is 0: "
                    "raise it, or monitor a metric of the training part, such as 'loss'"
                )
        return self

    def check_suits_incremental(self) -> None:
        """Raise ValueError if something here needs a stream that ends."""
        asked = {
            "folds": self.folds is not None,
            "test_rate": bool(self.test_rate),
            "validation_rate 0": self.validation_rate == 0,
            "class_weight 'balanced'": self.fit.class_weight == "balanced",
            "steps_per_execution": self.fit.steps_per_execution is not None,
            "a schedule of the learning rate": isinstance(self.fit.learning_rate, Schedule),
            **{f"fit.{name}": True for name in self.fit.monitors},
        }
        unmet = [name for name, is_asked in asked.items() if is_asked]
        if unmet:
            raise ValueError(
                f"a stream without an end is trained on without {', '.join(unmet)}: "
                "leave it out"
            )


class DeploymentCreate(TrainingParameters):
    """Deploy a configuration for training: each of its models gets a training."""

    model_config = example(
        {"configuration_id": 1, "batch_size": 32, "epochs": 20, "split": "stratified"}
    )

    configuration_id: Id = Field(examples=[1])


class Deployment(Resource):
    """A configuration, how it is trained, and its trainings."""

    id: Id
    configuration_id: Id
    parameters: TrainingParameters
    control_topic: str = Field(description="where the stream is announced")
    trainings: list[Training]
    created_at: Time
