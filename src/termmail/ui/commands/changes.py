"""Changes to messages: drawn from memory first, then written as intents."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from termmail.model.flags import Flag, FlagSet
from termmail.model.mailbox import Mailbox, Role
from termmail.model.view import IntentResult
from termmail.ui.keymap import Where
from termmail.ui.text import one_line
from termmail.ui.words import folder_name, folder_path, keywords, messages
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.store.intents import Intents
    from termmail.ui.screens.main import MainScreen

_PATTERN_LIMIT = 20_000
_LABELS_LOOKED_AT = 500


class Changes:
    """Flags, moves, deletions, selection, undo."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "archive": self.archive,
            "delete": self.delete,
            "delete_for_good": self.delete_for_good,
            "junk": self.junk,
            "undo": self.undo,
            "flag": lambda: self.toggle(Flag.FLAGGED),
            "toggle_read": lambda: self.toggle(Flag.SEEN),
            "select": self.select,
            "select_range": self.select_range,
            "select_pattern": self.select_pattern,
            "select_all": self.select_all,
            "move": lambda: self.choose_folder("Move to", self.move_to),
            "copy_to_folder": lambda: self.choose_folder("Copy to", self.copy_to),
            "mark_all_read": self.mark_all_read,
            "labels": self.labels,
        }

    # what to act on

    def targets(self) -> list[int]:
        """The selection, or the cursor's message; says so where there is none."""
        screen = self.screen
        if screen.active is Where.FOLDERS:
            screen.say("This acts on messages: Tab goes to the list.")
            return []
        ids = screen.model.targets()
        if not ids:
            screen.say("There is no message here.")
        return ids

    def _answer(self, written: Written) -> IntentResult | None:
        """Say what came of an intent; None where it failed."""
        screen = self.screen
        if written.error is not None:
            screen.say(written.error.sentence, "error")
            return None
        result = written.result
        assert isinstance(result, IntentResult)
        undo = screen.mail_app.keys.shown("undo")
        screen.say(f"{result.sentence} {undo} undoes it." if result.undoable and undo else result.sentence)
        return result

    def wish(self, wish: Callable[[Intents], IntentResult]) -> None:
        """Have something carried out, and say what came of it. The list shows it when it is written."""
        self.screen.backend.writer.wish(wish, self._said)

    # out of the list

    def remove(self, wish: Callable[[Intents, Sequence[int]], IntentResult]) -> None:
        """Take the targets out of the list at once, and have `wish` carried out for them."""
        ids = self.targets()
        if not ids:
            return
        screen = self.screen
        model = screen.model
        key = model.key
        model.clear_selection()
        token = model.hold_removal(ids)
        screen.list_changed()
        if not len(model) and screen.active is Where.MESSAGE:
            screen.set_active(Where.LIST)
        screen.reading.show_cursor(by_user=True)

        def done(written: Written) -> None:
            result = self._answer(written)
            if result is not None and set(ids) <= set(result.placement_ids):
                model.settle(token, written.changed)
                return
            model.refuse(token)
            if model.key.mailbox_id == key.mailbox_id:
                screen.navigation.want(ids[0])
                screen.backend.watcher.reload(model.key)

        screen.backend.writer.wish(lambda intents: wish(intents, ids), done)

    def archive(self) -> None:
        mailbox = self.screen.mailbox
        if mailbox is not None and mailbox.role is Role.ARCHIVE:
            self.screen.say("This is the archive already.")
            return
        self.remove(lambda intents, ids: intents.archive(ids))

    def delete(self) -> None:
        screen = self.screen
        if screen.mailbox is not None and screen.mailbox.role is Role.TRASH:
            key = screen.mail_app.keys.shown("delete_for_good")
            screen.say(f"This is Trash already. {key or 'The palette'} deletes for good.")
            return
        self.remove(lambda intents, ids: intents.delete(ids))

    def junk(self) -> None:
        screen = self.screen
        if screen.mailbox is not None and screen.mailbox.role is Role.JUNK:
            self.remove(lambda intents, ids: intents.not_junk(ids))
        else:
            self.remove(lambda intents, ids: intents.junk(ids))

    def delete_for_good(self) -> None:
        from termmail.ui.screens.ask import Ask

        ids = self.targets()
        if not ids:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.remove(lambda intents, ids: intents.expunge(ids))

        self.screen.app.push_screen(
            Ask(f"Delete {messages(len(ids))} for good? This can't be undone.", "Delete"), answered
        )

    def move_to(self, mailbox: Mailbox) -> None:
        self.remove(lambda intents, ids: intents.move(ids, mailbox.id))

    def copy_to(self, mailbox: Mailbox) -> None:
        ids = self.targets()
        if ids:
            self.screen.backend.writer.wish(lambda intents: intents.copy(ids, mailbox.id), self._said)

    def _said(self, written: Written) -> None:
        self._answer(written)

    def choose_folder(self, title: str, chosen: Callable[[Mailbox], None]) -> None:
        """Ask for a folder of the account whose list is shown, other than that one."""
        from termmail.ui.screens.choice import Choice, Item

        screen = self.screen
        here = screen.mailbox
        if here is None or not self.targets():
            return
        boxes = [
            node.mailbox
            for node in screen.folder_tree.lines
            if node.mailbox is not None and node.mailbox.account == here.account
        ]
        known = {mailbox.id for mailbox in boxes}
        boxes += [
            mailbox
            for mailbox in screen.folder_tree.mailboxes.values()
            if mailbox.account == here.account and mailbox.id not in known
        ]
        items = [
            Item(folder_path(mailbox), mailbox, f"{mailbox.unread:,}" if mailbox.unread else "")
            for mailbox in boxes
            if mailbox.selectable and mailbox.id != here.id
        ]

        def answered(mailbox: Mailbox | None) -> None:
            if mailbox is not None:
                chosen(mailbox)

        screen.app.push_screen(Choice(title, items), answered)

    # flags

    def toggle(self, flag: Flag) -> None:
        """Set the flag where one of the targets lacks it, otherwise take it away."""
        ids = self.targets()
        if not ids:
            return
        model = self.screen.model
        rows = [model.row_of(placement_id) for placement_id in ids[:200]]
        lacking = any(row is not None and not row.flags.system & flag for row in rows)
        wanted = FlagSet(flag)
        self.set_flags(ids, wanted if lacking else FlagSet(), FlagSet() if lacking else wanted)

    def set_flags(self, ids: Sequence[int], add: FlagSet, remove: FlagSet, *, quiet: bool = False) -> None:
        """Change flags: in the list at once, then in the store. `quiet` says nothing of a success."""
        screen = self.screen
        model = screen.model
        token = model.hold_flags(ids, add, remove)
        for placement_id in ids if len(ids) <= 3 else ():
            position = model.position(placement_id)
            if position is not None:
                screen.message_list.touch_row(position)
        if len(ids) > 3:
            screen.message_list.touch()
        screen.reading.list_changed()
        screen.reading.hand_changed(ids)

        def done(written: Written) -> None:
            if written.error is not None or not quiet:
                self._answer(written)
            if written.error is not None:
                model.refuse(token)
                model.forget_rows()
                screen.message_list.touch()
                screen.reading.list_changed()
            else:
                model.settle(token, written.changed)

        screen.backend.writer.wish(lambda intents: intents.set_flags(ids, add=add, remove=remove), done)

    def mark_all_read(self) -> None:
        screen = self.screen
        mailbox = screen.mailbox
        if screen.active is Where.FOLDERS and screen.folder_tree.lines:
            mailbox = screen.folder_tree.lines[screen.folder_tree.cursor].mailbox or mailbox
        if mailbox is None:
            return
        if not mailbox.unread:
            screen.say(f"Everything in {folder_name(mailbox)} is read.")
            return
        screen.backend.writer.wish(lambda intents: intents.mark_all_read(mailbox.id), self._said)

    def labels(self) -> None:
        """Change the keywords that all targets have in common."""
        from termmail.ui.screens.ask import Prompt

        ids = self.targets()
        if not ids:
            return
        model = self.screen.model
        rows = [row for placement_id in ids[:_LABELS_LOOKED_AT] if (row := model.row_of(placement_id)) is not None]
        common = {one_line(keyword): keyword for keyword in keywords(rows[0].flags)} if rows else {}
        for row in rows[1:]:
            common = {shown: keyword for shown, keyword in common.items() if keyword in row.flags}

        def typed(text: str | None) -> None:
            if text is None:
                return
            words = text.replace(",", " ").split()
            wanted = FlagSet.parse(common.get(word, word) for word in words)
            add = FlagSet(keywords=frozenset(each for each in wanted.keywords if each not in common.values()))
            remove = FlagSet(keywords=frozenset(each for each in common.values() if each not in wanted))
            if add or remove:
                self.set_flags(ids, add, remove)

        self.screen.app.push_screen(
            Prompt(
                f"Keywords of {messages(len(ids))}" if len(ids) > 1 else "Keywords",
                value=" ".join(sorted(common)),
                note="Words with spaces between them. Some mail programs call them labels or tags.",
            ),
            typed,
        )

    # undo

    def undo(self) -> None:
        screen = self.screen

        def done(written: Written) -> None:
            result = self._answer(written)
            if result is not None and result.placement_ids:
                screen.navigation.want(result.placement_ids[0])
            if result is not None and result.draft_id:
                screen.composing.taken_back()
                screen.composing.reopen(result.draft_id)

        screen.backend.writer.wish(lambda intents: intents.undo(), done)

    # selection

    def select(self) -> None:
        screen = self.screen
        if screen.active is Where.FOLDERS:
            self.targets()
            return
        model = screen.model
        if model.cursor_id is None:
            return
        model.toggle_selected()
        screen.message_list.touch_row(model.cursor)
        if not screen.navigation.to(model.cursor + 1):
            screen.message_list.touch()
        screen.show_titles()

    def select_range(self) -> None:
        screen = self.screen
        model = screen.model
        if model.cursor_id is None:
            return
        model.start_range()
        if model.range_from is not None:
            screen.say("Move to the end of the range, then act on it; V keeps it selected, Esc gives it up.")
        screen.message_list.touch()
        screen.show_titles()

    def select_all(self) -> None:
        screen = self.screen
        screen.model.selected.update(screen.model.ids)
        screen.message_list.touch()
        screen.show_titles()
        screen.say(f"{messages(len(screen.model.selected))} selected.")

    def select_pattern(self) -> None:
        from termmail.ui.screens.ask import Prompt

        self.screen.app.push_screen(
            Prompt("Select by a pattern", note="Part of a sender or subject; * and ? stand for anything."),
            self._select_matching,
        )

    def _select_matching(self, pattern: str | None) -> None:
        if not pattern:
            return
        screen = self.screen
        model = screen.model
        folded = pattern.casefold()
        wanted = f"*{folded}*"
        wild = any(character in folded for character in "*?[")
        found: set[int] = set()
        looked = model.ids[:_PATTERN_LIMIT]
        for start in range(0, len(looked), 500):
            for row in screen.queries.rows(looked[start : start + 500]):
                if row is None:
                    continue
                texts = [row.subject, *(f"{who.name} <{who.address}>" for who in row.from_ + row.to)]
                for text in texts:
                    lowered = text.casefold()
                    if fnmatch.fnmatchcase(lowered, wanted) if wild else folded in lowered:
                        found.add(row.id)
                        break
        model.selected |= found
        screen.message_list.touch()
        screen.show_titles()
        limit = f" among the first {_PATTERN_LIMIT:,}" if len(model) > _PATTERN_LIMIT else ""
        screen.say(f"{messages(len(found))} selected{limit}." if found else f"No message matches{limit}.")
