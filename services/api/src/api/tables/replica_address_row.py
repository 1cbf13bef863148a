"""Where replicas are asked over HTTP."""

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import Table, UtcTime


class ReplicaAddressRow(Table):
    """A replica of an inference that told where it is, not long before or after `seen_at`.

    The key is what the replica wants to see. It has to be kept as it is, and is good for
    nothing but predictions by this one process.
    """

    __tablename__ = "replica_address"

    inference_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("inference.id", ondelete="CASCADE"), primary_key=True
    )
    address: Mapped[str] = mapped_column(String, primary_key=True)
    attempt: Mapped[int]
    key: Mapped[str]
    seen_at: Mapped[UtcTime]
