"""From a document to a flag set: docs/flag-set.md, sections 1 to 8 and 10, every check."""

from . import operators
from .conditions import (Home, MAX_CONDITIONS, TARGETING_KEY, compile_tree, need_salt_for, need_two_lanes, read_hash,
                         read_per_cent, read_range, read_unit)
from .document import Node, Problem, parse
from .hashes import Hash, arm_ranges

TYPES = ("boolean", "string", "integer", "number", "object")
REASONS = ("STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT")
MAX_DEPTH_OF_USES = 32
MAX_REACHED_CONDITIONS = 100_000


class FlagSet:
    def __init__(self):
        self.revision = 0
        self.environment = None
        self.hash = Hash("xxh64")
        self.patterns = set()
        self.segments = {}
        self.layers = {}
        self.holdouts = {}
        self.flags = {}  # key to Flag, or to None for a refused flag; in the document's order
        self.diagnostics = []  # (severity, pointer, message)

    def report(self, problem, severity="error"):
        self.diagnostics.append((severity, problem.pointer, problem.message))


class Segment:
    def __init__(self, test, home):
        self.test = test
        self.home = home


class Pool:
    """A layer or a holdout: who falls where."""

    def __init__(self, unit, salt, hash_, cut=None):
        self.unit = unit
        self.salt = salt
        self.hash = hash_
        self.cut = cut  # of a holdout


class Flag:
    def __init__(self, key):
        self.key = key
        self.type = None
        self.enabled = True
        self.variants = {}
        self.default = None
        self.off = None
        self.rules = []
        self.home = None


class Rule:
    def __init__(self):
        self.id = None
        self.test = None  # None: always true
        self.start = None
        self.end = None
        self.serve = None
        self.split = None  # [(variant, [ranges])]
        self.cut = None  # of the rollout
        self.experiment = None
        self.salt = None
        self.unit = None
        self.hash = None
        self.missing_unit = "skip"
        self.otherwise = "next"
        self.reason = None

    def draws(self):
        return self.cut is not None or self.split is not None


class Experiment:
    def __init__(self, key, phase):
        self.key = key
        self.phase = phase
        self.layer = None  # its key
        self.slots = ()  # ranges of slots, sorted and merged
        self.holdouts = ()  # their keys
        self.sticky = False


def load(text):
    """The FlagSet of a document given as bytes, as text or parsed. Raises NotJson or Problem."""
    tree = parse(text) if isinstance(text, (bytes, str)) else text
    top = Node(tree)
    flag_set = FlagSet()
    members = _top_level(top, flag_set)

    counts = {"segments": 10_000, "layers": 1_000, "holdouts": 1_000, "flags": 100_000}
    maps = {}
    for name, limit in counts.items():
        maps[name] = members[name].entries() if name in members else []
        if len(maps[name]) > limit:
            members[name].fail("over %d" % limit)

    sections = (("layers", flag_set.layers, _layer), ("holdouts", flag_set.holdouts, _holdout),
                ("segments", flag_set.segments, _segment), ("flags", flag_set.flags, _flag))
    for name, target, compile_entry in sections:
        for key, node in maps[name]:
            try:
                if key in target:
                    node.fail("duplicate member")
                target[key] = None
                Node(key, node.path).name()
                target[key] = compile_entry(key, node, flag_set)
            except Problem as problem:
                target[key] = None
                flag_set.report(problem)

    _refuse_unsound(flag_set)
    if _refuse_clashing_experiments(flag_set):
        _refuse_unsound(flag_set)
    return flag_set


def _top_level(top, flag_set):
    known = ("format", "revision", "environment", "hash", "metadata",
             "segments", "layers", "holdouts", "flags")
    members = {}
    for name, node in top.unique_entries():
        if name in known:
            members[name] = node
        elif name not in ("description", "$schema") and not name.startswith("x-"):
            flag_set.report(Problem(node.path, "unknown member"), "warning")
    if "format" not in members:
        top.fail("lacks `format`")
    members["format"].integer(1, 1)
    if "revision" in members:
        flag_set.revision = members["revision"].integer(0, 2 ** 53 - 1)
    if "environment" in members:
        flag_set.environment = members["environment"].name()
    if "hash" in members:
        flag_set.hash = read_hash(members["hash"])
    if "metadata" in members:
        _metadata(members["metadata"])
    return members


def _metadata(node):
    entries = node.unique_entries()
    if len(entries) > 64:
        node.fail("over 64 members")
    for name, value in entries:
        Node(name, value.path).name()
        if not isinstance(value.value, (str, bool)):
            value.number()


def _unit(members, default):
    return read_unit(members["unit"]) if "unit" in members else default


def _hash(members, default):
    return read_hash(members["hash"]) if "hash" in members else default


def _salt(members, default):
    return members["salt"].salt() if "salt" in members else default


def _layer(key, node, flag_set):
    members = node.members(("unit", "salt", "hash"))
    pool = Pool(_unit(members, TARGETING_KEY), _salt(members, "layer:" + key),
                _hash(members, flag_set.hash))
    need_two_lanes(members.get("hash", node), pool.hash)
    return pool


def _holdout(key, node, flag_set):
    members = node.members(("percent", "unit", "salt", "hash"))
    if "percent" not in members:
        node.fail("lacks `percent`")
    pool = Pool(_unit(members, TARGETING_KEY), _salt(members, "holdout:" + key),
                _hash(members, flag_set.hash), read_per_cent(members["percent"]))
    need_two_lanes(members.get("hash", node), pool.hash)
    return pool


def _segment(_key, node, flag_set):
    home = Home(TARGETING_KEY, flag_set.hash, flag_set.patterns)
    return Segment(compile_tree(node, home), home)


# Flags

def _flag(key, node, flag_set):
    if node.is_object() and node.value.get("error") is not None:
        error = node.child("error", node.value.get("error"))
        error.fail(error.text())
    members = node.members(("type", "enabled", "variants", "default", "off", "unit", "hash",
                            "rules", "metadata", "error"))
    flag = Flag(key)
    if "type" not in members:
        node.fail("lacks `type`")
    flag.type = members["type"].one_of(*TYPES)
    if "enabled" in members:
        flag.enabled = members["enabled"].boolean()
    flag.variants = _variants(flag.type, node, members)
    for name in ("default", "off"):
        if name in members and members[name].value is not None:
            setattr(flag, name, _variant(members[name], flag))
    if "metadata" in members:
        _metadata(members["metadata"])
    if "error" in members:
        members["error"].text()

    unit = _unit(members, TARGETING_KEY)
    hash_ = _hash(members, flag_set.hash)
    flag.home = Home(unit, hash_, flag_set.patterns)
    if "rules" in members:
        ids = set()
        unnamed = False
        for rule_node in members["rules"].items(1_000):
            rule, salt_is_own = _rule(rule_node, flag, flag_set)
            if rule.id is not None and rule.id in ids:
                rule_node.child("id", rule.id).fail("not unique")
            ids.add(rule.id)
            if rule.draws() and not salt_is_own:
                if unnamed:
                    rule_node.fail("a second rule that draws without salt, experiment and id")
                unnamed = True
            flag.rules.append(rule)
    if flag.home.conditions > MAX_CONDITIONS:
        node.fail("over %d conditions" % MAX_CONDITIONS)
    return flag


def _variants(type_, node, members):
    if "variants" not in members:
        if type_ != "boolean":
            node.fail("lacks `variants`")
        return {"on": True, "off": False}
    entries = members["variants"].unique_entries()
    if len(entries) > 1_000:
        members["variants"].fail("over 1000")
    return {Node(name, value.path).name(): _value(type_, value) for name, value in entries}


def _value(type_, node):
    if type_ == "boolean":
        return node.boolean()
    if type_ == "string":
        return node.text()
    if type_ == "integer":
        return node.integer()
    if type_ == "number":
        return float(node.number())
    return node.any_json()


def _variant(node, flag):
    if node.text() not in flag.variants:
        node.fail("no such variant")
    return node.value


def _rule(node, flag, flag_set):
    """The rule, and whether its salt is not the one of all rules without id."""
    members = node.members(("id", "if", "from", "until", "serve", "split", "rollout", "experiment",
                            "salt", "unit", "hash", "missingUnit", "otherwise", "reason"))
    rule = Rule()
    if "id" in members:
        rule.id = members["id"].name()
    rule.unit = _unit(members, flag.home.unit)
    rule.hash = _hash(members, flag.home.hash)
    if "if" in members:
        rule.test = compile_tree(members["if"], flag.home)
    if "from" in members:
        rule.start = operators.read_time_operand(members["from"])
    if "until" in members:
        rule.end = operators.read_time_operand(members["until"])
        if rule.start is not None and rule.start >= rule.end:
            members["until"].fail("must be later than `from`")
    if ("serve" in members) == ("split" in members):
        node.fail("must have exactly one of serve, split")
    if "serve" in members:
        if members["serve"].value is not None:
            rule.serve = _variant(members["serve"], flag)
    else:
        rule.split = _split(members["split"], flag, rule.hash)
    if "rollout" in members:
        rule.cut = read_per_cent(members["rollout"])
        need_two_lanes(members["rollout"], rule.hash)
    if "experiment" in members:
        rule.experiment = _experiment(members["experiment"], flag_set)
    if "missingUnit" in members:
        rule.missing_unit = members["missingUnit"].one_of("skip", "zero", "error")
    if "otherwise" in members:
        rule.otherwise = members["otherwise"].one_of("next", "stop")
    if "reason" in members:
        rule.reason = members["reason"].one_of(*REASONS)

    if rule.experiment:
        default_salt = "%s/%d" % (rule.experiment.key, rule.experiment.phase)
    else:
        default_salt = "%s/%s" % (flag.key, rule.id or "")
    rule.salt = _salt(members, default_salt)
    if rule.draws():
        need_salt_for(members.get("salt", node), rule.salt, rule.hash)
    salt_is_own = "salt" in members or rule.experiment is not None or rule.id is not None
    return rule, salt_is_own


def _split(node, flag, hash_):
    if node.is_object():
        entries = [(n, value.integer(0, 1_000_000_000)) for n, value in node.unique_entries()]
        for name, value in node.entries():
            if name not in flag.variants:
                value.fail("no such variant")
        if len(entries) > 1_000:
            node.fail("over 1000 arms")
        entries.sort(key=lambda entry: entry[0].encode())
        return _weighted(node, entries, hash_)

    arms = node.items(1_000, at_least=1)
    weighted, ranged, seen = [], [], []
    for arm in arms:
        members = arm.members(("variant", "weight", "ranges"))
        if "variant" not in members:
            arm.fail("lacks `variant`")
        variant = _variant(members["variant"], flag)
        if ("weight" in members) == ("ranges" in members):
            arm.fail("must have exactly one of weight, ranges")
        if "weight" in members:
            weighted.append((variant, members["weight"].integer(0, 1_000_000_000)))
            continue
        ranges = [read_range(item, hash_.modulus) for item in members["ranges"].items(10_000)]
        ranged.append((variant, ranges))
        seen += ranges
    if not ranged:
        return _weighted(node, weighted, hash_)
    if weighted:
        node.fail("must have all `weight` or all `ranges`")
    if not 1 <= len(seen) <= 10_000:
        node.fail("must have 1 to 10000 ranges")
    seen.sort()
    if any(second[0] < first[1] for first, second in zip(seen, seen[1:])):
        node.fail("must not have ranges that overlap")
    return ranged


def _weighted(node, entries, hash_):
    if not 1 <= sum(weight for _, weight in entries) <= 2 ** 32 - 1:
        node.fail("the weights must add up to 1 to 4294967295")
    ranges = arm_ranges([weight for _, weight in entries], hash_.modulus)
    return [(variant, [pair]) for (variant, _), pair in zip(entries, ranges)]


def _experiment(node, flag_set):
    members = node.members(("key", "phase", "layer", "slots", "holdout", "sticky"))
    if "key" not in members:
        node.fail("lacks `key`")
    phase = members["phase"].integer(1, 1_000_000) if "phase" in members else 1
    experiment = Experiment(members["key"].name(), phase)
    if "layer" in members:
        if "slots" not in members:
            node.fail("lacks `slots`")
        experiment.layer = _sound(members["layer"], flag_set.layers)
        experiment.slots = _slots(members["slots"])
    elif "slots" in members:
        members["slots"].fail("not without `layer`")
    if "holdout" in members:
        holdout = members["holdout"]
        nodes = [holdout] if isinstance(holdout.value, str) else holdout.items(16, at_least=1)
        experiment.holdouts = tuple(_sound(n, flag_set.holdouts) for n in nodes)
    if "sticky" in members:
        experiment.sticky = members["sticky"].boolean()
    return experiment


def _sound(node, known):
    """The key of a layer or holdout that is there and was not refused."""
    if known.get(node.text()) is None:
        node.fail("missing or refused")
    return node.value


def _slots(node):
    single = node.is_array() and node.value and not isinstance(node.value[0], list)
    pairs = [read_range(n, 10_000) for n in ([node] if single else node.items(10_000, at_least=1))]
    merged = []
    for start, end in sorted(pairs):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


# What depends on other flags and segments

def _refuse_unsound(flag_set):
    """Refuses what uses, over whatever steps, something refused or missing or itself.

    Something is sound when all that it uses is. What never becomes sound in the rounds below
    uses something refused or missing, or lies on a cycle or leads to one.
    """
    pending = {("segment", name): s for name, s in flag_set.segments.items() if s}
    pending.update({("flag", key): f for key, f in flag_set.flags.items() if f})
    sound = {}  # to (levels of uses below it, conditions that it can reach)
    progress = True
    while progress:
        progress = False
        for who, entry in list(pending.items()):
            uses = entry.home.uses
            if any((use.kind, use.name) not in sound for use in uses):
                continue
            progress = True
            del pending[who]
            try:
                sound[who] = _weigh(entry, sound, flag_set)
            except Problem as problem:
                _refuse(flag_set, who, problem)
    for who, entry in pending.items():
        use = next(use for use in entry.home.uses if (use.kind, use.name) not in sound)
        message = "the %s `%s` is missing, refused or part of a cycle" % (use.kind, use.name)
        _refuse(flag_set, who, Problem(use.node.path, message))


def _weigh(entry, sound, flag_set):
    home = entry.home
    depth = 1
    reached = home.conditions + len(getattr(entry, "rules", ()))
    for use in home.uses:
        below, conditions = sound[use.kind, use.name]
        depth = max(depth, below + 1)
        if use.resolves:
            reached += conditions
        if use.check:
            use.check(flag_set.flags[use.name])
    if depth > MAX_DEPTH_OF_USES:
        home.uses[0].node.fail("over %d levels of segments and prerequisites" % MAX_DEPTH_OF_USES)
    if reached > MAX_REACHED_CONDITIONS:
        home.uses[0].node.fail("over %d conditions to reach" % MAX_REACHED_CONDITIONS)
    return depth, reached


def _refuse(flag_set, who, problem):
    kind, name = who
    (flag_set.segments if kind == "segment" else flag_set.flags)[name] = None
    flag_set.report(problem)


def _refuse_clashing_experiments(flag_set):
    """Whether a flag was refused because of what an earlier one says of an experiment or layer."""
    terms = {}  # experiment key to all that its rules must share
    claims = {}  # layer to {experiment key: slots}
    refused = False
    for key, flag in flag_set.flags.items():
        if flag is None:
            continue
        own_terms, own_claims = dict(terms), {layer: dict(c) for layer, c in claims.items()}
        try:
            for i, rule in enumerate(flag.rules):
                if rule.experiment:
                    where = ("flags", key, "rules", i, "experiment")
                    _claim(rule, where, own_terms, own_claims)
        except Problem as problem:
            _refuse(flag_set, ("flag", key), problem)
            refused = True
        else:
            terms, claims = own_terms, own_claims
    return refused


def _claim(rule, where, terms, claims):
    e = rule.experiment
    own = (e.phase, e.layer, e.slots, e.holdouts, e.sticky,
           rule.salt, rule.unit.names, rule.unit.empty_is_missing, rule.hash.identity())
    if terms.setdefault(e.key, own) != own:
        raise Problem(where, "differs from an earlier rule of this experiment")
    others = claims.setdefault(e.layer, {})
    if e.layer is not None:
        for other, slots in others.items():
            if other != e.key and any(a < d and c < b for a, b in e.slots for c, d in slots):
                raise Problem(where, "has slots of the experiment `%s`" % other)
        others[e.key] = e.slots
