"""Dead letters that were sent again."""

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import CreatedAt, Table
from api.tables.columns import reference


class SentLetterRow(Table):
    """A record of an input topic that was sent there again, once.

    It is known by its own place and time, not by that of its dead letter: a record that
    was answered twice has two of those. The time tells it from a record of a topic of the
    same name that was deleted.
    """

    __tablename__ = "sent_letter"

    topic: Mapped[str] = mapped_column(String, primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    timestamp_ms: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False
    )
    inference_id: Mapped[int] = reference("inference", on_delete="CASCADE")
    created_at: Mapped[CreatedAt]
