"""The terminal's driver."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Textual's, for a program that may be stopped without being told (SIGSTOP) and continued.

    Textual would then start a second thread that reads the keyboard. Only one of the two is ended at the end, and the program
    waits for the other for ever.
    """

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart and self._key_thread is not None and self._key_thread.is_alive():
            self.exit_event.set()
            self._key_thread.join()
            self.exit_event.clear()
            self.close()
        super()._sigcont_application()
