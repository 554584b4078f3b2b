"""The one place where secrets, personal paths and names are taken out of what leaves this desktop.

Everything here takes time in proportion to the text, whatever the text is: boxes, logs and messages of errors come
from outside.
"""

from __future__ import annotations

from app.redact.known import Redactor, forms_of
from app.redact.text import LEAST, find_secrets, redact

__all__ = ["LEAST", "Redactor", "find_secrets", "forms_of", "redact"]
