"""Frozen structs that cross a boundary between rooms; no I/O."""
