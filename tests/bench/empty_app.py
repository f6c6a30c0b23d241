"""The smallest Textual program with a list: what the toolkit itself costs."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable


class EmptyApp(App[None]):
    """A table of so many rows, of which the first is marked."""

    def compose(self) -> ComposeResult:
        table: DataTable[str] = DataTable(cursor_type="row")
        yield table

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns("one", "two")
        for number in range(int(sys.argv[1])):
            table.add_row(f"row {number}", "text")
        table.focus()


EmptyApp().run()
