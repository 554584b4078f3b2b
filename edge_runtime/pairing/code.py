"""The one-time code: eight characters that can be read aloud, typed and mistyped a little."""

from __future__ import annotations

import secrets

from edge_runtime.contracts.errors import InputInvalid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: none of its characters is taken for another."""
LENGTH = 8
TRIES = 3
"""A code's tries; then there is a new one."""
_FOLDED = str.maketrans({"O": "0", "I": "1", "L": "1"})
_BETWEEN = str.maketrans("", "", "- \t\r\n\N{EN DASH}\N{EM DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{MINUS SIGN}")
_MOST_TYPED = 64


def make_code() -> str:
    """A new code in its shown form, such as ``7K3M-X9PD``."""
    return show("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))


def show(code: str) -> str:
    """In two groups of four."""
    return f"{code[:4]}-{code[4:]}"


def read_code(typed: str) -> str:
    """A code as somebody typed it, in its shown form; small letters and hyphens do not matter, O is 0, I and L are 1.

    :raises InputInvalid: this can be no code. What was typed is not repeated: it may be nearly right.
    """
    code = typed[:_MOST_TYPED].translate(_BETWEEN).upper().translate(_FOLDED)
    if len(code) != LENGTH or any(character not in ALPHABET for character in code):
        raise InputInvalid(
            f"A code has {LENGTH} letters and digits, such as 7K3M-X9PD.",
            hint="Type it as the box shows it; capital letters and the hyphen do not matter.",
        )
    return show(code)
