"""The object store's part of the settings: try it out, save it, sync, and see where this desktop stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from app.gui import formats
from app.gui.dialogs import refusal
from app.gui.pages.base import Page
from app.gui.sync_words import sync_state
from app.gui.widgets import Button, Chip, Facts, IconLabel, clear, column, label, row
from app.store.records import Movement, SyncStatus, Waiting
from app.usecases import sync
from app.usecases.progress import CancelToken, Progress
from app.usecases.store_access import policy_for
from edge_runtime.contracts.errors import LinesideError, StoreUnreachable

if TYPE_CHECKING:
    from cloud_sync.objects import Credentials, StoreReport


class StoreSettings(QWidget):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        settings = page.context.settings
        self.address = _field(settings.store, self.tr("Address"), "s3://bucket/prefix")
        self.endpoint = _field(settings.endpoint_url, self.tr("Endpoint (not for Amazon)"), "https://s3.example.org")
        self.key = _field(None, self.tr("Access key id"), self.tr("from the usual AWS variables or profile"))
        self.secret = _field(None, self.tr("Secret access key"), "")
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        self.save = Button(self.tr("Test and save"), "database", kind="primary", clicked=self.test_and_save)
        self.sync_button = Button(self.tr("Sync now"), "cloud-up", clicked=self.sync)
        self.policy = Button(self.tr("Copy the access policy"), "copy", clicked=self.copy_policy)
        self._chip = Chip()
        self._facts = Facts()
        self._checks: QVBoxLayout = column(gap=4)
        self.said: list[str] = []
        """What the last attempt said, line by line."""
        fields = column(gap=12)
        for left, right in ((self.address, self.endpoint), (self.key, self.secret)):
            pair = row(gap=16)
            for edit in (left, right):
                pair.addLayout(column(label(edit.accessibleName()), edit, gap=4))
            fields.addLayout(pair)
        fields.addWidget(
            label(
                self.tr("A bucket, or a folder such as a USB stick. Keys are kept in the keyring, never in the site."),
                "caption",
                wrap=True,
            )
        )
        self.setLayout(
            column(
                row(self._chip, 1),
                self._facts,
                fields,
                self._checks,
                row(self.save, self.sync_button, self.policy, 1),
                gap=16,
            )
        )

    def reload(self) -> None:
        context = self._page.context
        self._page.query("sync", lambda: sync.sync_status(context), self.show_status)

    def show_status(self, status: SyncStatus) -> None:
        self._chip.set_state(sync_state(status))
        self.sync_button.setEnabled(status.store is not None)
        facts = [] if status.store is None else [(self.tr("Store"), status.store)]
        facts += [
            (self.tr("Last sync"), formats.ago(status.last_ms)),
            (self.tr("Waiting"), self._waiting(status.waiting) or self.tr("nothing")),
            *([(self.tr("On the way"), self._moving(status.moving))] if status.moving else []),
            (
                self.tr("In the store"),
                self.tr("Objects: {objects} ({size})").format(
                    objects=formats.count(status.objects), size=formats.size(status.bytes)
                ),
            ),
        ]
        if status.stored:
            words = self.tr("Samples that come when they are opened: {n}")
            facts.append((self.tr("Only in the store"), words.format(n=formats.count(status.stored))))
        if status.queued:
            facts.append((self.tr("Queued"), self.tr("The store was away; the next sync goes on from here.")))
        if status.conflicts:
            words = self.tr("{n}: decide them under Activity")
            facts.append((self.tr("Conflicts"), words.format(n=formats.count(status.conflicts))))
        for one in status.problems:
            facts.append((self.tr("Does not come"), f"{formats.short(one.replica)}: {one.message}"))
        if status.problem:
            facts.append((self.tr("Problem"), status.problem))
        self._facts.show_facts(facts)

    def _waiting(self, waiting: Sequence[Waiting]) -> str:
        """What waits, and each reason once."""
        kinds = {
            "journal": self.tr("changes and alerts"),
            "bundle": self.tr("models"),
            "dataset": self.tr("datasets"),
            "sample": self.tr("samples"),
            "other": self.tr("other files"),
            "coming": self.tr("files from other desktops"),
        }
        reasons = {
            "next-sync": self.tr("with the next sync"),
            "under-way": self.tr("under way"),
            "metered": self.tr("the link is metered"),
            "hours": self.tr("it is not their time"),
            "store-away": self.tr("the store is away"),
            "refused": self.tr("the store refused"),
            "no-store": self.tr("there is no store yet"),
        }
        groups: dict[str, list[str]] = {}
        for one in waiting:
            count = formats.count(one.count)
            if one.bytes:
                count = f"{count} ({formats.size(one.bytes)})"
            said = self.tr("{kind}: {count}").format(kind=kinds[one.kind], count=count)
            groups.setdefault(one.reason, []).append(said)
        words = self.tr("{things} – {reason}")
        return self.tr("; ").join(
            words.format(things=self.tr(", ").join(things), reason=reasons[reason]) for reason, things in groups.items()
        )

    def _moving(self, now: Movement) -> str:
        words = self.tr("{done} of {size}, {speed} a second")
        said = words.format(
            done=formats.size(now.done), size=formats.size(now.bytes), speed=formats.size(int(now.bytes_per_s))
        )
        if now.left_s is None:
            return said
        return self.tr("{said}, {time} left").format(said=said, time=formats.duration(now.left_s))

    def test_and_save(self) -> None:
        """Write, read, list and delete something there; only a store that can do it all is kept."""
        context = self._page.context
        address, endpoint = self.address.text().strip(), self.endpoint.text().strip() or None
        key, secret = self.key.text().strip(), self.secret.text()
        clear(self._checks)
        self.said = []
        wrong = self._wrong(address, key, secret)
        if wrong:
            self._say(ok=False, text=wrong)
            return
        self.save.setEnabled(False)

        def work() -> StoreReport:
            return sync.setup_store(context, address, endpoint_url=endpoint, credentials=_credentials(key, secret))

        self._page.session.tasks.run_background(work, self._saved, owner=self, failed=self._refused)

    def _wrong(self, address: str, key: str, secret: str) -> str:
        """Why it need not even be tried; empty: nothing."""
        if not address:
            return self.tr("Give an address first: a bucket or a folder.")
        bucket = address.removeprefix("s3://").partition("/")[0] if address.startswith("s3://") else ""
        folder = Path(address.removeprefix("folder:")).expanduser()
        if not bucket and not folder.is_absolute():
            return self.tr("Begin the address with s3:// for a bucket, or give the whole path of a folder.")
        if bool(key) != bool(secret):
            return self.tr("Give both the access key id and the secret access key, or neither.")
        return ""

    def copy_policy(self) -> None:
        """For the bucket in the field, which need not be set up yet: its key may still have to be allowed."""
        address, endpoint = self.address.text().strip(), self.endpoint.text().strip() or None
        clear(self._checks)
        self.said = []
        if not address.startswith("s3://"):
            self._say(
                ok=False, text=self.tr("Only a bucket has an access policy: give its address, s3://bucket/prefix.")
            )
            return
        try:
            policy = policy_for(address, endpoint_url=endpoint)
        except LinesideError as error:
            self._say(ok=False, text=refusal(error))
            return
        QGuiApplication.clipboard().setText(json.dumps(policy, indent=2))
        self._say(ok=True, text=self.tr("Copied: what the access key has to be allowed, as a policy for Amazon's IAM."))

    def sync(self) -> None:
        """As a job of the tray."""
        context = self._page.context

        def work(progress: Progress, cancel: CancelToken) -> sync.SyncReport:
            return sync.sync_now(context, progress=progress, cancel=cancel)

        self._page.session.tasks.run_command(
            self.tr("Sync"), work, lambda _report: self.reload(), owner=self, failed=self._not_synced
        )

    def _not_synced(self, error: BaseException) -> None:
        # Where the store is away the sync is queued: it is tried again by and by, and said so here.
        self.reload()
        if not isinstance(error, StoreUnreachable):
            self._page.session.tasks.report(error)

    def _saved(self, report: StoreReport) -> None:
        self.save.setEnabled(True)
        self.secret.clear()
        for check in report.checks:
            self._say(ok=check.ok, text=check.message)
        self.address.setText(self._page.context.settings.store or self.address.text())
        self.reload()

    def _refused(self, error: BaseException) -> None:
        self.save.setEnabled(True)
        if isinstance(error, LinesideError):
            self._say(ok=False, text=refusal(error))
        else:
            self._page.session.tasks.report(error)

    def _say(self, *, ok: bool, text: str) -> None:
        icon = IconLabel("ok", "ok", 16) if ok else IconLabel("bad", "bad", 16)
        entry = QWidget()
        box = row(icon, label(text, "" if ok else "bad", wrap=True), gap=8)
        box.setStretch(1, 1)
        entry.setLayout(box)
        self._checks.addWidget(entry)
        self.said.append(text)


def _field(text: str | None, name: str, placeholder: str) -> QLineEdit:
    edit = QLineEdit(text or "")
    edit.setAccessibleName(name)
    edit.setPlaceholderText(placeholder)
    return edit


def _credentials(key: str, secret: str) -> Credentials | None:
    from cloud_sync.objects import Credentials

    return Credentials(access_key_id=key, secret_access_key=secret) if key and secret else None
