"""Resolution: section 3.3 of docs/flag-set.md step by step, and the assignment of 3.5."""

from .conditions import ResolveError
from .document import Members, NotJson, parse, plain
from .hashes import hit, slot_start

MAX_ATTRIBUTES = 1_000


class InvalidContext(Exception):
    pass


class Context:
    """What a caller gives: section 9."""

    def __init__(self, targeting_key=None, attributes=None, random=None, prior=()):
        self.targeting_key = targeting_key
        self.attributes = attributes or {}
        self.random = random
        self.prior = prior  # [(experiment, phase, variant)]

    @classmethod
    def from_members(cls, members, random=None, prior=()):
        """From a dict of plain values."""
        attributes = dict(members)
        key = attributes.pop("targetingKey", None)
        if key is not None and not isinstance(key, str):
            raise InvalidContext("`targetingKey` must be a string or null")
        if len(attributes) > MAX_ATTRIBUTES:
            raise InvalidContext("over %d attributes" % MAX_ATTRIBUTES)
        return cls(key, attributes, random, prior)

    @classmethod
    def from_json(cls, text, random=None, prior=()):
        try:
            tree = parse(text)
            if not isinstance(tree, Members):
                raise InvalidContext("must be an object")
            return cls.from_members(plain(tree), random, prior)
        except NotJson as error:
            raise InvalidContext(str(error)) from None


class Resolution:
    def __init__(self, reason, variant=None, value=None, rule_id=None, error=None, assignment=None):
        self.reason = reason
        self.variant = variant
        self.value = value
        self.rule_id = rule_id
        self.error = error
        self.assignment = assignment


class Call:
    """One resolution of one flag and of the flags that it depends on."""

    def __init__(self, flag_set, context, now):
        self.flag_set = flag_set
        self.context = context
        self.now = now

    def resolve(self, key):
        try:
            return _resolve(self, key)
        except ResolveError as error:
            return Resolution("ERROR", error=error.code)


def resolve(flag_set, key, context, now):
    """The Resolution of one flag at `now`, milliseconds since 1970."""
    return Call(flag_set, context, now).resolve(key)


def _resolve(call, key):
    # Steps 1 to 4.
    if key not in call.flag_set.flags:
        raise ResolveError("FLAG_NOT_FOUND")
    flag = call.flag_set.flags[key]
    if flag is None:
        raise ResolveError("PARSE_ERROR")
    if not flag.enabled:
        return Resolution("DISABLED", flag.off, flag.variants.get(flag.off))
    if flag.rules and len(call.context.attributes) > MAX_ATTRIBUTES:
        raise ResolveError("INVALID_CONTEXT")

    # Step 5.
    held_out = None
    for rule in flag.rules:
        outcome = _try(rule, flag, call)
        if outcome.served:
            reason = rule.reason or ("SPLIT" if rule.draws() else "TARGETING_MATCH")
            assignment = outcome.assignment or held_out
            return _resolution(flag, reason, outcome.variant, assignment, rule.id)
        held_out = held_out or outcome.assignment
        if outcome.stop:
            break

    # Step 6.
    static = not flag.rules and flag.default is not None
    return _resolution(flag, "STATIC" if static else "DEFAULT", flag.default, held_out)


def _resolution(flag, reason, variant, assignment, rule_id=None):
    if assignment is not None:
        assignment = dict(assignment, variant=variant, reason=reason)
    return Resolution(reason, variant, flag.variants.get(variant), rule_id, assignment=assignment)


class _Outcome:
    """What trying one rule led to: it served a variant or null, or the next rule follows, or the end."""

    def __init__(self, served=False, variant=None, stop=False, assignment=None):
        self.served = served
        self.variant = variant
        self.stop = stop
        self.assignment = assignment  # without a variant: of a unit that was held out


_PASS = _Outcome()


def _try(rule, flag, call):
    context = call.context
    experiment = rule.experiment

    # 5.1, 5.2
    if rule.start is not None and call.now < rule.start:
        return _PASS
    if rule.end is not None and call.now >= rule.end:
        return _PASS
    if rule.test is not None and not rule.test(call):
        return _PASS

    unit = rule.unit.find(context)
    assignment = None
    if experiment and unit:
        assignment = {
            "flag": flag.key, "rule": rule.id,
            "experiment": experiment.key, "phase": experiment.phase,
            "unitType": unit[0], "unit": unit[1],
            "layer": experiment.layer, "modulus": rule.hash.modulus, "enrolCut": rule.cut,
        }

    # 5.3
    if experiment and experiment.sticky:
        prior = [v for key, phase, v in context.prior
                 if (key, phase) == (experiment.key, experiment.phase)]
        if prior and prior[-1] in flag.variants:
            return _Outcome(True, prior[-1], assignment=assignment and dict(assignment, sticky="hit"))

    # 5.4
    arm = enrol = None
    if rule.draws() or experiment:
        if unit:
            arm, enrol = rule.hash.positions(rule.salt, unit[1])
        elif rule.missing_unit == "skip":
            return _PASS
        elif rule.missing_unit == "error":
            raise ResolveError("TARGETING_KEY_MISSING")
        else:
            arm, enrol = rule.hash.zero()
    if assignment and rule.draws():
        assignment.update(arm=arm, enrol=enrol)

    not_enrolled = _Outcome(stop=rule.otherwise == "stop")

    # 5.5
    if experiment and experiment.layer is not None:
        layer = call.flag_set.layers[experiment.layer]
        layer_unit = layer.unit.find(context)
        if layer_unit is None:
            return _PASS
        layer_position, _ = layer.hash.positions(layer.salt, layer_unit[1])
        slots = [(slot_start(start), slot_start(end)) for start, end in experiment.slots]
        if hit(slots, layer_position) is None:
            return not_enrolled
        if assignment:
            assignment["layerPosition"] = layer_position

    # 5.6
    if rule.cut is not None and enrol >= rule.cut:
        return not_enrolled

    # 5.7
    variant = rule.serve
    if rule.split is not None:
        for name, ranges in rule.split:
            arm_range = hit(ranges, arm)
            if arm_range:
                variant = name
                if assignment:
                    assignment["armRange"] = list(arm_range)
        if variant is None:
            return not_enrolled

    # 5.8
    for name in experiment.holdouts if experiment else ():
        holdout = call.flag_set.holdouts[name]
        holdout_unit = holdout.unit.find(context)
        if holdout_unit:
            _, position = holdout.hash.positions(holdout.salt, holdout_unit[1])
            if position < holdout.cut:
                return _Outcome(stop=not_enrolled.stop,
                                assignment=assignment and dict(assignment, holdout=name))

    # 5.9
    if assignment and experiment.sticky:
        assignment["sticky"] = "write"
    return _Outcome(True, variant, assignment=assignment)
