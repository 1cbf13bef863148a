"""What is added to a model's file when its process has ended."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

import structlog

logger = structlog.get_logger()


def add_members(model: Path, members: Mapping[str, str]) -> None:
    """Put texts into a model's file, by the names that they have there.

    A file that takes none is logged, and stays as it is.
    """
    try:
        with ZipFile(model, "r") as archive:
            taken = members.keys() & set(archive.namelist())
        if taken:
            logger.warning("the model's code has left members of its own", names=[*taken])
            return
        with ZipFile(model, "a", ZIP_DEFLATED) as archive:
            for name, text in members.items():
                archive.writestr(ZipInfo(name), text)
    except (BadZipFile, NotImplementedError, OSError) as e:
        logger.warning("nothing can be added to the model", reason=str(e))
