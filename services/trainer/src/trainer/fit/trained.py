"""What the child reports of a model that is trained and saved. Child only."""

from typing import Any

from kafkaml.schemas.results import CrossValidation
from trainer.fit.evaluation import Assessment
from trainer.fit.fitter import Fitted
from trainer.messages import Metrics, Trained
from trainer.models.file import versions
from trainer.models.signatures import signatures_of


def trained_report(
    model: Any,
    fitted: Fitted,
    assessment: Assessment,
    *,
    fit_seconds: float,
    evaluate_seconds: float,
    test: Metrics | None = None,
    cross_validation: CrossValidation | None = None,
) -> Trained:
    """Put together what was measured of a model, and what it says of itself."""
    return Trained(
        training=fitted.training,
        validation=fitted.validation,
        test=test or {},
        fit=fitted.summary,
        confusion_matrix=assessment.confusion_matrix,
        classification=assessment.classification,
        regression=assessment.regression,
        no_report=assessment.no_report,
        cross_validation=cross_validation,
        fit_seconds=fit_seconds,
        evaluate_seconds=evaluate_seconds,
        **signatures_of(model),
        versions=versions(),
    )
