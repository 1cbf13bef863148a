"""The tables; all are loaded together, for they name each other."""

from api.tables.metadata import ALL_TABLES, METADATA

__all__ = ["ALL_TABLES", "METADATA"]
