"""How a row of a state machine is changed."""

from typing import Any

from sqlalchemy import CursorResult, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from api.exceptions import ConflictError
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TrainingRow

StatefulRow = ModelVersionRow | TrainingRow | InferenceRow


async def change_row(session: AsyncSession, row: StatefulRow, **values: Any) -> None:
    """Write `values` if the row still has the state and attempt that it was read with.

    The row is locked before, so this only fails where a caller forgot to.
    """
    table = type(row)
    statement = (
        update(table)
        .where(table.id == row.id, table.state == row.state, table.attempt == row.attempt)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    result = await session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise ConflictError("It changed meanwhile. Look again and repeat.")
    for name, value in values.items():
        set_committed_value(row, name, value)
