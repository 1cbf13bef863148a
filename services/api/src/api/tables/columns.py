"""Kinds of columns that several tables use."""

from enum import StrEnum
from typing import Annotated, Any, TypeVar

from sqlalchemy import BigInteger, Enum, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import MappedColumn, mapped_column

EnumT = TypeVar("EnumT", bound=StrEnum)

OptionalJson = Annotated[
    dict[str, Any] | None, mapped_column(JSONB(none_as_null=True), nullable=True)
]


def text_enum(kind: type[EnumT], *, optional: bool = False) -> MappedColumn[EnumT]:
    """Return a column that keeps the values of an enumeration as text."""
    values = Enum(
        kind,
        native_enum=False,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )
    return mapped_column(values, nullable=optional)


def reference(
    target: str,
    *,
    on_delete: str = "RESTRICT",
    index: bool = True,
    optional: bool = False,
) -> MappedColumn[Any]:
    """Return a column that names a row of another table."""
    return mapped_column(
        BigInteger,
        ForeignKey(f"{target}.id", ondelete=on_delete),
        index=index,
        nullable=optional,
    )
