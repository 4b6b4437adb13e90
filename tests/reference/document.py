"""JSON as docs/flag-set.md section 1 reads it: exact numbers, duplicates seen, places known."""

import json
import math

MAX_BYTES = 64 << 20
MAX_DEPTH = 64
MAX_NUMBER_TOKEN = 128
I64_MIN, I64_MAX = -(1 << 63), (1 << 63) - 1


class NotJson(Exception):
    """The text is refused as a whole."""


class Problem(Exception):
    """An error at one place of a document."""

    def __init__(self, path, message):
        super().__init__(message)
        self.pointer = "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)
        self.message = message


def read_number(token):
    """The int or float that a JSON number means, or None when there is none."""
    if len(token) > MAX_NUMBER_TOKEN:
        return None
    if not any(c in token for c in ".eE"):
        integer = int(token)
        if I64_MIN <= integer <= I64_MAX:
            return integer
    double = float(token)
    return double if math.isfinite(double) else None


class Number:
    """A number of a document: its text, and its value (None: it has none)."""

    __slots__ = ("token", "value")

    def __init__(self, token):
        self.token = token
        self.value = read_number(token)


class Members(list):
    """An object of a document: (name, value) pairs as written."""

    def get(self, name, default=None):
        """The last member of that name."""
        for known, value in reversed(self):
            if known == name:
                return value
        return default


def _refuse_constant(token):
    raise NotJson("`%s` is not JSON" % token)


def parse(text, max_depth=MAX_DEPTH):
    """Parses bytes or text to None, bool, str, Number, list and Members."""
    if isinstance(text, bytes):
        if len(text) > MAX_BYTES:
            raise NotJson("over %d bytes" % MAX_BYTES)
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotJson("not UTF-8: %s" % error) from None
    try:
        tree = json.loads(text[1:] if text[:1] == "\ufeff" else text, object_pairs_hook=Members, parse_int=Number, parse_float=Number,
                          parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from None
    _check_depth_and_text(tree, max_depth)
    return tree


def _check_depth_and_text(tree, max_depth):
    pending = [(tree, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise NotJson("half a surrogate pair") from None
        elif isinstance(value, list):
            if depth == max_depth:
                raise NotJson("over %d levels deep" % max_depth)
            for item in value:
                if isinstance(value, Members):
                    pending.append((item[0], depth + 1))
                    item = item[1]
                pending.append((item, depth + 1))


def plain(value):
    """A context's value: dict, list and scalars. Of two members of one name, the last counts.

    Raises NotJson for a number that has no value.
    """
    if isinstance(value, Number):
        if value.value is None:
            raise NotJson("number out of range or too long")
        return value.value
    if isinstance(value, Members):
        return {name: plain(item) for name, item in value}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


class Node:
    """A value of a document and where it stands. Its methods read it, or raise a Problem."""

    __slots__ = ("value", "path")

    def __init__(self, value, path=()):
        self.value = value
        self.path = path

    def fail(self, message):
        raise Problem(self.path, message)

    def child(self, step, value):
        return Node(value, self.path + (step,))

    def is_object(self):
        return isinstance(self.value, Members)

    def is_array(self):
        return isinstance(self.value, list) and not self.is_object()

    def entries(self):
        """[(name, Node)] of a map from names, as written."""
        if not self.is_object():
            self.fail("must be an object")
        return [(name, self.child(name, value)) for name, value in self.value]

    def unique_entries(self):
        """As `entries`; a duplicate is an error."""
        seen = set()
        entries = self.entries()
        for name, node in entries:
            if name in seen:
                node.fail("duplicate member")
            seen.add(name)
        return entries

    def members(self, known):
        """{name: Node} of an object whose members the documentation names."""
        members = {}
        for name, node in self.unique_entries():
            if name == "description" or name.startswith("x-"):
                continue
            if name not in known:
                node.fail("unknown member")
            members[name] = node
        return members

    def items(self, at_most, at_least=0):
        if not self.is_array():
            self.fail("must be an array")
        if not at_least <= len(self.value) <= at_most:
            self.fail("must have %d to %d elements" % (at_least, at_most))
        return [self.child(i, value) for i, value in enumerate(self.value)]

    def text(self):
        if not isinstance(self.value, str):
            self.fail("must be a string")
        return self.value

    def name(self, at_most=256, allowed=""):
        text = self.text()
        if not 1 <= len(text.encode()) <= at_most:
            self.fail("must have 1 to %d bytes" % at_most)
        if any((c < " " or c == "\x7f") and c not in allowed for c in text):
            self.fail("must not have control characters")
        return text

    def salt(self):
        return self.name(1024, "\n")

    def boolean(self):
        if not isinstance(self.value, bool):
            self.fail("must be true or false")
        return self.value

    def number(self):
        """An int or a float."""
        if not isinstance(self.value, Number):
            self.fail("must be a number")
        if self.value.value is None:
            self.fail("number out of range or too long")
        return self.value.value

    def integer(self, low=I64_MIN, high=I64_MAX):
        value = self.number()
        if not isinstance(value, int) or not low <= value <= high:
            self.fail("must be an integer from %d to %d" % (low, high))
        return value

    def one_of(self, *choices):
        text = self.text()
        if text not in choices:
            self.fail("must be one of %s" % ", ".join(choices))
        return text

    def any_json(self):
        """The value as dicts, lists and scalars; duplicates and valueless numbers are errors."""
        if self.is_object():
            return {name: node.any_json() for name, node in self.unique_entries()}
        if self.is_array():
            return [self.child(i, item).any_json() for i, item in enumerate(self.value)]
        return self.number() if isinstance(self.value, Number) else self.value
