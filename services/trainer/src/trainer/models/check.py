"""One check of a model version: whether its source gives a model to train."""

import structlog

from kafkaml.schemas.attempts import CheckReport
from kafkaml.schemas.models import ModelError
from trainer.exceptions import FailedError
from trainer.results.reporter import Reporter
from trainer.sandbox.model_process import ModelProcess

logger = structlog.get_logger()


def check_model(*, process: ModelProcess, reporter: Reporter) -> None:
    """Build the model and report what came of it; a bad source is an outcome, too."""
    try:
        built = process.build()
    except FailedError as e:
        logger.info("the model is not usable", reason=str(e))
        reporter.check(CheckReport(error=ModelError(message=e.message, line=e.line)))
        return
    logger.info("the model is usable", parameters=built.check.parameter_count)
    reporter.check(CheckReport(check=built.check))
