"""What the reasons of :mod:`edge_runtime.contracts.finding` say to a person, and what to do about each."""

from __future__ import annotations

from collections import defaultdict

from edge_runtime.contracts.finding import Reason, ReasonKind

WORDS: dict[ReasonKind, tuple[str, str]] = {
    "no-network": (
        "This machine has no network.",
        "Plug in a cable or join the plant's wireless network.",
    ),
    "interface-down": (
        "The interface {subject} is down.",
        "If the boxes are on that side, check its cable or switch it on.",
    ),
    "no-multicast": (
        "The interface {subject} passes no multicast, as VPNs and mobile links do not: no box can be heard there.",
        "Give the box's address or its subnet.",
    ),
    "multicast-blocked": (
        "What this machine asks over mDNS on {subject} does not come back: a firewall here drops it.",
        "Allow incoming UDP port 5353, or give the box's address.",
    ),
    "not-listening": (
        "This machine cannot listen to announcements: {problem}.",
        "Give the box's address or its subnet.",
    ),
    "flooded": (
        "Far more boxes are announced than there can be. Announcements left out: {count}.",
        "Find the machine that floods this network. Until then, give the box's address.",
    ),
    "dropped": (
        "More was announced at once than this machine could take in. Packets that were dropped: {count}.",
        "Look again, for longer (--seconds 10), or allow larger buffers: `sudo sysctl net.core.rmem_max=8388608`.",
    ),
    "false-claims": (
        "Announcements that name a box at an address where another key answers: {count}.",
        "They were left out. Old entries do that for a while; many of them are an impostor's work.",
    ),
    "malformed": (
        "Announcements that could not be read: {count}.",
        "They were left out. Another program may use the same service name.",
    ),
    "unproved": (
        "{subject} is announced at {address}, but its key does not answer there.",
        "A firewall may close the port, or the box has just gone; otherwise somebody else announces it.",
    ),
    "name-clash": (
        "{count} boxes call themselves {subject}: {boxes}.",
        "Tell them apart by their ids, and give each a name of its own in its edge.toml.",
    ),
    "other-subnet": (
        "{subject} was last at {address}, in none of this machine's networks; announcements do not cross routers.",
        "Give its address or subnet, or look through a box that is on the same side.",
    ),
    "address-silent": (
        "Nothing answers at {subject}.",
        "The box is off, its cable is out, it has another address now, or a firewall drops what is sent there.",
    ),
    "address-refused": (
        "The machine at {subject} answers, but no box listens on that port.",
        "Start the box (systemctl status lineside-edge), or check `listen` in its edge.toml.",
    ),
    "address-unreachable": (
        "There is no way to {subject} from here.",
        "Check the address and this machine's network; another subnet needs a route.",
    ),
    "other-key": (
        "At {subject}, where {name} was, another key answers.",
        "It is another box that got this address, a box that was set up anew, or an impostor.",
    ),
    "no-box": (
        "What listens at {subject} is no box.",
        "Check the address and the port.",
    ),
    "not-announced": (
        "{subject} answers at {address}, but was not heard: its firewall drops mDNS, or it does not announce itself.",
        "Allow UDP port 5353 on it, or set `announce = true` in its edge.toml. By its address it is reached as it is.",
    ),
    "not-swept": (
        "In {subject} ({interface}) only announced boxes are found: it is too large to ask every address.",
        "Name a part of it, such as 192.168.1.0/24, or the box's address.",
    ),
    "via-too-old": (
        "{subject} was not asked from there: the software of that box is too old for it.",
        "Update that box, or look at its own networks only.",
    ),
}


def say(reason: Reason) -> tuple[str, str]:
    """The reason as a sentence, and the advice."""
    message, hint = WORDS[reason.kind]
    return fill(message, reason), hint


def fill(template: str, reason: Reason) -> str:
    """A sentence with the reason's subject and facts in it; what another machine left out stays empty."""
    told = template.format_map(defaultdict(str, {**reason.facts, "subject": reason.subject}))
    via = reason.facts.get("via")
    return f"{via}: {told}" if via else told
