"""Changing who may do what: each needs the root key's file and its passphrase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtWidgets import QLineEdit, QWidget

from app.gui.dialogs import FormDialog, PathField, refusal
from app.gui.session import Session
from app.gui.widgets import Kind, label
from app.usecases import introducing, trust
from app.usecases.trust import DesktopRow
from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from cloud_sync.release.handover import JoinRequest


T = TypeVar("T")


class KeyDialog(FormDialog):
    """A form that ends with the root key and its passphrase.

    :param done: called after the change was made.
    """

    def __init__(
        self,
        session: Session,
        title: str,
        intro: str,
        primary: str,
        parent: QWidget,
        *,
        done: Callable[[], object],
        kind: Kind = "primary",
    ) -> None:
        super().__init__(title, intro, primary, parent, kind=kind)
        self._session, self._done = session, done
        caption = self.tr("Root key")
        self.root_key = PathField(caption, file=True)
        places = session.context.places
        if places.root_key.exists() and not trust.is_root_key_replaced(session.context):
            self.root_key.edit.setText(str(places.root_key))
        self.passphrase = secret_field()
        self.setMinimumWidth(620)

    def add_key_fields(self) -> None:
        """Last, below what the form asks for itself."""
        self.add_field(
            self.tr("Root key"),
            self.root_key,
            self.tr("root.key.pem, or the file that was exported for the safe: plug the stick in."),
        )
        self.add_field(self.tr("Passphrase"), self.passphrase)

    def key(self) -> dict[str, Any]:
        """What every change takes."""
        return {"root_key": Path(self.root_key.path).expanduser(), "passphrase": self.passphrase.text()}

    def change(self, work: Callable[[], T], made: Callable[[T], object] | None = None) -> None:
        """Make it off the GUI thread; a refusal is said beside the buttons."""
        if not self.root_key.path:
            self.complain(self.tr("Choose the root key's file first."))
            return
        self.attempt(self._session.tasks, work, made or self.made)

    def made(self, _result: object) -> None:
        """All went well."""
        self._done()
        self.accept()


class AdmitDesktop(KeyDialog):
    def __init__(self, session: Session, parent: QWidget, *, done: Callable[[], object]) -> None:
        super().__init__(
            session,
            self.tr("Admit a desktop"),
            self.tr(
                "On the new desktop choose “Join a site” and save its request to a stick. Read it here, compare the "
                "fingerprint with what the new desktop shows, and carry the admission back."
            ),
            self.tr("Admit desktop"),
            parent,
            done=done,
        )
        self._request: JoinRequest | None = None
        self.request = PathField(self.tr("Request of the new desktop"), file=True)
        self.add_field(self.tr("Request of the new desktop"), self.request)
        self.fingerprint = label("", "mono", wrap=True, selectable=True)
        self.fields.addWidget(self.fingerprint)
        self.admission = PathField(self.tr("Admission to write"), new=True)
        self.add_field(self.tr("Admission to write"), self.admission)
        self.add_key_fields()
        self.request.changed.connect(self.read)

    def read(self) -> None:
        """Show whose request it is."""
        self._request = None
        self.fingerprint.setText("")
        self.complain("")
        path = Path(self.request.path).expanduser()
        if not self.request.path:
            return
        try:
            self._request = trust.read_request(path)
        except LinesideError as error:
            self.complain(refusal(error))
            return
        self.fingerprint.setText(f"{self._request.name}\n{self._request.fingerprint}")
        if not self.admission.path:
            self.admission.edit.setText(str(path.with_suffix(".admission")))
        self.fit()

    def submit(self) -> None:
        if self._request is None:
            self.read()
        if self._request is None:
            self.complain(self.complaint or self.tr("Choose the new desktop's request first."))
            return
        if not self.admission.path:
            self.complain(self.tr("Choose where to write the file first."))
            return
        context, request, out = self._session.context, self._request, Path(self.admission.path).expanduser()
        key = self.key()
        self.change(lambda: trust.admit(context, request, out, **key))


class StrikeOff(KeyDialog):
    def __init__(self, session: Session, parent: QWidget, desktop: DesktopRow, *, done: Callable[[], object]) -> None:
        super().__init__(
            session,
            self.tr("Strike off {name}").format(name=desktop.name),
            self.tr(
                "For a desktop that was lost, stolen or sold. Each box refuses it from the next contact with another "
                "desktop on, so reach every box soon. Change the keys of the object store as well: they may be on it."
            ),
            self.tr("Strike off"),
            parent,
            done=done,
            kind="danger",
        )
        self._desktop = desktop
        if desktop.here:
            words = self.tr("This is the desktop that you work on: afterwards it can do nothing at this site.")
            self.fields.addWidget(label(words, "bad", wrap=True))
        self.add_key_fields()

    def submit(self) -> None:
        context, desktop, key = self._session.context, self._desktop.fingerprint, self.key()
        self.change(lambda: trust.strike_off(context, desktop, **key))


class NewKeys(KeyDialog):
    def __init__(self, session: Session, parent: QWidget, *, done: Callable[[], object]) -> None:
        super().__init__(
            session,
            self.tr("New keys for this desktop"),
            self.tr(
                "When a copy of this desktop's keys may have come into other hands. The old keys are worth nothing "
                "once a box has heard of the new ones."
            ),
            self.tr("Make new keys"),
            parent,
            done=done,
        )
        self.add_key_fields()

    def submit(self) -> None:
        context, key = self._session.context, self.key()
        self.change(lambda: trust.rotate_key(context, **key))


class ReplaceRoot(KeyDialog):
    def __init__(self, session: Session, parent: QWidget, *, done: Callable[[], object]) -> None:
        super().__init__(
            session,
            self.tr("Replace the root key"),
            self.tr(
                "When the key or its passphrase may have come into other hands. The new key takes the place of the old "
                "one in the file; every other copy is worth nothing from then on, so export it again."
            ),
            self.tr("Replace root key"),
            parent,
            done=done,
        )
        self.add_key_fields()
        self.fresh, self.again = secret_field(), secret_field()
        self.add_field(self.tr("New passphrase"), self.fresh)
        self.add_field(self.tr("New passphrase again"), self.again)

    def submit(self) -> None:
        if self.fresh.text() != self.again.text():
            self.complain(self.tr("The two passphrases differ."))
            return
        context, fresh, key = self._session.context, self.fresh.text(), self.key()
        self.change(lambda: trust.rotate_root(context, new_passphrase=fresh, **key))


class IntroduceToBoxes(KeyDialog):
    """:param boxes: names of those that have not heard of the newest state of the keys."""

    def __init__(self, session: Session, parent: QWidget, boxes: Sequence[str], *, done: Callable[[], object]) -> None:
        super().__init__(
            session,
            self.tr("Introduce to boxes"),
            self.tr(
                "For boxes that do not let this desktop in: after a recovery, or where no desktop that they know is "
                "at hand. With the root key as the proof each box that answers gets the newest state of the keys."
            ),
            self.tr("Introduce"),
            parent,
            done=done,
        )
        self._changed = done
        self.boxes = label("\n".join(f"•  {box}" for box in boxes), wrap=True)
        self.fields.addWidget(self.boxes)
        self.add_key_fields()

    def submit(self) -> None:
        context, key = self._session.context, self.key()
        self.change(
            lambda: introducing.introduce_all(context, [], told=lambda _box, _problem: None, **key), self._introduced
        )

    def _introduced(self, reasons: dict[str, str]) -> None:
        if not reasons:
            self.made(None)
            return
        self._changed()
        self.boxes.setText("\n".join(f"•  {box}: {why}" for box, why in reasons.items()))
        self.complain(self.tr("All others know this desktop now; the boxes in the list did not take it."))


class ExportRoot(KeyDialog):
    def __init__(self, session: Session, parent: QWidget, *, done: Callable[[], object]) -> None:
        super().__init__(
            session,
            self.tr("Export the root key"),
            self.tr(
                "Writes one file for the safe: the encrypted root key, the state of the keys, the releases and the "
                "boxes. With it and the passphrase a new desktop takes the site over when all others are lost. Export "
                "it again after every change here."
            ),
            self.tr("Export"),
            parent,
            done=done,
        )
        self.file = PathField(self.tr("File to write"), new=True)
        self.add_field(self.tr("File to write"), self.file, self.tr("Best on a USB stick that lies in a safe."))
        self.add_key_fields()

    def submit(self) -> None:
        if not self.file.path:
            self.complain(self.tr("Choose where to write the file first."))
            return
        context, file, key = self._session.context, Path(self.file.path).expanduser(), self.key()
        self.change(lambda: trust.export_root(context, file, **key))


def secret_field() -> QLineEdit:
    """For a passphrase: what is typed cannot be seen."""
    edit = QLineEdit()
    edit.setEchoMode(QLineEdit.EchoMode.Password)
    return edit
