"""Asking again, over mDNS: packets are lost, most of all where hundreds of boxes answer at once."""

from __future__ import annotations

import itertools
import time

from zeroconf import BadTypeInNameException, ServiceInfo, Zeroconf
from zeroconf._dns import DNSQuestion
from zeroconf._protocol.outgoing import DNSOutgoing

_QUERY, _IN = 0, 1
_PTR, _TXT, _SRV, _A, _AAAA = 12, 16, 33, 1, 28
AGAIN_S = 0.25
"""Between two questions about announcements that are known by name only."""
WHO_ELSE_S = 1.0
"""Between two questions who is there: as often as the standard allows."""
NAMES_AT_ONCE = 48
MOST_UNRESOLVED = 2048
"""Names without an address that are kept; anybody may announce more."""
MOST_KNOWN = 2000
"""Who need not answer any more, in one question."""


class Unresolved:
    """Announcements of which the name came, and not where the box is: they are asked for it in turns."""

    def __init__(self) -> None:
        self._waiting: dict[str, ServiceInfo] = {}
        self._asked: set[str] = set()
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def look(self, zeroconf: Zeroconf, service: str, name: str) -> ServiceInfo | None:
        """All that this name stands for; None: it has not come yet, and is asked for."""
        try:
            info = self._waiting.get(name) or ServiceInfo(service, name)
        except BadTypeInNameException:
            return None
        if info.load_from_cache(zeroconf):
            self._waiting.pop(name, None)
            return info
        if name not in self._waiting and len(self._waiting) >= MOST_UNRESOLVED:
            self.left_out += 1
        else:
            self._waiting[name] = info
        return None

    def resolved(self, zeroconf: Zeroconf) -> list[ServiceInfo]:
        """Those whose answers have come meanwhile."""
        found = [info for info in self._waiting.values() if info.load_from_cache(zeroconf)]
        for info in found:
            self._waiting.pop(info.name, None)
        return found

    def ask(self, zeroconf: Zeroconf) -> None:
        """Ask those whose turn it is, first each to answer to this machine alone, then all the network.

        What is sent to this machine alone may be taken by another program that listens at the same port.
        """
        names = list(itertools.islice(self._waiting, NAMES_AT_ONCE))
        if not names:
            return
        out = DNSOutgoing(_QUERY)
        for name in names:
            info = self._waiting.pop(name)
            self._waiting[name] = info
            alone = name not in self._asked
            self._asked.add(name)
            for kind in (_SRV, _TXT):
                out.add_question(_question(name, kind, alone=alone))
            if info.server_key:
                for kind in (_A, _AAAA):
                    out.add_question(_question(str(info.server), kind, alone=alone))
        zeroconf.send(out)


def ask_who_else(zeroconf: Zeroconf, service: str) -> None:
    """Ask who is there, but for those that are known already."""
    now = time.monotonic() * 1000
    out = DNSOutgoing(_QUERY)
    out.add_question(_question(service, _PTR, alone=False))
    for record in zeroconf.cache.get_all_by_details(service, _PTR, _IN)[:MOST_KNOWN]:
        out.add_answer_at_time(record, now)
    zeroconf.send(out)


def _question(name: str, kind: int, *, alone: bool) -> DNSQuestion:
    question = DNSQuestion(name, kind, _IN)
    question.unicast = alone
    return question
