"""A model as a SavedModel or an ONNX file, for any number of records. Exporting process."""

from pathlib import Path
from shutil import rmtree
from zipfile import ZIP_STORED, ZipFile

import tensorflow as tf

from trainer.exceptions import ExportError
from trainer.exports.exportable import Exportable, answers_of

SAVED_MODEL_FOLDER = Path("saved_model")


def export_saved_model(model: Exportable, path: Path) -> None:
    """Write an archive of the folder, none of it compressed; raise ExportError."""
    folder = SAVED_MODEL_FOLDER
    model.model.export(
        str(folder),
        format="tf_saved_model",
        verbose=False,
        input_signature=[model.signature(None)],
    )
    loaded = tf.saved_model.load(str(folder))
    model.answers.difference(answers_of(loaded.serve, model.records))
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for each in sorted(folder.rglob("*")):
            archive.write(each, each.relative_to(folder))
    rmtree(folder)


def export_onnx(model: Exportable, path: Path) -> None:
    """Write a file that ONNX' checker finds right; raise ExportError."""
    import onnx

    model.require_numbers()
    model.model.export(
        str(path), format="onnx", verbose=False, input_signature=[model.signature(None)]
    )
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as e:
        raise ExportError(f"ONNX finds a fault in it: {e!s:.500}") from e
