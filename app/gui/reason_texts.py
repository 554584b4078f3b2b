"""What the reasons of a search say, where the translation tools find them.

The words are those of :mod:`app.fleet.reason_words`; a test compares the two.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.fleet.reason_words import fill
from app.gui.i18n import QT_TRANSLATE_NOOP
from edge_runtime.contracts.finding import Reason, ReasonKind

TEXTS: dict[ReasonKind, tuple[str, str]] = {
    "no-network": (
        QT_TRANSLATE_NOOP("reasons", "This machine has no network."),
        QT_TRANSLATE_NOOP("reasons", "Plug in a cable or join the plant's wireless network."),
    ),
    "interface-down": (
        QT_TRANSLATE_NOOP("reasons", "The interface {subject} is down."),
        QT_TRANSLATE_NOOP("reasons", "If the boxes are on that side, check its cable or switch it on."),
    ),
    "no-multicast": (
        QT_TRANSLATE_NOOP(
            "reasons",
            "The interface {subject} passes no multicast, as VPNs and mobile links do not: no box can be heard there.",
        ),
        QT_TRANSLATE_NOOP("reasons", "Give the box's address or its subnet."),
    ),
    "multicast-blocked": (
        QT_TRANSLATE_NOOP(
            "reasons", "What this machine asks over mDNS on {subject} does not come back: a firewall here drops it."
        ),
        QT_TRANSLATE_NOOP("reasons", "Allow incoming UDP port 5353, or give the box's address."),
    ),
    "not-listening": (
        QT_TRANSLATE_NOOP("reasons", "This machine cannot listen to announcements: {problem}."),
        QT_TRANSLATE_NOOP("reasons", "Give the box's address or its subnet."),
    ),
    "flooded": (
        QT_TRANSLATE_NOOP(
            "reasons", "Far more boxes are announced than there can be. Announcements left out: {count}."
        ),
        QT_TRANSLATE_NOOP("reasons", "Find the machine that floods this network. Until then, give the box's address."),
    ),
    "dropped": (
        QT_TRANSLATE_NOOP(
            "reasons",
            "More was announced at once than this machine could take in. Packets that were dropped: {count}.",
        ),
        QT_TRANSLATE_NOOP(
            "reasons",
            "Look again, for longer (--seconds 10), or allow larger buffers: `sudo sysctl net.core.rmem_max=8388608`.",
        ),
    ),
    "false-claims": (
        QT_TRANSLATE_NOOP("reasons", "Announcements that name a box at an address where another key answers: {count}."),
        QT_TRANSLATE_NOOP(
            "reasons", "They were left out. Old entries do that for a while; many of them are an impostor's work."
        ),
    ),
    "malformed": (
        QT_TRANSLATE_NOOP("reasons", "Announcements that could not be read: {count}."),
        QT_TRANSLATE_NOOP("reasons", "They were left out. Another program may use the same service name."),
    ),
    "unproved": (
        QT_TRANSLATE_NOOP("reasons", "{subject} is announced at {address}, but its key does not answer there."),
        QT_TRANSLATE_NOOP(
            "reasons", "A firewall may close the port, or the box has just gone; otherwise somebody else announces it."
        ),
    ),
    "name-clash": (
        QT_TRANSLATE_NOOP("reasons", "{count} boxes call themselves {subject}: {boxes}."),
        QT_TRANSLATE_NOOP("reasons", "Tell them apart by their ids, and give each a name of its own in its edge.toml."),
    ),
    "other-subnet": (
        QT_TRANSLATE_NOOP(
            "reasons",
            "{subject} was last at {address}, in none of this machine's networks; announcements do not cross routers.",
        ),
        QT_TRANSLATE_NOOP("reasons", "Give its address or subnet, or look through a box that is on the same side."),
    ),
    "address-silent": (
        QT_TRANSLATE_NOOP("reasons", "Nothing answers at {subject}."),
        QT_TRANSLATE_NOOP(
            "reasons",
            "The box is off, its cable is out, it has another address now, or a firewall drops what is sent there.",
        ),
    ),
    "address-refused": (
        QT_TRANSLATE_NOOP("reasons", "The machine at {subject} answers, but no box listens on that port."),
        QT_TRANSLATE_NOOP(
            "reasons", "Start the box (systemctl status lineside-edge), or check `listen` in its edge.toml."
        ),
    ),
    "address-unreachable": (
        QT_TRANSLATE_NOOP("reasons", "There is no way to {subject} from here."),
        QT_TRANSLATE_NOOP("reasons", "Check the address and this machine's network; another subnet needs a route."),
    ),
    "other-key": (
        QT_TRANSLATE_NOOP("reasons", "At {subject}, where {name} was, another key answers."),
        QT_TRANSLATE_NOOP(
            "reasons", "It is another box that got this address, a box that was set up anew, or an impostor."
        ),
    ),
    "no-box": (
        QT_TRANSLATE_NOOP("reasons", "What listens at {subject} is no box."),
        QT_TRANSLATE_NOOP("reasons", "Check the address and the port."),
    ),
    "not-announced": (
        QT_TRANSLATE_NOOP(
            "reasons",
            "{subject} answers at {address}, but was not heard: its firewall drops mDNS, or it does not announce "
            "itself.",
        ),
        QT_TRANSLATE_NOOP(
            "reasons",
            "Allow UDP port 5353 on it, or set `announce = true` in its edge.toml. By its address it is reached as it "
            "is.",
        ),
    ),
    "not-swept": (
        QT_TRANSLATE_NOOP(
            "reasons",
            "In {subject} ({interface}) only announced boxes are found: it is too large to ask every address.",
        ),
        QT_TRANSLATE_NOOP("reasons", "Name a part of it, such as 192.168.1.0/24, or the box's address."),
    ),
    "via-too-old": (
        QT_TRANSLATE_NOOP("reasons", "{subject} was not asked from there: the software of that box is too old for it."),
        QT_TRANSLATE_NOOP("reasons", "Update that box, or look at its own networks only."),
    ),
}


def told(reason: Reason) -> tuple[str, str]:
    """The reason and the advice in the window's language."""
    message, hint = TEXTS[reason.kind]
    return fill(QCoreApplication.translate("reasons", message), reason), QCoreApplication.translate("reasons", hint)
