"""Conditions, units and attribute names (sections 4 and 6), compiled to functions of a call.

A call (evaluate.Call) holds the flag set, the context and the time of one resolution.
"""

import base64
import binascii
import re

from . import operators, readings
from .document import Problem
from .hashes import Hash, LANE, SEPARATOR, hit, rollout_cut
from .xxh64 import xxh64

KINDS = ("all", "any", "not", "segment", "flag", "position", "hashedIds", "prior", "attribute", "always", "error")
MAX_CONDITIONS = 10_000
MAX_RANGES = 1_000
MAX_IDS = 5_000_000
_ROLLOUT = re.compile(r"([0-9]+)(?:\.([0-9]{1,4}))?|-0(?:\.0{1,4})?")


class ResolveError(Exception):
    """Ends a resolution with reason ERROR."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Use:
    """That a flag or segment depends on another one."""

    def __init__(self, kind, name, node, resolves=True, check=None):
        self.kind = kind  # "flag" or "segment"
        self.name = name
        self.node = node  # where the name stands
        self.resolves = resolves  # False: only the flag's `enabled` is looked at
        self.check = check  # called with the flag, once it is known to be sound


class Home:
    """What the conditions of one flag or segment share."""

    def __init__(self, unit, hash_, patterns):
        self.unit = unit  # the default of `position`
        self.hash = hash_
        self.patterns = patterns
        self.uses = []
        self.conditions = 0


# Attribute names, units, hashes, per cents

def read_attribute_name(node):
    """The function from a context to the attribute's value, or None."""
    name = node.name()
    if name == "targetingKey":
        return lambda context: context.targeting_key
    if name == "$random":
        return lambda context: None if context.random is None else str(context.random)
    if not name.startswith("/"):
        return lambda context: context.attributes.get(name)
    if re.search("~(?![01])", name):
        node.fail("not a JSON pointer")
    return lambda context: readings.follow(context.attributes, name)


class Unit:
    """One name or several, of which the first that is present counts."""

    def __init__(self, names, readers, empty_is_missing=False):
        self.names = names
        self.readers = readers
        self.empty_is_missing = empty_is_missing

    def find(self, context):
        """(unit type, unit), or None."""
        for name, read in zip(self.names, self.readers):
            value = read(context)
            if self.empty_is_missing and not value:
                continue
            if isinstance(value, str):
                return name, value
            if readings.is_exact_integer(value):
                return name, str(int(value))
        return None


def read_unit(node):
    empty_is_missing = False
    if node.is_object():
        members = node.members(("of", "empty"))
        if "of" not in members:
            node.fail("lacks `of`")
        if "empty" in members:
            empty_is_missing = members["empty"].one_of("missing") == "missing"
        node = members["of"]
    nodes = [node] if isinstance(node.value, str) else node.items(8, at_least=1)
    return Unit([n.name() for n in nodes], [read_attribute_name(n) for n in nodes],
                empty_is_missing)


TARGETING_KEY = Unit(["targetingKey"], [lambda context: context.targeting_key])


def read_hash(node):
    if isinstance(node.value, str):
        return Hash(node.one_of(*Hash.NATIVE))
    members = node.members(("name", "modulus", "seed", "text"))
    for required in ("name", "modulus"):
        if required not in members:
            node.fail("lacks `%s`" % required)
    name = members["name"].one_of(*Hash.WITH_MODULUS)
    seed, text = 0, "utf8"
    if "seed" in members:
        if name not in Hash.WITH_SEED:
            members["seed"].fail("unknown member")
        seed = members["seed"].integer(0, LANE - 1)
    if "text" in members:
        if name not in Hash.WITH_TEXT:
            members["text"].fail("unknown member")
        text = members["text"].one_of("utf8", "utf16", "codePoints")
    return Hash(name, members["modulus"].integer(1, Hash.WITH_MODULUS[name]), seed, text)


def need_salt_for(node, salt, hash_):
    """A salt may be a seed, and then it must be one."""
    if not hash_.takes(salt):
        node.fail("must be an integer from -2147483648 to 4294967295")


def need_two_lanes(node, hash_):
    if hash_.lanes != 2:
        node.fail("needs a hash with two lanes")


def read_per_cent(node):
    """The cut of a `rollout` or `percent`."""
    node.number()
    match = _ROLLOUT.fullmatch(node.value.token)
    if not match:
        node.fail("must be a number in plain notation with at most four decimals")
    parts_per_million = int((match.group(1) or "0") + ((match.group(2) or "") + "0000")[:4])
    if parts_per_million > 1_000_000:
        node.fail("must be 0 to 100")
    return rollout_cut(parts_per_million)


def read_range(node, limit):
    try:
        start, end = [item.integer(0, limit) for item in node.items(2, at_least=2)]
    except Problem:
        start, end = 0, 0
    if start >= end:
        node.fail("must be [start, end] with 0 <= start < end <= %d" % limit)
    return start, end


# Conditions

def compile_tree(node, home):
    """The function call -> bool of the condition of a rule or segment."""
    before = home.conditions
    test = compile_condition(node, home, 1)
    if home.conditions - before > MAX_CONDITIONS:
        node.fail("over %d conditions" % MAX_CONDITIONS)
    return test


def compile_condition(node, home, level):
    """The function call -> bool."""
    operators.check_level(node, level)
    home.conditions += 1
    if not node.is_object():
        node.fail("must be an object")
    present = {name for name, _ in node.value}
    named = [kind for kind in KINDS if kind in present]
    if len(named) != 1:
        node.fail("must have exactly one of %s" % ", ".join(KINDS))
    kind = named[0]

    if kind in ("all", "any"):
        tests = [compile_condition(item, home, level + 1)
                 for item in node.members((kind,))[kind].items(MAX_CONDITIONS)]
        if kind == "all":
            return lambda call: all(test(call) for test in tests)
        return lambda call: any(test(call) for test in tests)
    if kind == "not":
        test = compile_condition(node.members(("not",))["not"], home, level + 1)
        return lambda call: not test(call)
    if kind == "always":
        answer = node.members(("always",))["always"].boolean()
        return lambda call: answer
    if kind == "error":
        node.members(("error",))["error"].text()
        return _fail
    if kind == "segment":
        member = node.members(("segment",))["segment"]
        name = member.text()
        home.uses.append(Use("segment", name, member))
        return lambda call: call.flag_set.segments[name].test(call)
    if kind == "flag":
        return _prerequisite(node, home)
    if kind == "position":
        return _position(node.members(("position",))["position"], home)
    if kind == "hashedIds":
        return _hashed_ids(node)
    if kind == "prior":
        return _prior(node)
    members = node.members(("attribute",) + operators.OPERATORS + operators.MODIFIERS)
    read = read_attribute_name(members["attribute"])
    passes = operators.compile_test(node, members, home.patterns, level)
    return lambda call: passes(read(call.context))


def _fail(call):
    raise ResolveError("PARSE_ERROR")


def _served(call, key):
    """What a prerequisite resolves to; its PARSE_ERROR is the asking flag's, too."""
    resolution = call.resolve(key)
    if resolution.error == "PARSE_ERROR":
        raise ResolveError("PARSE_ERROR")
    return resolution


def _prerequisite(node, home):
    members = node.members(("flag", "is", "enabled", "value"))
    if len(members) != 2:
        node.fail("must have exactly one of is, enabled, value")
    key = members["flag"].text()

    if "enabled" in members:
        wanted = members["enabled"].boolean()
        home.uses.append(Use("flag", key, members["flag"], resolves=False))
        return lambda call: call.flag_set.flags[key].enabled == wanted

    if "is" in members:
        node = members["is"]
        nodes = [node] if isinstance(node.value, str) else node.items(1_000)
        names = [n.text() for n in nodes]

        def check(flag):
            for name_node in nodes:
                if name_node.value not in flag.variants:
                    name_node.fail("`%s` has no such variant" % key)

        home.uses.append(Use("flag", key, members["flag"], check=check))
        return lambda call: _served(call, key).variant in names

    operand = members["value"]
    passes = operators.compile_test(
        operand, operand.members(operators.OPERATORS + operators.MODIFIERS), home.patterns)
    home.uses.append(Use("flag", key, members["flag"]))

    def test(call):
        resolution = _served(call, key)
        return resolution.variant is not None and passes(resolution.value)
    return test


def _position(node, home):
    members = node.members(("salt", "unit", "hash", "lane", "missing", "ranges", "percent"))
    if "salt" not in members:
        node.fail("lacks `salt`")
    if ("ranges" in members) == ("percent" in members):
        node.fail("must have exactly one of ranges, percent")
    salt = members["salt"].salt()
    unit = read_unit(members["unit"]) if "unit" in members else home.unit
    hash_ = read_hash(members["hash"]) if "hash" in members else home.hash
    need_salt_for(members["salt"], salt, hash_)
    missing = members["missing"].one_of("false", "zero", "error") if "missing" in members else "false"
    lane = 0
    if "percent" in members:
        if "lane" in members:
            members["lane"].fail("not with `percent`")
        need_two_lanes(members["percent"], hash_)
        ranges = [(0, read_per_cent(members["percent"]))]
        lane = 1
    else:
        if "lane" in members and members["lane"].one_of("arm", "enrol") == "enrol":
            need_two_lanes(members["lane"], hash_)
            lane = 1
        ranges = [read_range(n, hash_.modulus) for n in members["ranges"].items(MAX_RANGES)]

    def test(call):
        found = unit.find(call.context)
        if found:
            positions = hash_.positions(salt, found[1])
        elif missing == "zero":
            positions = hash_.zero()
        elif missing == "error":
            raise ResolveError("TARGETING_KEY_MISSING")
        else:
            return False
        return hit(ranges, positions[lane]) is not None
    return test


def read_hashed_ids(node):
    """The set of hashes that the text lists."""
    text = node.text()
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        node.fail("not base64")
    hashes = set()
    before = difference = shift = 0
    for byte in data:
        difference |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte == 0 and shift > 7:
                node.fail("a number has more bytes than it needs")
            before += difference
            if before >= 1 << 64 or before in hashes or len(hashes) == MAX_IDS:
                node.fail("not a list of at most %d ascending 64-bit hashes" % MAX_IDS)
            hashes.add(before)
            difference = shift = 0
    if shift:
        node.fail("ends inside a number")
    return hashes


def _prior(node):
    members = node.members(("prior", "phases", "is"))
    key = members["prior"].name()
    first, end = read_range(members["phases"], 1_000_001) if "phases" in members else (0, 2**32 - 1)
    names = None
    if "is" in members:
        wanted = members["is"]
        nodes = [wanted] if isinstance(wanted.value, str) else wanted.items(1_000)
        names = [item.name() for item in nodes]

    def test(call):
        found = [variant for experiment, phase, variant in call.context.prior
                 if experiment == key and first <= phase < end]
        return bool(found) and (names is None or found[-1] in names)
    return test


def _hashed_ids(node):
    members = node.members(("hashedIds", "salt", "unit"))
    if "salt" not in members:
        node.fail("lacks `salt`")
    salt = members["salt"].salt()
    unit = read_unit(members["unit"]) if "unit" in members else TARGETING_KEY
    hashes = read_hashed_ids(members["hashedIds"])

    def test(call):
        found = unit.find(call.context)
        return found is not None and xxh64(salt.encode() + SEPARATOR + found[1].encode()) in hashes
    return test
