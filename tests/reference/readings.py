"""How text is read as a time, a version, an address, a number, a pattern (section 4.5, 4.6)."""

import ipaddress
import re
from decimal import Decimal

from .document import I64_MAX, I64_MIN, MAX_NUMBER_TOKEN, read_number

# Times

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def _days_since_1970(year, month, day):
    """Proleptic Gregorian; `datetime` does not know the year 0."""
    def leap_days(y):  # in the years 0 to y - 1
        return (y + 3) // 4 - (y + 99) // 100 + (y + 399) // 400

    lengths = _month_lengths(year)
    days = year * 365 + leap_days(year) + sum(lengths[:month - 1]) + day - 1
    return days - (1970 * 365 + leap_days(1970))


def _month_lengths(year):
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def read_time(text, at_most_fraction_digits=None):
    """Milliseconds since 1970 of an RFC 3339 date-time, or None."""
    match = _DATE_TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(match.group(i)) for i in range(1, 7))
    fraction = match.group(7) or ""
    if at_most_fraction_digits is not None and len(fraction) > at_most_fraction_digits:
        return None
    if not 1 <= month <= 12 or not 1 <= day <= _month_lengths(year)[month - 1]:
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    offset = 0
    if match.group(8):
        offset_hour, offset_minute = int(match.group(9)), int(match.group(10))
        if offset_hour > 23 or offset_minute > 59:
            return None
        offset = offset_hour * 60 + offset_minute
        if match.group(8) == "-":
            offset = -offset
    minutes = (_days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset
    return (minutes * 60 + second) * 1000 + int((fraction + "000")[:3])


def time_of_number(number, in_seconds):
    """Milliseconds since 1970 of a number attribute, or None beyond 64 bits."""
    if in_seconds:
        number *= 1000  # exact for an int, IEEE 754 for a float
    if number in (float("inf"), float("-inf")):
        return None
    millis = int(number)  # toward zero
    return millis if I64_MIN <= millis <= I64_MAX else None


# Numbers

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def number_of_text(text):
    """The number that the text is as JSON, or None."""
    if len(text) <= MAX_NUMBER_TOKEN and _JSON_NUMBER.fullmatch(text):
        return read_number(text)
    return None


SPACE = "\t\n\v\f\r "
_LENIENT_NUMBER = re.compile(r"([-+]?)([0-9]*)(?:[.,]([0-9]*))?((?:[eE][-+]?[0-9]+)?)")


def lenient_number(text):
    """The number that the text is as people write it, or None."""
    match = _LENIENT_NUMBER.fullmatch(text.strip(SPACE))
    if not match or not (match[2] or match[3]):
        return None
    sign, integer, fraction, exponent = match[1].replace("+", ""), match[2].lstrip("0") or "0", match[3], match[4]
    return number_of_text(sign + integer + ("." + fraction if fraction else "") + exponent)


def is_exact_integer(value):
    """An int, or a float of integral value below 2^53 in magnitude."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(value, float) and value.is_integer() and abs(value) < 2 ** 53)


def text_of_number(value):
    """The text that `matches` with `loose` reads, as ECMAScript's Number::toString writes it."""
    if is_exact_integer(value):
        return str(int(value))
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digits)).rstrip("0")
    exponent = Decimal(repr(value)).adjusted() + 1  # value = 0.digits * 10^exponent
    if len(digits) <= exponent <= 21:
        text = digits + "0" * (exponent - len(digits))
    elif 0 < exponent <= 21:
        text = digits[:exponent] + "." + digits[exponent:]
    elif -6 < exponent <= 0:
        text = "0." + "0" * -exponent + digits
    else:
        point = "." + digits[1:] if len(digits) > 1 else ""
        text = "%s%se%+d" % (digits[0], point, exponent - 1)
    return "-" + text if sign else text


# Versions

_STRICT = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LOOSE = re.compile(
    r"[vV]?([0-9]+(?:\.[0-9]+){0,7})"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def read_version(text, loose):
    """A value whose `<` and `==` are the precedence of versions, or None."""
    match = (_LOOSE if loose else _STRICT).fullmatch(text)
    if not match:
        return None
    if loose:
        core, pre_release = match.group(1).split("."), match.group(2)
    else:
        core, pre_release = list(match.group(1, 2, 3)), match.group(4)
    core = [_natural(n) for n in core] + [_natural("0")] * (8 - len(core))
    if max(core) > _natural(str(2 ** 64 - 1)):
        return None
    if pre_release is None:
        return core, 1, []  # above every pre-release of the same core
    identifiers = [(0, _natural(i)) if i.isdigit() else (1, i) for i in pre_release.split(".")]
    return core, 0, identifiers


def _natural(digits):
    """Orders like the number, whatever its length."""
    digits = digits.lstrip("0")
    return len(digits), digits


# Addresses

def read_address(text):
    """(address family, address as an integer), or None."""
    dotted = text.rpartition(":")[2]
    if "." in dotted and any(len(part) > 1 and part[0] == "0" for part in dotted.split(".")):
        return None  # `ipaddress` forbids leading zeros only since 3.9.5
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address.version, int(address)


def read_block(text):
    """(family, low bits to drop, remaining bits) of a CIDR block, or None."""
    address_text, slash, length = text.partition("/")
    address = read_address(address_text)
    if address is None:
        return None
    family, bits = address
    width = 32 if family == 4 else 128
    drop = 0
    if slash:
        if not re.fullmatch("0|[1-9][0-9]{0,2}", length) or int(length) > width:
            return None
        drop = width - int(length)
    return family, drop, bits >> drop


# Regular expressions

class BeyondReference(Exception):
    """A pattern that the Rust dialect knows and this evaluator does not try to read."""


_PLAIN_ESCAPES = r"\.+*?()|[]{}^$#&-~/"


def compile_pattern(pattern):
    """A Python regex of the same meaning, or None where the pattern is an error.

    Only what both dialects share is read: literals, `.`, classes of characters and ranges,
    `\\d \\w \\s \\b` and their negations, `\\xHH`, groups, `|`, `* + ? {m,n}` with `?`, `^`,
    `$` (which in Python would also match before a last line feed) and a leading `(?i)`. `\\w` and
    `(?i)` differ in rare letters: use them with ASCII. Look-around and back-references are errors.
    """
    out = []
    at = 0
    if pattern.startswith("(?i)"):
        out.append("(?i)")
        at = 4
    in_class = False
    while at < len(pattern):
        c = pattern[at]
        following = pattern[at + 1:at + 2]
        if c == "\\":
            if following.isdigit():
                return None
            if following == "x" and re.match("[0-9A-Fa-f]{2}", pattern[at + 2:at + 4]):
                pass
            elif following in ("b", "B") and in_class:
                raise BeyondReference(pattern)
            elif not following:
                return None
            elif following not in "dDwWsSbBtnrfv" + _PLAIN_ESCAPES:
                raise BeyondReference(pattern)
            out.append(c + following)
            at += 2
            continue
        if in_class:
            if c == "[" or pattern[at:at + 2] in ("&&", "--", "~~"):
                raise BeyondReference(pattern)
            in_class = c != "]"
        elif c == "[":
            in_class = True
            if following == "]" or pattern[at + 1:at + 3] == "^]":
                raise BeyondReference(pattern)
        elif c == "$":
            c = r"\Z"
        elif c == "(" and following == "?":
            if re.match(r"\(\?(=|!|<=|<!)", pattern[at:]):
                return None
            if not re.match(r"\(\?(:|P<[A-Za-z]+>)", pattern[at:]):
                raise BeyondReference(pattern)
        elif c == "{":
            if not re.match(r"\{[0-9]{1,3}(,[0-9]{0,3})?\}", pattern[at:]):
                raise BeyondReference(pattern)
        elif c in "*+?" and following in ("+", "*"):
            raise BeyondReference(pattern)
        out.append(c)
        at += 1
    try:
        return re.compile("".join(out))
    except re.error:
        return None


def padded_version(text):
    """A key for sorting: section 4.5, padded versions."""
    text = (text or "0").removeprefix("v").split("+")[0]
    parts = re.split("[-.]", text)
    if len(parts) == 3:
        parts.append("~")
    return "-".join(part.rjust(5) if re.fullmatch("[0-9]+", part) else part for part in parts)


def follow(value, pointer):
    """What a JSON pointer leads to, or None."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and re.fullmatch("0|[1-9][0-9]*", step):
            value = value[int(step)] if len(step) < 10 and int(step) < len(value) else None
        else:
            return None
    return value
