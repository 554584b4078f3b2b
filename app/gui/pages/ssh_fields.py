"""What is asked before a sign-in over SSH: where, as whom, the label's fingerprint, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLineEdit, QWidget

from app.fleet.ssh.address import SCHEME, SshTarget, is_target, read_fingerprint, read_target
from app.fleet.ssh.sign_in import Secret, SignIn
from app.gui.dialogs import FormDialog, PathField
from app.gui.session import Session
from app.gui.widgets import Segments, column, row
from app.usecases import enrolment
from edge_runtime.contracts.errors import InputInvalid

PASSWORD, KEY, AGENT = "password", "key", "agent"


class SshFields(QObject):
    """The fields, in a ``group`` of their own that the dialog puts where it belongs."""

    def __init__(self, dialog: FormDialog) -> None:
        super().__init__(dialog)
        self._recalled = ""
        self.group = QWidget()
        inside = self.inside = column(gap=16)
        self.address = QLineEdit()
        self.address.setPlaceholderText("engineer@192.168.1.20")
        dialog.add_field(
            self.tr("User and address"),
            self.address,
            self.tr("Somebody who may act as root there with sudo, or root; with :PORT where it is not 22."),
            into=inside,
        )
        self.host_key = QLineEdit()
        self.host_key.setPlaceholderText("SHA256:…")
        dialog.add_field(
            self.tr("Fingerprint of its host key"),
            self.host_key,
            self.tr("Typed or scanned from the machine's label. Another key than this one is never accepted."),
            into=inside,
        )
        self.way = Segments(
            self.tr("Sign in with"),
            [(self.tr("Password"), PASSWORD), (self.tr("Key file"), KEY), (self.tr("Running agent"), AGENT)],
        )
        self.way.chosen.connect(lambda _way: self._show_way())
        inside.addLayout(row(self.way, 1))
        self._of_key, of_key = QWidget(), column(gap=16)
        self.key = PathField(self.tr("Private key"), file=True)
        dialog.add_field(self.tr("Private key"), self.key, into=of_key)
        self.passphrase = _secret()
        dialog.add_field(
            self.tr("Passphrase of the key (optional)"),
            self.passphrase,
            self.tr("It opens the file here, and is not sent to anybody."),
            into=of_key,
        )
        self._of_key.setLayout(of_key)
        inside.addWidget(self._of_key)
        self._of_password, of_password = QWidget(), column(gap=16)
        self.password = _secret()
        dialog.add_field(
            self.tr("Password"),
            self.password,
            self.tr("It is not kept, and sent only to the machine with the label's key."),
            into=of_password,
        )
        self._of_password.setLayout(of_password)
        self.sudo = _secret()
        of_sudo = column()
        self._sudo_hint = dialog.add_field(self.tr("Password for sudo (optional)"), self.sudo, " ", into=of_sudo)
        of_sudo.addStretch(1)
        secrets = row(self._of_password, of_sudo, gap=16)
        secrets.setStretch(0, 1)
        secrets.setStretch(1, 1)
        inside.addLayout(secrets)
        self.group.setLayout(inside)
        self._show_way()

    def fill(self, target: SshTarget, host_key: str) -> None:
        """Where it was before, and the key that was verified then."""
        self.address.setText(str(target).removeprefix(SCHEME))
        self.host_key.setText(host_key)
        # A fingerprint is compared from its beginning.
        self.host_key.setCursorPosition(0)

    def refill(self, target: SshTarget, host_key: str, sign_in: SignIn) -> None:
        """As it was filled in before, but for the secrets."""
        self.fill(target, host_key)
        by_key, by_agent = sign_in.key is not None, sign_in.agent and sign_in.password is None
        self.way.choose(KEY if by_key else AGENT if by_agent else PASSWORD)
        self.key.edit.setText(str(sign_in.key or ""))
        self._show_way()

    def recall(self, session: Session) -> None:
        """Fill in the host key that was verified at the address before, once that is typed."""
        context = session.context

        def look(text: str) -> None:
            try:
                target = self.target()
            except InputInvalid:
                return

            def found(key: str | None) -> None:
                if key and self.address.text() == text and self.host_key.text() in ("", self._recalled):
                    self._recalled = key
                    self.host_key.setText(key)

            session.tasks.run_query(lambda: enrolment.known_host_key(context, target), found, owner=self)

        self.address.textChanged.connect(look)

    def target(self) -> SshTarget:
        """:raises InputInvalid: it is no user and address."""
        text = self.address.text().strip()
        return read_target(text if is_target(text) else SCHEME + text)

    def fingerprint(self) -> str:
        """:raises InputInvalid: it is none."""
        return read_fingerprint(self.host_key.text())

    def sign_in(self) -> SignIn:
        """As chosen. A field that is empty gives nothing."""
        sudo = self.sudo.text() or None
        if self.way.value == KEY:
            # Where the machine wants a password as well, it is the one that sudo takes; the passphrase stays here.
            given: dict[Secret, str | None] = {"passphrase": self.passphrase.text() or None, "password": sudo}
            return SignIn(key=Path(self.key.path).expanduser(), sudo_password=sudo, ask=given.get)
        if self.way.value == AGENT:
            return SignIn(sudo_password=sudo)
        return SignIn(password=self.password.text(), sudo_password=sudo, agent=False)

    def missing(self) -> str:
        """What still has to be filled in; empty: nothing."""
        if not self.address.text().strip():
            return self.tr("Say where the machine is, and as whom to sign in.")
        if not self.host_key.text().strip():
            return self.tr("Type or scan the fingerprint on the machine's label.")
        if self.way.value == PASSWORD and not self.password.text():
            return self.tr("Type the password.")
        if self.way.value == KEY and not self.key.path:
            return self.tr("Choose the private key.")
        return ""

    def _show_way(self) -> None:
        self._of_key.setVisible(self.way.value == KEY)
        self._of_password.setVisible(self.way.value == PASSWORD)
        hints: dict[object, Callable[[], str]] = {
            PASSWORD: lambda: self.tr("Leave it empty where it is the same, or where sudo asks for none."),
            KEY: lambda: self.tr(
                "The machine gets it where sudo asks for one, or where it wants a password beside the key."
            ),
            AGENT: lambda: self.tr("Leave it empty where sudo asks for none."),
        }
        self._sudo_hint.setText(hints[self.way.value]())


def _secret() -> QLineEdit:
    field = QLineEdit()
    field.setEchoMode(QLineEdit.EchoMode.Password)
    return field
