"""Writes flag sets and contexts as requests of the protocol in __main__.py, the same for the same seed.

    python3 -m tests.reference.generate --seed 1 --sets 1000 --contexts 100

Each flag set is one line, followed by one line for each context that asks for all its flags. What rules
compare with and what contexts hold come from the same few values, so conditions are often true. About
one flag in twelve is broken in some way, and a few documents and contexts are as a whole.
"""

import argparse
import base64
import hashlib
import json
import random
import sys

from .hashes import Hash, SEPARATOR
from .xxh64 import xxh64

NOW = 1_700_000_000_000


class Token(str):
    """JSON as it is to be written: `1.0`, or 20 digits, which a Python number would change."""


class Pairs(list):
    """The members of an object, of which two may have one name."""


def write(value):
    """Compact JSON."""
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, Pairs):
        return "{%s}" % ",".join(json.dumps(k) + ":" + write(v) for k, v in value)
    if isinstance(value, dict):
        return write(Pairs(value.items()))
    if isinstance(value, list):
        return "[%s]" % ",".join(map(write, value))
    return json.dumps(value, ensure_ascii=False)


# What attributes hold and operands are made of

TEXTS = ["DE", "FR", "de", "", "a@example.com", "B@EXAMPLE.com", "żółw", "Żółw", "e\u0301", "\u00e9", "🐢",
         "a b", "5", "05", "5.0", "-1", "1e3", "true", " 5,0 ", "+,5", "5.", "\t-1\u00a0", "x" * 40]
NUMBERS = [Token(t) for t in (
    "0", "-0", "-0.0", "1", "1.0", "5", "5.0", "4.5", "-1", "-1.5", "18", "1000", "1e3", "0.1", "2.5",
    "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740992.0",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e308", "5e-324", "1e21")]
VERSIONS = ["1.2.3", "1.2.4", "1.10.0", "2.0.0-rc.1", "2.0.0-rc.10", "2.0.0", "2.0.0+b", "v2", "1.2", "01.2.3",
            "1.2.3.4", "2.0.0-alpha", " 1.2.4\t", "18446744073709551615.0.0", "1.2.3-", "x"]
ADDRESSES = ["10.0.0.1", "10.1.2.3", "192.168.1.77", "::1", "2001:db8::1", "2001:DB8:0::2", "::ffff:10.0.0.1",
             "010.0.0.1", "10.0.0.1.", "fe80::1%eth0"]
BLOCKS = ["10.0.0.0/8", "10.0.0.1", "192.168.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1/127"]
TIMES = ["2023-11-14T22:13:20Z", "2023-11-14T22:13:19.9999Z", "2023-11-15T00:13:20.001+02:00",
         "2023-11-14t22:13:20z", "2024-02-29T00:00:00Z", "1969-12-31T23:59:59.999Z", "2016-12-31T23:59:60Z",
         Token(str(NOW)), Token(str(NOW - 1)), Token("1700000000"), Token("1700000000.001"), Token("-1"),
         Token("1.7e12"), "2023-02-29T00:00:00Z", "2023-11-14 22:13:20Z", Token("1e19")]
UNITS = ["u1", "u2", "u3", "ż", "", Token("17"), Token("17.0"), Token("9007199254740992.0")]
PATTERNS = ["^a", "e$", "@example\\.com$", "[0-9]+", "^(DE|FR)$", "^.{2}$", "\\d", "^\\s*$", "(?i)^b@", "5|true",
            "\\bb\\b", "^[^x]+$", "x{10,}", "", "^-?[0-9.e+]+$"]
PREFIXES = ["a", "A", "D", "ż", "B@", "x", ""]
ELEMENTS = TEXTS[:6] + NUMBERS[:8] + [True, False]
# Objects are given out as they stand, and most readers would take `-0` for a double.
VALUES = [element for element in ELEMENTS if element != "-0"]

POOLS = {
    "country": TEXTS[:4], "note": TEXTS, "age": NUMBERS, "score": NUMBERS, "version": VERSIONS, "ip": ADDRESSES,
    "joined": TIMES, "beta": [True, False], "userId": UNITS, "tenant": UNITS, "a/b~": TEXTS[:4],
}
UNIT_NAMES = ["targetingKey", "userId", "tenant", "/user/id", "/ids/0", "$random", "age"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def pick(self, items):
        return self.random.choice(items)

    def some(self, items, at_most=3):
        return [self.pick(items) for _ in range(self.random.randint(0, at_most))]

    def maybe(self, share, members, name, make):
        if self.chance(share):
            members[name] = make()

    # Contexts

    def attribute_value(self, name):
        if self.chance(0.05):
            return None
        if self.chance(0.08):
            name = self.pick(sorted(POOLS))
            if self.chance(0.3):
                return self.pick([[], {}, ["a"], {"a": 1}, [None]])
        return self.pick(POOLS[name])

    def context(self):
        members = {}
        if self.chance(0.85):
            members["targetingKey"] = self.pick(["u%d" % i for i in range(40)] + ["", "żółw", None])
        for name in POOLS:
            self.maybe(0.7, members, name, lambda n=name: self.attribute_value(n))
        self.maybe(0.7, members, "tags", lambda: self.some(ELEMENTS + [None], 4))
        self.maybe(0.5, members, "rows", lambda: [self.some(ELEMENTS) for _ in range(2)])
        self.maybe(0.6, members, "user", lambda: {"id": self.attribute_value("userId"),
                                                   "plan": self.attribute_value("country"), "": Token("1")})
        self.maybe(0.4, members, "ids", lambda: self.some(UNITS + [None, True]))
        self.maybe(0.02, members, "$random", lambda: "attribute")
        pairs = list(members.items())
        self.random.shuffle(pairs)
        if self.chance(0.02) and pairs:
            pairs.append((pairs[0][0], self.attribute_value("userId") or "u9"))  # the last counts
        text = write(Pairs(pairs))
        if self.chance(0.004):
            text = self.pick([text[:-1], "[]", '{"targetingKey":5}', '{"a":1e999}', text + "x"])
        return text

    def request(self, experiments):
        request = {"contextText": self.context(), "now": NOW + self.pick([-2, -1, 0, 1, 1000, -10**9, 10**12])}
        self.maybe(0.3, request, "random", lambda: Token(self.random.getrandbits(64)))
        if experiments and self.chance(0.3):
            request["prior"] = [
                {"experiment": self.pick(experiments), "phase": self.pick([1, 1, 2]), "variant": self.pick(["v0", "v1", "on", "gone"])}
                for _ in range(self.random.randint(1, 3))]
        return request

    # Flag sets

    def flag_set(self):
        """(text, experiment keys)"""
        self.flags = ["f%d" % i for i in range(self.random.randint(2, 6))]
        self.types = {key: self.pick(["boolean", "boolean", "string", "integer", "number", "object"]) for key in self.flags}
        self.segments = ["s%d" % i for i in range(self.random.randint(0, 3))]
        self.layers = ["l%d" % i for i in range(self.random.randint(0, 2))]
        self.holdouts = ["h%d" % i for i in range(self.random.randint(0, 2))]
        self.experiments = {"e%d" % i: self.experiment("e%d" % i, i) for i in range(3)}
        self.variants = {}
        self.earlier_flags = []
        self.earlier_segments = []

        document = {"format": 1}
        self.maybe(0.3, document, "hash", self.two_lane_hash)
        self.maybe(0.3, document, "revision", lambda: self.random.randint(0, 9))
        self.maybe(0.05, document, "colour", lambda: "unknown")
        # A segment may use the first flag, and the flags after it may use the segment.
        first = self.flag(self.flags[0])
        self.earlier_flags.append(self.flags[0])
        document["segments"] = self.entries(self.segments, self.segment, self.break_condition)
        document["layers"] = self.entries(self.layers, lambda _: self.pool({}), self.break_pool)
        document["holdouts"] = self.entries(
            self.holdouts, lambda _: self.pool({"percent": self.per_cent()}), self.break_pool)
        flags = Pairs([(self.flags[0], first)])
        for key in self.flags[1:]:
            flag = self.flag(key)
            flags.append((key, self.break_flag(flag) if self.chance(0.08) else flag))
            self.earlier_flags.append(key)
        if self.chance(0.02):
            flags.append((self.flags[-1], {"type": "boolean"}))
        document["flags"] = flags
        text = write(document)
        if self.chance(0.01):
            text = self.pick([text[:-1], text.replace('"format":1', '"format":2'), '{"format":1,' + text[1:], "[]"])
        return text, sorted(self.experiments)

    def entries(self, names, make, break_one):
        entries = Pairs()
        for name in names:
            entry = make(name)
            entries.append((name, break_one(entry) if self.chance(0.05) else entry))
        return entries

    def segment(self, name):
        condition = self.condition(1)
        self.earlier_segments.append(name)
        return condition

    def pool(self, members):
        self.maybe(0.4, members, "unit", self.unit)
        self.maybe(0.3, members, "salt", lambda: self.pick(["pool", "żółw"]))
        self.maybe(0.3, members, "hash", self.two_lane_hash)
        return members

    def two_lane_hash(self):
        return self.pick(["xxh64", "xxh64-seed42", "sha256"])

    def unit(self):
        if self.chance(0.7):
            return self.pick(UNIT_NAMES)
        if self.chance(0.2):
            unit = {"of": self.pick([self.pick(UNIT_NAMES), self.some(UNIT_NAMES, 2) + ["targetingKey"]])}
            self.maybe(0.9, unit, "empty", lambda: "missing")
            return unit
        return [self.pick(UNIT_NAMES) for _ in range(self.random.randint(1, 3))]

    def per_cent(self):
        return Token(self.pick(["0", "100", "50", "12.5", "%d.%04d" % (self.random.randrange(100), self.random.randrange(10000))]))

    def flag(self, key):
        type_ = self.types[key]
        flag = {"type": type_}
        names = ["on", "off"]
        if type_ != "boolean" or self.chance(0.3):
            names = ["v%d" % i for i in range(self.random.randint(1, 4))]
            flag["variants"] = {name: self.value(type_) for name in names}
        self.names = names
        self.variants[key] = names
        self.maybe(0.1, flag, "enabled", lambda: self.chance(0.3))
        self.maybe(0.8, flag, "default", lambda: self.pick(names + [None]))
        self.maybe(0.5, flag, "off", lambda: self.pick(names))
        self.maybe(0.3, flag, "unit", self.unit)
        self.maybe(0.2, flag, "hash", self.two_lane_hash)
        self.maybe(0.1, flag, "metadata", lambda: {"owner": "a", "tier": NUMBERS[0]})
        if self.chance(0.92):
            flag["rules"] = [self.rule("r%d" % i) for i in range(self.random.randint(0, 5))]
        return flag

    def value(self, type_):
        return {
            "boolean": lambda: self.chance(0.5),
            "string": lambda: self.pick(TEXTS),
            "integer": lambda: self.pick([n for n in NUMBERS if not set(n) & set(".e") and n != "9223372036854775808"]),
            "number": lambda: self.pick(NUMBERS),
            "object": lambda: self.pick([[], {}, self.some(VALUES + [None]), {"plan": self.pick(TEXTS)}]),
        }[type_]()

    # Rules

    def rule(self, id_):
        rule = {"id": id_}
        self.maybe(0.65, rule, "if", lambda: self.condition(1))
        if self.chance(0.1):
            rule["from"] = self.pick(["2023-11-14T22:13:20Z", NOW, NOW - 1])
        if self.chance(0.1):
            rule["until"] = self.pick(["2023-11-14T22:13:20.001Z", NOW + 1, NOW + 1000])
        hash_ = None
        if self.chance(0.2):
            hash_ = rule["hash"] = self.pick(["xxh64", "sha256", "xxh64-seed42", self.foreign_hash()])
            if isinstance(hash_, dict):
                self.salt_for(rule, hash_)
        one_lane = isinstance(hash_, dict)
        if self.chance(0.45):
            rule["split"] = self.split(hash_["modulus"] if one_lane else 2**32)
        else:
            rule["serve"] = self.pick(self.names)
        if not one_lane:
            self.maybe(0.4, rule, "rollout", self.per_cent)
        self.maybe(0.25, rule, "unit", self.unit)
        self.maybe(0.25, rule, "missingUnit", lambda: self.pick(["skip", "zero", "error"]))
        self.maybe(0.25, rule, "otherwise", lambda: self.pick(["next", "stop"]))
        if "salt" not in rule:
            self.maybe(0.15, rule, "salt", lambda: self.pick(["s", "żółw", "s" * 40]))
        self.maybe(0.1, rule, "reason", lambda: self.pick(["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"]))
        if self.chance(0.3):
            self.join_experiment(rule)
        return rule

    def join_experiment(self, rule):
        key = self.pick(sorted(self.experiments))
        rule["experiment"] = dict(self.experiments[key])
        # All rules of an experiment are alike in this; else the later flag is refused, which is rarer.
        if self.chance(0.95):
            for name in ("salt", "unit", "hash"):
                rule.pop(name, None)
            rule["unit"] = "targetingKey"
            rule["hash"] = "xxh64"
            if isinstance(rule.get("split"), list) and "ranges" in rule["split"][0]:
                rule["split"] = self.split(2**32)

    def experiment(self, key, number):
        experiment = {"key": key}
        self.maybe(0.3, experiment, "phase", lambda: 2)
        if self.layers and self.chance(0.6):
            experiment["layer"] = self.pick(self.layers)
            start = number * 3000 if self.chance(0.9) else 0
            experiment["slots"] = self.pick([[start, start + 3000], [[start + 2000, start + 3000], [start, start + 2500]]])
        if self.holdouts and self.chance(0.6):
            experiment["holdout"] = self.pick([self.holdouts, self.holdouts[0]])
        self.maybe(0.5, experiment, "sticky", lambda: True)
        return experiment

    def split(self, modulus):
        form = self.random.randrange(3)
        if form == 0:
            return {name: self.random.randint(1, 9) for name in self.names}
        if form == 1:
            return [{"variant": self.pick(self.names), "weight": self.pick([0, 1, 5, 10**9])}
                    for _ in range(3)] + [{"variant": self.names[0], "weight": 1}]
        cuts = sorted({self.random.randint(0, modulus) for _ in range(6)} | {0, modulus})
        ranges = list(map(list, zip(cuts, cuts[1:])))
        self.random.shuffle(ranges)
        return [{"variant": self.pick(self.names), "ranges": ranges[:1]},
                {"variant": self.pick(self.names), "ranges": ranges[1:3]}]

    # Conditions

    def condition(self, level):
        kind = self.random.random()
        if level < 4 and kind < 0.12:
            return {self.pick(["all", "any"]): [self.condition(level + 1) for _ in range(self.random.randint(0, 3))]}
        if level < 4 and kind < 0.22:
            return {"not": self.condition(level + 1)}
        if kind < 0.25:
            return {"error": "reached"} if self.chance(0.05) else {"always": self.chance(0.7)}
        if kind < 0.32 and self.earlier_segments:
            return {"segment": self.pick(self.segments if self.chance(0.03) else self.earlier_segments)}
        if kind < 0.45 and self.earlier_flags:
            return self.prerequisite()
        if kind < 0.55:
            return {"position": self.position()}
        if kind < 0.58:
            return self.hashed_ids()
        if kind < 0.61:
            return self.prior_condition()
        test = self.test(self.pick(["country", "note", "age", "version", "ip", "joined", "beta", "tags", "rows"]))
        if self.chance(0.05):
            test["attribute"] = self.pick(["/user/plan", "/user/id", "/a~1b~0", "/tags/1", "/user/", "targetingKey", "$random"])
        return test

    def prior_condition(self):
        condition = {"prior": self.pick(["exp-a", "exp-b", "exp-c"])}
        self.maybe(0.6, condition, "phases", lambda: self.pick([[1, 2], [1, 3], [2, 1000001], [0, 1]]))
        self.maybe(0.5, condition, "is", lambda: self.pick(["on", "v0", ["v0", "v1"], []]))
        return condition

    def element_condition(self, level=0):
        if level < 2 and self.chance(0.4):
            return {self.pick(["all", "any"]): [self.element_condition(level + 1) for _ in range(self.random.randint(0, 3))]}
        if level < 2 and self.chance(0.2):
            return {"not": self.element_condition(level + 1)}
        test = self.test(self.pick(["country", "note", "age", "beta", "tags"]), 1)
        test["attribute"] = self.pick(["", "", "/0", "/1", "/plan"])
        return test

    def prerequisite(self):
        key = self.pick(self.flags if self.chance(0.03) else self.earlier_flags)
        form = self.random.randrange(4)
        if form == 0:
            return {"flag": key, "enabled": self.chance(0.8)}
        if form == 1:
            attribute = {"boolean": "beta", "string": "note", "integer": "age", "number": "age", "object": "tags"}
            test = self.test(attribute[self.types[key]])
            del test["attribute"]
            return {"flag": key, "value": test}
        names = self.variants.get(key, ["v0"])
        return {"flag": key, "is": self.pick([names[0], names[-1], names, names[:1]])}

    def foreign_hash(self):
        name = self.pick(sorted(Hash.WITH_MODULUS))
        hash_ = {"name": name, "modulus": self.pick([1, 10, 10000, Hash.WITH_MODULUS[name]])}
        if name in Hash.WITH_SEED:
            self.maybe(0.5, hash_, "seed", lambda: self.pick([0, 1, 86028157, 2**32 - 1]))
        if name in Hash.WITH_TEXT:
            self.maybe(0.7, hash_, "text", lambda: self.pick(["utf8", "utf16", "codePoints"]))
        return hash_

    def salt_for(self, members, hash_):
        """A salt that the hash takes."""
        if hash_["name"] in Hash.SALT_IS_SEED:
            members["salt"] = self.pick(["0", "-1", "1222652054", "-2147483648", "4294967295"])
        elif self.chance(0.1):
            members["salt"] = "\nżółw🦊"

    def position(self):
        position = {"salt": self.pick(["p", "q", "żółw"])}
        self.maybe(0.4, position, "unit", self.unit)
        self.maybe(0.3, position, "missing", lambda: self.pick(["false", "zero", "error"]))
        if self.chance(0.3):
            position["hash"] = self.two_lane_hash()
        if self.chance(0.4):
            position["percent"] = self.per_cent()
        else:
            modulus = 2**32
            if self.chance(0.2):
                hash_ = position["hash"] = self.foreign_hash()
                modulus = max(hash_["modulus"], 4)
                hash_["modulus"] = modulus
                self.salt_for(position, hash_)
            else:
                self.maybe(0.5, position, "lane", lambda: self.pick(["arm", "enrol"]))
            half = modulus // 2
            position["ranges"] = self.pick([[[0, half]], [[half, modulus]], [], [[half // 2, modulus], [0, half]]])
        return position

    def hashed_ids(self):
        salt = self.pick(["ids", "żółw"])
        units = ["u%d" % i for i in range(0, 40, self.random.randint(1, 3))] + ["17"]
        hashes = sorted(xxh64(salt.encode() + SEPARATOR + unit.encode()) for unit in units)
        condition = {"hashedIds": encode_ids(hashes), "salt": salt}
        self.maybe(0.3, condition, "unit", self.unit)
        return condition

    def test(self, attribute, nested=0):
        """A test that fits the attribute, now and then one that does not."""
        fitting = {
            "country": ["equals", "in", "contains", "startsWith", "endsWith", "matches", "inHashed"],
            "note": ["equals", "in", "contains", "startsWith", "endsWith", "matches", "number", "order", "inHashed"],
            "age": ["equals", "in", "number", "number", "matches"], "version": ["semver", "order"], "ip": ["cidr"],
            "joined": ["time"], "beta": ["equals", "in", "matches"],
            "tags": ["containsAny", "containsAll", "anyElement", "everyElement", "size"], "rows": ["anyElement", "everyElement", "size"],
        }
        operator = self.pick(fitting[attribute])
        if self.chance(0.1):
            operator = self.pick(["exists", "hasType"])
        elif self.chance(0.05):
            operator = self.pick(sorted({o for options in fitting.values() for o in options}))
        test = {"attribute": attribute}
        scalars = TEXTS[:8] + NUMBERS + [True, False]
        if operator == "equals":
            test["equals"] = self.pick(scalars)
        elif operator in ("in", "containsAny", "containsAll"):
            test[operator] = self.some(ELEMENTS if "contains" in operator else scalars, 6 if operator == "in" else 2)
        elif operator in ("contains", "startsWith", "endsWith"):
            test[operator] = self.pick([self.pick(PREFIXES), self.some(PREFIXES + TEXTS)])
        elif operator == "matches":
            test["matches"] = self.pick(PATTERNS)
        elif operator == "number":
            operator = self.pick(["lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual"])
            test[operator] = self.pick(NUMBERS)
            self.maybe(0.3, test, "lenient", lambda: self.chance(0.9))
        elif operator == "order":
            operator = self.pick(["lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual"])
            test[operator] = self.pick(TEXTS + VERSIONS)
            self.maybe(0.5, test, "collation", lambda: "paddedVersion")
        elif operator == "time":
            operator = self.pick(["before", "notAfter", "after", "notBefore"])
            test[operator] = self.pick([TIMES[0]] + TIMES[2:5] + [NOW, NOW - 1])
            self.maybe(0.4, test, "epoch", lambda: "seconds")
        elif operator == "semver":
            self.maybe(0.6, test, "loose", lambda: True)
            self.maybe(0.2, test, "lenient", lambda: True)
            versions = VERSIONS[:-2] if test.get("loose") else VERSIONS[:7]
            test["semver"] = " ".join(self.pick(["", "=", "!=", "<", "<=", ">", ">="]) + self.pick(versions)
                                      for _ in range(self.random.randint(1, 2)))
        elif operator == "cidr":
            test["cidr"] = self.pick([self.pick(BLOCKS), self.some(BLOCKS)])
        elif operator == "inHashed":
            test["inHashed"] = self.hashed_operands()
        elif operator == "exists":
            test["exists"] = self.chance(0.7)
        elif operator == "hasType":
            test["hasType"] = self.pick(["string", "number", "boolean", "array", "object"])
        elif operator == "size" and nested < 2:
            test["size"] = {self.pick(["equals", "lessThan", "greaterOrEqual"]): self.random.randint(0, 3)}
        elif operator in ("anyElement", "everyElement") and nested < 2 and self.chance(0.3):
            test[operator] = {"where": self.element_condition()}
        elif nested < 2:
            inner = self.test("tags" if attribute == "rows" else self.pick(["country", "note", "age", "beta"]), nested + 1)
            del inner["attribute"]
            test[operator] = inner
        else:
            test["exists"] = True
        if operator in ("equals", "in", "contains", "startsWith", "endsWith"):
            self.maybe(0.3, test, "ignoreCase", lambda: self.chance(0.9))
        elif operator in ("lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual", "matches", "inHashed"):
            self.maybe(0.4, test, "loose", lambda: self.chance(0.9))
        return test

    def hashed_operands(self):
        name = self.pick(["md5", "sha256"])
        operand = {"hash": name}
        self.maybe(0.3, operand, "prefix", lambda: "salt:")
        self.maybe(0.3, operand, "suffix", lambda: "\u0000")
        length = self.random.randint(1, 3)
        if self.chance(0.4):
            operand[self.pick(["first", "last"])] = length
        digests = []
        for text in self.some(TEXTS[:16], 5):
            data = text.encode()
            data = data[:length] if "first" in operand else data[-length:] if "last" in operand else data
            around = operand.get("prefix", "").encode(), operand.get("suffix", "").encode()
            digests.append(hashlib.new(name, around[0] + data + around[1]).hexdigest())
        operand["digests"] = digests
        return operand

    # Breakage: one error each

    def break_flag(self, flag):
        broken = dict(flag)
        form = self.random.randrange(12)
        if form == 0:
            broken["colour"] = "red"
        elif form == 1:
            broken["default"] = "nowhere"
        elif form == 2:
            del broken["type"]
        elif form == 3:
            broken["error"] = "not expressible"
        elif form == 4:
            broken["variants"] = {"v0": None}
        elif form == 5:
            broken["unit"] = []
        elif form == 6:
            return Pairs(list(flag.items()) + [("type", flag["type"])])
        elif form == 7:
            return self.pick([5, None, "flag", []])
        else:
            broken["rules"] = list(flag.get("rules", [])) + [self.pick([
                {"id": "x"}, {"id": "x", "serve": "nowhere"}, {"id": "x", "serve": self.names[0], "rollout": Token("1e1")},
                {"id": "x", "serve": self.names[0], "rollout": Token("12.34567")}, {"id": "x", "split": {self.names[0]: 0}},
                {"id": "x", "serve": self.names[0], "if": self.break_condition({})},
                {"id": "x", "serve": self.names[0], "from": 5, "until": 5},
                {"id": "x", "serve": self.names[0], "experiment": {"key": "e9", "layer": "nowhere", "slots": [0, 1]}},
            ])]
        return broken

    def break_condition(self, _):
        return self.pick([
            {}, 5, {"attribute": "age"}, {"attribute": "age", "equals": None}, {"attribute": "note", "matches": "("},
            {"attribute": "note", "matches": "a(?=b)"}, {"attribute": "age", "lessThan": "5"}, {"segment": "nowhere"},
            {"flag": "nowhere", "is": "on"}, {"flag": self.flags[0], "is": "nowhere"}, {"always": True, "unit": "u"},
            {"attribute": "version", "semver": ">= 1.0.0"}, {"attribute": "age", "equals": Token("1e999")},
            {"attribute": "age", "equals": 1, "loose": True}, {"hashedIds": "!", "salt": "s"},
            {"position": {"salt": "p", "ranges": [[5, 5]]}}, {"attribute": "ip", "cidr": "10.0.0.0/33"}])

    def break_pool(self, members):
        return self.pick([dict(members, colour=1), dict(members, salt=""), dict(members, unit=5), 5,
                          dict(members, hash={"name": "md5-mod", "modulus": 10})])


def encode_ids(hashes):
    """The text of `hashedIds` for ascending hashes."""
    data = bytearray()
    before = 0
    for hash_ in hashes:
        difference, before = hash_ - before, hash_
        while difference >= 0x80:
            data.append(difference & 0x7F | 0x80)
            difference >>= 7
        data.append(difference)
    return base64.b64encode(bytes(data)).decode()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--sets", type=int, default=10)
    arguments.add_argument("--contexts", type=int, default=10)
    arguments = arguments.parse_args()
    for number in range(arguments.sets):
        generator = Generator("%d/%d" % (arguments.seed, number))
        text, experiments = generator.flag_set()
        print(write({"id": "%d" % number, "flagSetId": "", "flagSetText": text}))
        for context in range(arguments.contexts):
            request = {"id": "%d/%d" % (number, context), "flagSetId": ""}
            request.update(generator.request(experiments))
            print(write(request))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main()
