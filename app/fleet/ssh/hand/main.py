"""One request, one answer."""

from __future__ import annotations

import errno
import os
import syslog
from collections.abc import Callable, Mapping

from app.fleet.ssh.hand import enrol, look, release
from app.fleet.ssh.hand.common import Answer, Refused, alone, claim, let_go

LOOKS: Mapping[str, Callable[[Answer], Answer]] = {
    "look": look.look,
    "last-words": look.last_words,
    "look-for": release.look_for,
}
"""Change nothing."""
OWN: Mapping[str, Callable[[Answer], Answer]] = {"staged": enrol.staged, "unstage": enrol.unstage}
"""Done as whoever signed in."""
DEEDS: Mapping[str, Callable[[Answer], Answer]] = {
    "claim": claim,
    "let-go": let_go,
    "make-user": enrol.make_user,
    "install": enrol.install,
    "serve": enrol.serve,
    "exchange": enrol.exchange,
    "start": enrol.start,
    "stop": release.stop,
    "remove": release.remove,
    "remove-user": release.remove_user,
}


def _alone(name: str, request: Answer) -> Answer:
    with alone():
        claim(request)
        done = DEEDS[name](request)
        if name != "let-go":
            # It may have taken long.
            claim(request)
        return done


def answer(request: Answer) -> Answer:
    """Do what is asked; what went wrong comes back as ``error``.

    :param request: ``deed`` and what it needs; ``visitor``: the desktop whose deed it is; ``note``: goes to the
        machine's own log once it has changed something.
    """
    name = request["deed"]
    try:
        os.umask(0o022)
        done = _alone(name, request) if name in DEEDS else {**LOOKS, **OWN}[name](request)
        if done.get("changed") and request.get("note"):
            syslog.openlog("lineside", 0, syslog.LOG_AUTH)
            syslog.syslog(syslog.LOG_NOTICE, request["note"])
    except Refused as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        said = "no room is left" if full else error.strerror or str(error)
        return {"error": {"code": "disk.full" if full else "enrolment.refused", "message": f"{where}{said}."}}
    return done
