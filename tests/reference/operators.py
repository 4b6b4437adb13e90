"""The attribute tests of section 4.5, compiled to functions of a value; None is a missing one."""

import hashlib
import math
import re

from . import readings

MODIFIERS = ("ignoreCase", "loose", "epoch", "collation", "lenient")
_TEXT = ("contains", "startsWith", "endsWith")
_NUMBERS = {
    "lessThan": lambda a, b: a < b,
    "lessOrEqual": lambda a, b: a <= b,
    "greaterThan": lambda a, b: a > b,
    "greaterOrEqual": lambda a, b: a >= b,
}
_TIMES = {
    "before": lambda a, b: a < b,
    "notAfter": lambda a, b: a <= b,
    "after": lambda a, b: a > b,
    "notBefore": lambda a, b: a >= b,
}
OPERATORS = ("equals", "in", "matches", "semver", "cidr", "containsAny", "containsAll", "inHashed",
             "anyElement", "everyElement", "size", "exists", "hasType") + _TEXT + tuple(_NUMBERS) + tuple(_TIMES)
_TAKES = {
    "ignoreCase": ("equals", "in") + _TEXT,
    "loose": tuple(_NUMBERS) + ("semver", "matches", "inHashed"),
    "epoch": tuple(_TIMES),
    "collation": tuple(_NUMBERS),
    "lenient": tuple(_NUMBERS) + ("semver",),
}
MAX_OPERANDS = 100_000
MAX_TEXT_OPERANDS = 1_000
MAX_PATTERN_BYTES = 1_000
MAX_COMPARATORS = 100
MAX_NESTING = 32  # of conditions


def kind(value):
    """The type that `hasType` names, or None for a missing value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number" if math.isfinite(value) else None
    return "array" if isinstance(value, list) else "object"


def _fold(text):
    """A to Z become a to z; no other letter changes."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def _comparable(value, fold=False):
    """Equal for values that `equals` calls equal; Python's 1 == 1.0 is exact, but True == 1."""
    if fold and isinstance(value, str):
        value = _fold(value)
    return kind(value), value


def _scalar(node):
    if isinstance(node.value, (str, bool)):
        return node.value
    return node.number()


def _text_list(node, at_most):
    if isinstance(node.value, str):
        return [node]
    items = node.items(at_most)
    for item in items:
        item.text()
    return items


def read_time_operand(node):
    """Milliseconds since 1970: RFC 3339 text, or an integer."""
    if isinstance(node.value, str):
        millis = readings.read_time(node.value, at_most_fraction_digits=3)
        if millis is None:
            node.fail("must be an RFC 3339 date-time with at most three fraction digits")
        return millis
    return node.integer()


def check_level(node, level):
    if level > MAX_NESTING:
        node.fail("over %d levels of conditions" % MAX_NESTING)


def compile_test(node, members, patterns, level=1):
    """The test that `members` (of the object `node`) describe: value -> bool.

    `patterns` is the set of the regular expressions seen so far in the flag set.
    """
    named = [name for name in members if name in OPERATORS]
    check_level(node, level)
    if not named:
        node.fail("has no operator")
    operator = named[0]
    if len(named) > 1:
        members[named[1]].fail("a second operator")
    operand = members[operator]
    modifiers = _read_modifiers(operator, members)
    fold, loose, lenient = (name in modifiers for name in ("ignoreCase", "loose", "lenient"))

    if operator == "equals":
        wanted = _comparable(_scalar(operand), fold)
        return lambda v: _comparable(v, fold) == wanted
    if operator == "in":
        accepted = {_comparable(_scalar(item), fold) for item in operand.items(MAX_OPERANDS)}
        return lambda v: kind(v) in ("string", "number", "boolean") and _comparable(v, fold) in accepted
    if operator in _TEXT:
        return _text_test(operator, operand, fold)
    if operator == "matches":
        return _pattern_test(operand, loose, patterns)
    if "collation" in modifiers and not isinstance(operand.value, str):
        members["collation"].fail("only with a text to compare with")
    if lenient and isinstance(operand.value, str) and operator in _NUMBERS:
        members["lenient"].fail("only with a number to compare with")
    if operator in _NUMBERS and isinstance(operand.value, str):
        return _order_test(_NUMBERS[operator], operand.value, loose, "collation" in modifiers)
    if operator in _NUMBERS:
        return _number_test(_NUMBERS[operator], operand.number(), loose, lenient)
    if operator in _TIMES:
        return _time_test(_TIMES[operator], read_time_operand(operand), "epoch" in modifiers)
    if operator == "semver":
        return _version_test(operand, loose, lenient)
    if operator == "cidr":
        return _address_test(operand)
    if operator == "inHashed":
        return _hashed_test(operand, loose)
    if operator in ("containsAny", "containsAll"):
        limit = MAX_OPERANDS if operator == "containsAny" else MAX_TEXT_OPERANDS
        wanted = [_comparable(_scalar(item)) for item in operand.items(limit)]
        quantifier = any if operator == "containsAny" else all

        def test_elements(v):
            if kind(v) != "array":
                return False
            present = {_comparable(e) for e in v if kind(e) in ("string", "number", "boolean")}
            return quantifier(w in present for w in wanted)
        return test_elements
    if operator in ("anyElement", "everyElement") and operand.is_object() and any(
            name == "where" for name, _ in operand.value):
        passes = _element_condition(operand.members(("where",))["where"], patterns, level + 1)
        quantifier = any if operator == "anyElement" else all
        return lambda v: kind(v) == "array" and quantifier(passes(e) for e in v)
    if operator in ("anyElement", "everyElement"):
        passes = compile_test(operand, operand.members(OPERATORS + MODIFIERS), patterns,
                              level + 1)
        quantifier = any if operator == "anyElement" else all
        return lambda v: kind(v) == "array" and quantifier(passes(e) for e in v)
    if operator == "size":
        passes = compile_test(operand, operand.members(OPERATORS + MODIFIERS), patterns, level + 1)
        return lambda v: kind(v) in ("array", "object") and passes(len(v))
    if operator == "exists":
        wanted = operand.boolean()
        return lambda v: (kind(v) is not None) == wanted
    wanted = operand.one_of("string", "number", "boolean", "array", "object")
    return lambda v: kind(v) == wanted


ELEMENT_KINDS = ("all", "any", "not", "attribute", "always")


def _element_condition(node, patterns, level):
    """A condition on the element of an array: value -> bool."""
    check_level(node, level)
    if not node.is_object():
        node.fail("must be an object")
    named = [name for name, _ in node.value if name in ELEMENT_KINDS]
    if len(named) != 1:
        node.fail("must have exactly one of %s" % ", ".join(ELEMENT_KINDS))
    name = named[0]
    if name in ("all", "any"):
        tests = [_element_condition(item, patterns, level + 1)
                 for item in node.members((name,))[name].items(10_000)]
        quantifier = all if name == "all" else any
        return lambda v: quantifier(test(v) for test in tests)
    if name == "not":
        test = _element_condition(node.members(("not",))["not"], patterns, level + 1)
        return lambda v: not test(v)
    if name == "always":
        answer = node.members(("always",))["always"].boolean()
        return lambda v: answer
    members = node.members(("attribute",) + OPERATORS + MODIFIERS)
    pointer = members["attribute"].text()
    if len(pointer.encode()) > 256 or (pointer and pointer[0] != "/") or re.search("~(?![01])", pointer):
        members["attribute"].fail("not a JSON pointer into the element")
    passes = compile_test(node, members, patterns, level)
    return lambda v: passes(readings.follow(v, pointer))


def _read_modifiers(operator, members):
    given = set()
    for name in MODIFIERS:
        if name in members:
            node = members[name]
            if name == "epoch":
                node.one_of("seconds")
            elif name == "collation":
                node.one_of("paddedVersion")
            elif not node.boolean():
                continue
            if operator not in _TAKES[name]:
                node.fail("not a modifier of `%s`" % operator)
            given.add(name)
    return given


def _text_test(operator, operand, fold):
    change = _fold if fold else str
    wanted = [change(item.text()) for item in _text_list(operand, MAX_TEXT_OPERANDS)]
    if operator == "contains":
        return lambda v: kind(v) == "string" and any(w in change(v) for w in wanted)
    if operator == "startsWith":
        return lambda v: kind(v) == "string" and change(v).startswith(tuple(wanted))
    return lambda v: kind(v) == "string" and change(v).endswith(tuple(wanted))


def _pattern_test(operand, loose, patterns):
    pattern = operand.text()
    if len(pattern.encode()) > MAX_PATTERN_BYTES:
        operand.fail("over %d bytes" % MAX_PATTERN_BYTES)
    compiled = readings.compile_pattern(pattern)
    if compiled is None:
        operand.fail("not a regular expression")
    patterns.add(pattern)
    if len(patterns) > 256:
        operand.fail("over 256 distinct regular expressions")

    def test(v):
        text = _text_of(v, loose)
        return text is not None and compiled.search(text) is not None
    return test


def _text_of(v, loose):
    """The text of a string, and with `loose` of a number or a boolean; else None."""
    if kind(v) == "string":
        return v
    if loose and kind(v) == "number":
        return readings.text_of_number(v)
    if loose and kind(v) == "boolean":
        return "true" if v else "false"
    return None


def _hashed_test(operand, loose):
    members = operand.members(("hash", "digests", "prefix", "suffix", "first", "last"))
    for required in ("hash", "digests"):
        if required not in members:
            operand.fail("lacks `%s`" % required)
    name = members["hash"].one_of("md5", "sha256")
    digests = set()
    for item in members["digests"].items(MAX_OPERANDS):
        if not re.fullmatch("[0-9a-f]{%d}" % (32 if name == "md5" else 64), item.text()):
            item.fail("not a digest in lower-case hexadecimal")
        digests.add(item.value)
    around = []
    for side in ("prefix", "suffix"):
        data = members[side].text().encode() if side in members else b""
        if len(data) > 1_024:
            members[side].fail("over 1024 bytes")
        around.append(data)
    if "first" in members and "last" in members:
        members["last"].fail("not beside `first`")
    first = members["first"].integer(1, 10_000) if "first" in members else None
    last = members["last"].integer(1, 10_000) if "last" in members else None

    def test(v):
        text = _text_of(v, loose)
        if text is None:
            return False
        data = text.encode()
        if len(data) < (first or last or 0):
            return False
        if first:
            data = data[:first]
        elif last:
            data = data[-last:]
        return hashlib.new(name, around[0] + data + around[1]).hexdigest() in digests
    return test


def _number_test(compare, wanted, loose, lenient):
    def test(v):
        if lenient and kind(v) == "string":
            v = readings.lenient_number(v)
        elif loose and kind(v) == "string":
            v = readings.number_of_text(v)
        return kind(v) == "number" and compare(v, wanted)
    return test


def _order_test(compare, wanted, loose, padded):
    change = readings.padded_version if padded else str

    def test(v):
        if loose and kind(v) == "number":
            v = readings.text_of_number(v)
        return kind(v) == "string" and compare(change(v), change(wanted))
    return test


def _time_test(compare, wanted, in_seconds):
    def test(v):
        millis = None
        if kind(v) == "string":
            millis = readings.read_time(v)
        elif kind(v) == "number":
            millis = readings.time_of_number(v, in_seconds)
        return millis is not None and compare(millis, wanted)
    return test


def _version_test(operand, loose, lenient):
    comparators = []
    texts = operand.text().split(" ")
    if len(texts) > MAX_COMPARATORS:
        operand.fail("over %d comparators" % MAX_COMPARATORS)
    for text in texts:
        sign = next((s for s in ("!=", "<=", ">=", "<", ">", "=") if text.startswith(s)), "")
        version = readings.read_version(text[len(sign):], loose)
        if version is None:
            operand.fail("`%s` is not a comparator" % text)
        comparators.append((sign or "=", version))
    compare = {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }

    def test(v):
        if lenient and kind(v) == "string":
            v = v.strip(readings.SPACE)
        version = readings.read_version(v, loose) if kind(v) == "string" else None
        return version is not None and all(compare[s](version, w) for s, w in comparators)
    return test


def _address_test(operand):
    blocks = []
    for item in _text_list(operand, MAX_TEXT_OPERANDS):
        block = readings.read_block(item.text())
        if block is None:
            item.fail("not an address or a block")
        blocks.append(block)

    def test(v):
        address = readings.read_address(v) if kind(v) == "string" else None
        if address is None:
            return False
        family, bits = address
        return any(family == f and bits >> drop == rest for f, drop, rest in blocks)
    return test
