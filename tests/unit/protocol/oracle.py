"""The rules of facts/vcp-protocol §1.1 once more, written to be read and not to be fast.

Nothing here is shared with the parser: it works on the whole text, one rule after the other.
"""

from __future__ import annotations

import re

SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
RESERVED = ("tool_name", "archery", "ink", "river", "vref", "timely_contact", "tool_password")


def visible(text: str) -> str:
    """Without reasoning."""
    kept, depth, at = "", 0, 0
    while at < len(text):
        tag = re.match(r"(?ai)<S*(/S*)?think(ing)?\b[^>]*>".replace("S", f"[{SPACE}]"), text[at:])
        if tag is None:
            kept += text[at] if depth == 0 else ""
            at += 1
            continue
        depth = max(0, depth - 1) if tag[1] else depth + 1
        at += tag.end()
    return kept


def find(pattern: str, text: str, at: int) -> tuple[int, int] | None:
    for start in range(at, len(text)):
        match = re.match(pattern, text[start:])
        if match:
            return start, start + match.end()
    return None


def marks(fuzzy: bool) -> dict[str, str]:
    bracket = "<{2,4}", ">{2,4}"
    return {
        "start": rf"(?i){bracket[0]}\[TOOL_REQUEST\]{bracket[1]}"
        if fuzzy
        else r"<<<\[TOOL_REQUEST\]>>>",
        "end": rf"(?i){bracket[0]}\[END_TOOL_REQUEST\]{bracket[1]}"
        if fuzzy
        else r"<<<\[END_TOOL_REQUEST\]>>>",
        "value": r"[「{]始(?!ESCAPE)[^\r\n「{]*?[」}]" if fuzzy else "「始」",
        "value_end": r"[「{]末(?!ESCAPE)[^\r\n「{]*?[」}]" if fuzzy else "「末」",
        "opaque": "(?ai)[「{]始ESCAPE[」}]",
        "opaque_end": "(?ai)[「{]末ESCAPE[」}]",
    }


def block_end(text: str, at: int, mark: dict[str, str]) -> tuple[int, int] | None:
    while True:
        end, opaque = find(mark["end"], text, at), find(mark["opaque"], text, at)
        if end is None or opaque is None or end[0] < opaque[0]:
            return end
        close = find(mark["opaque_end"], text, opaque[1])
        if close is None:
            return None
        at = close[1]


def fields(block: str, mark: dict[str, str]) -> dict[str, str]:
    block = block.strip(SPACE)
    found: dict[str, str] = {}
    at = 0

    def blanks(at: int, also: str = "") -> int:
        while at < len(block) and block[at] in SPACE + also:
            at += 1
        return at

    while at < len(block):
        at = blanks(at, ",")
        key = ""
        while at < len(block) and block[at] in WORD:
            key += block[at]
            at += 1
        if not key:
            at += 1
            continue
        at = blanks(at)
        if block[at : at + 1] != ":":
            continue
        at = blanks(at + 1)
        opaque = re.match(mark["opaque"], block[at:])
        plain = re.match(mark["value"], block[at:])
        if opaque:
            end = find(mark["opaque_end"], block, at + opaque.end())
        elif plain:
            end = find(mark["value_end"], block, at + plain.end())
        else:
            continue
        if end is None:
            break
        value = block[at + (opaque or plain).end() : end[0]]
        found.pop(key, None)
        found[key] = (restored(value) if opaque else value).strip(SPACE)
        at = end[1]
    return found


def restored(value: str) -> str:
    for name in ("<<<[TOOL_REQUEST{}]>>>", "<<<[END_TOOL_REQUEST{}]>>>"):
        value = value.replace(name.format("_ESCAPE"), name.format(""))
    value = value.replace("「始ESCAPE」", "「始」").replace("「末ESCAPE」", "「末」")
    value = re.sub("(?ai)[「{]始ESCAPE[」}]", "「始」", value, count=1)
    return re.sub("(?ai)[「{]末ESCAPE[」}]", "「末」", value, count=1)


def read(text: str, *, fuzzy: bool = False) -> tuple[list[tuple[str, dict[str, str], bool]], str]:
    """The requests (name, arguments, archery) and the plain text."""
    mark = marks(fuzzy)
    text = visible(text)
    requests, plain, at = [], "", 0
    while True:
        start = find(mark["start"], text, at)
        if start is None:
            return requests, plain + text[at:]
        plain += text[at : start[0]]
        end = block_end(text, start[1], mark)
        if end is None:
            return requests, plain
        found = fields(text[start[1] : end[0]], mark)
        flags = {key: found.pop(key) for key in RESERVED if key in found}
        if found.get("valet") and not found.get("maid"):
            found["maid"] = found["valet"]
        if flags.get("tool_name"):
            fire = flags.get("archery") in ("true", "no_reply")
            requests.append((flags["tool_name"], found, fire))
        at = end[1]
