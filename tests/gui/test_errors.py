"""Every error ends in one dialog; what is copied from it holds no secrets."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.gui import error_texts
from app.gui.errors import ErrorDesk, ErrorDialog, details
from app.gui.i18n import Translations
from app.gui.theme import Theme
from app.redact import redact
from edge_runtime.contracts.errors import BoxUnreachable, LinesideError, StoreRefused

SECRETS = [
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
    ("key AKIAIOSFODNN7EXAMPLE was refused", "AKIAIOSFODNN7EXAMPLE"),
    ("https://root:hunter2@store.example.org/bucket", "hunter2"),
    ('{"secret_access_key": "abcdef123456", "region": "eu"}', "abcdef123456"),
    ("passphrase: correct-horse", "correct-horse"),
    ("passphrase: correct horse battery staple", "battery"),
    ("https://ghp_0123456789@host/path", "ghp_0123456789"),
    ("https://user:pa/ss@host/path", "pa/ss"),
    ("Secret access key: wJalrXUtnFEMI", "wJalrXUtnFEMI"),
    ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=fe5f80f77d5fa3beca", "fe5f80f77d"),
    ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30", "eyJhbGciOiJIUzI1NiJ9"),
    ("GET /x?X-Amz-Signature=0123abcd&X-Amz-Credential=AK/2026", "0123abcd"),
    ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----", "MC4CAQAwBQ"),
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA", "MC4CAQAwBQ"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[secret for _text, secret in SECRETS])
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    assert secret not in redact(f"before {text} after")
    assert redact(f"before {text}").startswith("before ")


def test_home_folder_and_plain_words_survive() -> None:
    assert redact("/home/mei/site/lineside.db is broken", home=Path("/home/mei")) == "~/site/lineside.db is broken"
    assert redact("The key of line-2 changed; the token bucket is full.") == (
        "The key of line-2 changed; the token bucket is full."
    )


def test_dialog_says_what_happened_and_copies_it(qtbot: QtBot, light: Theme, english: Translations) -> None:
    error = StoreRefused("https://me:hunter2@s3.example.org refused: the bucket is not yours.")
    dialog = ErrorDialog(error)
    qtbot.addWidget(dialog)
    dialog.show()
    shown = " ".join(one.text() for one in dialog.findChildren(QLabel))
    for part in ("The object store refused", "the bucket is not yours", "everything waits locally", "store.refused"):
        assert part in shown
    assert "hunter2" not in shown
    dialog.copy()
    copied = QGuiApplication.clipboard().text()
    assert "store.refused" in copied
    assert "StoreRefused" in copied
    assert "Lineside" in copied
    assert "hunter2" not in copied


def test_chinese_dialog_but_english_details(qtbot: QtBot, light: Theme, english: Translations) -> None:
    english.use("zh")
    dialog = ErrorDialog(BoxUnreachable("line-2 is off."))
    qtbot.addWidget(dialog)
    assert dialog.windowTitle() == "边缘盒没有应答"
    assert "The box does not answer" in details(dialog.error)


def test_a_hint_made_for_the_case_stays(english: Translations) -> None:
    english.use("zh")
    assert error_texts.hint("box.unreachable", "Plug it in.") == "Plug it in."
    assert error_texts.title("box.from-the-future", "As it was called") == "As it was called"


def test_every_code_has_its_texts() -> None:
    importlib.import_module("edge_runtime.contracts.enrolment_errors")
    classes = [LinesideError]
    for cls in classes:
        classes += cls.__subclasses__()
    known = {cls.code: (cls.title, cls.default_hint) for cls in classes if cls.__module__.startswith("edge_runtime")}
    assert known == error_texts.TEXTS


def test_slots_that_raise_reach_the_dialog(qtbot: QtBot, light: Theme, english: Translations) -> None:
    desk = ErrorDesk()
    with qtbot.captureExceptions() as caught:
        desk.install()
        try:
            sys.excepthook(ZeroDivisionError, ZeroDivisionError("in a slot"), None)
        finally:
            desk.uninstall()
    assert len(caught) == 1
    (dialog,) = desk.open
    desk.show(ZeroDivisionError("in a slot"))
    assert list(desk.open) == [dialog]
    dialog.accept()
    assert desk.open == ()
