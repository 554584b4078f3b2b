"""Values behind names that tell of a secret: ``password = …``, ``--token …``, ``Authorization: …``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from app.redact.spans import Span, looks_random

_STRONG = (
    r"secret|passw(?:or[dt]|d)|kennwort|pass[ _-]?phrase|passcode|pwd|token|credential|authori[sz]ation|cookie"
    r"|(?:api|access|auth|private|account|shared|encryption|session|license)[ _-]?key|密码|口令|密钥"
)
_SHORT = r"pass|auth|psk|pin|otp|pw|community|sessionid"
"""Within longer words these are something else."""
_KEY = re.compile(rf"(?i:{_STRONG}|(?<![a-z])(?:{_SHORT})(?![a-z]))|(?<=[a-z])(?:Pass|Auth|Pin|Pw)(?![a-z])")
_NO_SECRET = re.compile(
    r"(?i:[_ -](?:file|path|type|count|size|bytes|seconds))$"
    r"|(?:Wrong|Missing|Refused|Invalid|Expired|Error|Exception|Reason|Warning|File|Path)$"
)
"""What is called so is a file, a number or a kind of error."""
_REST = re.compile(r"[\w.-]{0,60}")
_THEN = re.compile(
    r"""(?:[ \t](?!repeat|need|has[ ]|does|cannot|could|must|refuse|that[ ])[\w-]{1,30}){0,4}+
    (?P<quoted>(?:\\{0,4}["'`\]]){1,3}+)?+ \s{0,8}+
    (?: (?P<sign> :=|=>|={1,2}|[:\uff1a\uff1d] ) | (?(quoted),(?=[ ]?[bru]?["']) |(?!)) ) [ \t]*+""",
    re.X,
)
_XML_END = re.compile(r"""(?:\s[^<>\n]{0,80})?>""")
_XML_BEGIN = re.compile(r"<[\w:.-]{0,40}\Z")
_OPTION = re.compile(r"""(?:^|[\s"'`,(\[=])--?[\w-]{0,40}\Z""")
_QUOTED = re.compile(r"""[brfu]{0,2}(?:"(?:[^"\\\n]|\\[^\n])*+"|'(?:[^'\\\n]|\\[^\n])*+'|`[^`\n]*+`)""")
_LONG = re.compile(r'[brfu]{0,2}("""|\'\'\')')
_LINE = re.compile(r"[^\n\r\0]*")
_ARGUMENT = re.compile(r"""[ \t]+(?!-)("[^"\n]*"?|'[^'\n]*'?|\S+)""")
_QUERY_VALUE = re.compile(r"[^\s&\"'<>]*")
_OPENING = re.compile(r"[\[{(]")
_CLOSING_LINE = re.compile(r"[ \t]*[\]})]")
_BLOCK = re.compile(r"[|>]?[+-]?[ \t]*(?=[\n\r]|\Z)")
_PROSE = re.compile(r"""[ \t]{1,4}(?:is[ \t]|was[ \t]|of[ \t])?["'`“]?(?P<word>[^\s"'`“”]{6,200})""")
_USER_OPTION = re.compile(
    r"""(?<![^\s"'(\[,])(?:-[uU]|--(?:proxy-)?user)["',= \t]{1,6}[^\s:"'/]{1,64}:(?P<word>[^\s"']{1,200})"""
)
_P_OPTION = re.compile(r"""(?:(?<![^\s"'(\[,])-P|\bsshpass -p)["',= \t]{1,6}(?P<word>[^\s"'/,=-][^\s"']{2,200})""")
_SHORT_KEY = re.compile(rf"(?i:{_SHORT})")
_NOTHING = frozenset({"none", "null", "true", "false", "empty", "missing", "unset", "wrong", "yes", "no", "~"})
_MOST = 200
_WORDS = 20


def is_telling(name: str) -> bool:
    """Whether what stands under this name is a secret."""
    return _KEY.search(name[:_MOST]) is not None and not _NO_SECRET.search(name[:_MOST])


def behind_names(text: str) -> Iterator[Span]:
    """Every value behind a telling name."""
    done = 0
    for key in _KEY.finditer(text):
        if key.start() < done:
            continue
        span = _behind(text, key.start(), key.end())
        if span is not None and span.end > span.start:
            yield span
            done = span.end
    for pattern in (_USER_OPTION, _P_OPTION):
        for found in pattern.finditer(text):
            if not found["word"].isdigit():
                yield Span(found.start("word"), found.end("word"), secrets=_values(found["word"]))


def _behind(text: str, start: int, key_end: int) -> Span | None:
    rest = _REST.match(text, key_end)
    end = rest.end() if rest else key_end
    before = text[max(0, start - 48) : start]
    if _NO_SECRET.search(text[start:end]):
        return None
    if _XML_BEGIN.search(before) and (tag := _XML_END.match(text, end)):
        stop = text.find("<", tag.end())
        return _span(text, tag.end(), stop if stop >= 0 else len(text))
    if then := _THEN.match(text, end):
        if before.endswith(("?", "&")):
            value = _QUERY_VALUE.match(text, then.end())
            return _span(text, then.end(), value.end() if value else then.end())
        span = _value(text, then.end())
        short = then["sign"] == ":" and not then["quoted"] and _SHORT_KEY.fullmatch(text, start, key_end)
        return None if short and _is_sentence(text[span.start : span.end]) else span
    if _OPTION.search(before) and (argument := _ARGUMENT.match(text, end)):
        return _span(text, argument.start(1), argument.end(1))
    prose = _PROSE.match(text, end)
    if prose and looks_random(prose["word"]):
        return _span(text, prose.start("word"), prose.end("word"))
    return None


def _is_sentence(value: str) -> bool:
    """``One pass: begin what is due`` has no secret in it."""
    words = value.split()
    return len(words) > 1 and value[:1] not in "\"'`[{(" and not any(looks_random(word) for word in words)


def _value(text: str, start: int) -> Span:
    """From where a value begins to its end: too far rather than not far enough."""
    if long := _LONG.match(text, start):
        stop = text.find(long[1], long.end())
        return _span(text, start, len(text) if stop < 0 else stop + 3)
    if quoted := _QUOTED.match(text, start):
        return _span(text, start, quoted.end())
    line = _end_of_line(text, start)
    if _OPENING.match(text, start):
        if any(mark in text[start:line] for mark in "]})"):
            return _span(text, start, line)
        return _span(text, start, _until(text, line, lambda at: _CLOSING_LINE.match(text, at) is not None))
    if _BLOCK.match(text, start):
        return _span(text, start, _until(text, line, lambda at: text[at : at + 1] not in (" ", "\t", "-")))
    return _span(text, start, line)


def _end_of_line(text: str, start: int) -> int:
    found = _LINE.match(text, start)
    return found.end() if found else start


def _until(text: str, line: int, stops: Callable[[int], bool]) -> int:
    """The end of the last line before the one of whose beginning ``stops`` is true."""
    while line < len(text):
        following = line + (2 if text.startswith("\r\n", line) else 1)
        if following >= len(text) or stops(following):
            break
        line = _end_of_line(text, following)
    return line


def _span(text: str, start: int, end: int) -> Span:
    return Span(start, end, secrets=_values(text[start:end]))


def _values(value: str) -> tuple[str, ...]:
    """What of a value is secret where it stands elsewhere, too: all of it, and its words that are in no language."""
    whole = value.strip().lstrip("bruf").strip("\"'`,;\\ \t\r\n[](){}")
    words = [word.strip("\"'`,;()[]{}\\") for word in value.split()[:_WORDS]]
    found = [whole, words[0] if words else "", *(word for word in words if looks_random(word))]
    if "\\" in whole:
        found.append(re.sub(r"\\(.)", r"\1", whole))
    if "&" in whole:
        found.append(whole.partition("&")[0])
    return tuple(
        reading for one in dict.fromkeys(found) if one.lower() not in _NOTHING for reading in (one, unquote(one))
    )
