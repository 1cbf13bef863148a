"""The exporting process: a model in other formats. None of a model's code runs here.

What is made here is loaded where secrets are: so it starts from the model's file, and takes
from it what Keras loads in its safe mode.
"""

import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from kafkaml.schemas.trainings import ArtifactFormat
from trainer.exceptions import ExportError
from trainer.exports.exportable import Exportable, first_line
from trainer.exports.graphs import export_onnx, export_saved_model
from trainer.exports.litert import export_litert
from trainer.messages import MAX_MESSAGE_LENGTH, Export, Exported, Message, export_file

_EXPORTS: dict[ArtifactFormat, Callable[[Exportable, Path], None]] = {
    ArtifactFormat.LITERT: export_litert,
    ArtifactFormat.SAVED_MODEL: export_saved_model,
    ArtifactFormat.ONNX: export_onnx,
}


def export_model(order: Export, *, send: Callable[[Message], None]) -> None:
    """Make each export in the present folder, and tell of each what came of it."""
    # The converter of LiteRT tells developers of TensorFlow what they should do.
    logging.getLogger("absl").setLevel(logging.ERROR)
    model: Exportable | None = None
    for wanted in order.formats:
        started = monotonic()
        error = None
        try:
            model = model or Exportable.load(
                Path(order.model_file), data_directory=Path(order.data_directory)
            )
            _EXPORTS[wanted](model, Path(export_file(wanted)))
        except ExportError as e:
            error = str(e)
        except Exception as e:  # noqa: BLE001  # converters raise many kinds
            traceback.print_exc(file=sys.stderr)
            error = first_line(e)
        send(
            Exported(
                format=wanted,
                seconds=monotonic() - started,
                error=error and error[:MAX_MESSAGE_LENGTH],
            )
        )
