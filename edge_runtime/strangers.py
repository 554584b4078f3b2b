"""What libraries say of things that came from strangers, and that are no bug of ours."""

from __future__ import annotations

import warnings


def keep_quiet_about_strangers() -> None:
    """For a program to call at its start: a certificate that anybody on the network shows puts no warning on stderr.

    ``cryptography`` warns of names and numbers in it that break their standard; we refuse or shorten them ourselves.
    """
    warnings.filterwarnings("ignore", module=r"edge_runtime\.identity\Z")
