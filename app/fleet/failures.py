"""What went wrong on the way to a box, or was refused there, in the words of this product."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    BoxDiskFull,
    BoxRefused,
    BoxRefusesDesktop,
    BoxUnreachable,
    BoxWrongKey,
    DiskFull,
    InputInvalid,
    LinesideError,
)
from edge_runtime.contracts.told import told_by_box
from edge_runtime.http_answers import AnswerInvalid

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _ErrorEnvelope:
    error: dict[str, Any]


def wrong_key(address: str) -> BoxWrongKey:
    return BoxWrongKey(f"What answers at {address} does not have the key that was enrolled.")


def no_box(address: str, error: AnswerInvalid) -> BoxRefused:
    """Something was answered that is no answer."""
    return BoxRefused(f"What answers at {address} does not speak like a box: {error}.")


@contextmanager
def reading_answer(address: str) -> Iterator[None]:
    """Around the reading of an answer.

    :raises BoxRefused: it does not hold what it should: no value of the user's is at fault.
    """
    try:
        yield
    except InputInvalid as error:
        raise BoxRefused(
            f"The box at {address} answered what cannot be read. {error.message}",
            hint="Look at that box's version, configuration and log.",
        ) from error


def no_answer(address: str, error: Exception, *, heard: bool = False) -> LinesideError:
    """A connection that failed or ended.

    :param heard: the box has answered this desktop a moment ago.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return wrong_key(address)
    # A box ends a connection whose certificate it does not know, with or without an alert. One that was only
    # stopping takes no second connection.
    alert = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
    ended = isinstance(error, ssl.SSLEOFError | ConnectionResetError | BrokenPipeError)
    if alert or (ended and not heard):
        return BoxRefusesDesktop(f"The box at {address} does not trust this desktop's key.")
    reason = "it did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    reason = "the connection broke off" if ended else reason
    return BoxUnreachable(f"No connection to {address}: {reason}.")


def refusal(address: str, status: int, body: bytes) -> LinesideError:
    """An answer with a status of 400 or above."""
    try:
        envelope = wire.decode(body, _ErrorEnvelope)
    except InputInvalid:
        return BoxRefused(f"The box at {address} answered with status {status}.")
    return told_by_box(envelope.error, f"The box at {address}")


def as_problem(error: Exception, address: str) -> LinesideError:
    """What one of many boxes is said to have, so that the others are gone on with; a bug is logged whole."""
    if isinstance(error, LinesideError):
        return error
    _log.error("unexpected, with the box at %s", address, exc_info=error)
    return LinesideError(f"Unexpected, with the box at {address}: {type(error).__name__}: {error}"[:500])


@contextmanager
def problems_of(address: str) -> Iterator[None]:
    """Around what is done with one of many boxes.

    :raises LinesideError: as :func:`as_problem` has it; nothing else leaves the block.
    """
    try:
        yield
    except LinesideError:
        raise
    except Exception as error:
        raise as_problem(error, address) from error


def is_full_here(error: LinesideError) -> bool:
    """Whether it is this desktop's own disk that is full: that is no box's fault, and nothing more can be noted."""
    return isinstance(error, DiskFull) and not isinstance(error, BoxDiskFull)
