"""The stack's table, made on an emulator; see `harness.table`."""

from harness.table import make_table

__all__ = ["make_table"]
