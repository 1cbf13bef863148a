"""From a built model and a dataset to a trained model. Runs inside the child only."""

from pathlib import Path
from time import monotonic
from typing import Any

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.results import CrossValidation
from trainer.checkpoints.checkpointer import Checkpointer
from trainer.data.dataset import Dataset
from trainer.fit.batches import BatchSource, steps_of
from trainer.fit.building import build_beforehand
from trainer.fit.cross_validation import CrossValidator
from trainer.fit.evaluation import assess, evaluate
from trainer.fit.fitter import Fitted, Fitter
from trainer.fit.options import prepare_model, set_learning_rate
from trainer.fit.progress import Send, finite_metrics
from trainer.fit.trained import trained_report
from trainer.messages import DATA_DIRECTORY, MODEL_FILE, Checkpointing, Trained
from trainer.models.file import save_model


def train_model(
    model: Any,
    parameters: TrainingParameters,
    *,
    send: Send,
    data_memory_bytes: int | None = None,
    checkpointing: Checkpointing | None = None,
) -> Trained:
    """Fit, evaluate and save a model; raise FailedError if the fit cannot go on.

    Records of more than `data_memory_bytes` stay in their file; null: none do.
    """
    dataset = Dataset.load(Path(DATA_DIRECTORY))
    source = BatchSource(dataset, memory_bytes=data_memory_bytes)
    started = monotonic()
    checkpointer = Checkpointer(wanted=checkpointing, send=send)
    fitter = Fitter(
        model=model,
        source=source,
        parameters=parameters,
        send=send,
        checkpointer=checkpointer,
    )
    steps = _prepare(model, parameters, dataset)
    build_beforehand(model, dataset)
    cross_validation = None
    if len(dataset.folds):
        validator = CrossValidator(
            model=model,
            source=source,
            parameters=parameters,
            fitter=fitter,
            checkpointer=checkpointer,
        )
        cross_validation = validator.validate(dataset)
        set_learning_rate(model, parameters, steps=steps)
    fitted = fitter.fit(dataset.parts.training, dataset.parts.validation)
    checkpointer.close()
    return _measured(
        model,
        fitted,
        dataset,
        parameters,
        source=source,
        fit_seconds=monotonic() - started,
        cross_validation=cross_validation,
    )


def _measured(
    model: Any,
    fitted: Fitted,
    dataset: Dataset,
    parameters: TrainingParameters,
    *,
    source: BatchSource,
    fit_seconds: float,
    cross_validation: CrossValidation | None,
) -> Trained:
    """Evaluate a model that is fitted, and save it."""
    started = monotonic()
    test = evaluate(model, source, dataset.parts.test, size=parameters.batch_size)
    assessment = assess(model, source, dataset, parameters)
    save_model(model, Path(MODEL_FILE))
    return trained_report(
        model,
        fitted,
        assessment,
        fit_seconds=fit_seconds,
        evaluate_seconds=monotonic() - started,
        test=finite_metrics(test),
        cross_validation=cross_validation,
    )


def _prepare(model: Any, parameters: TrainingParameters, dataset: Dataset) -> int:
    """Compile as the deployment says; return the steps of an epoch on all records."""
    size = parameters.batch_size
    steps = steps_of(len(dataset.parts.training), size)
    fewest_steps = steps_of(dataset.fewest_training_records, size)
    prepare_model(model, parameters, steps=steps, fewest_steps=fewest_steps)
    return steps
