"""Taking secrets and personal paths out of what a person is about to paste somewhere."""

from __future__ import annotations

import re
from pathlib import Path

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S), "[key]"),
    # user:password@ or token@ in an address
    (re.compile(r"(?<=://)[^\s@?#]+(?=@)"), "[credentials]"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[access key]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), r"\1 [secret]"),
    (re.compile(r"(?i)((?:x-amz-)?(?:signature|credential|security-token)=)[^&,\s]+"), r"\1[secret]"),
    (
        re.compile(
            r"""(?ix) (["']? [\w-]* (?:secret|password|passwd|passphrase|token|api[ _-]?key|access[ _-]?key)
            [\w -]* ["']? \s* [=:] \s* ) ("[^"]*" | '[^']*' | [^\n,;&}]+)"""
        ),
        r"\1[secret]",
    ),
)


def redact(text: str, *, home: Path | None = None) -> str:
    """``text`` without keys, passwords, tokens and the name of the person's home folder."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text.replace(str(home or Path.home()), "~")
