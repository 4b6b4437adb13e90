"""Generated Unleash documents and contexts with what Unleash's own engine answers, one JSON object a line:
{"format", "document", "cases": [{"context", "random", "flags": {key: value}}]}.

python unleash.py SEED DOCUMENTS, where the package `UnleashClient` (6.9, with `yggdrasil-engine`) is installed.
"""

import json
import random
import sys

from yggdrasil_engine.engine import UnleashEngine

rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
pick = rng.choice
chance = lambda p: rng.random() < p
some = lambda make, most: [make() for _ in range(rng.randint(0, most))]

TEXTS = ["dev", "prod", "Prod", "é", "É", "żółw", "5", "12.5", "a@b.com", "x y", "abc", "ABC", "-3"]
FIELDS = ["userId", "sessionId", "environment", "appName", "country", "plan", "score", "version", "joined", "absent", "remoteAddress", "currentTime"]
NUMBERS = ["5", "12.5", "-3", "0", "18"]
VERSIONS = ["1.2.3", "1.10.0", "2.0.0-rc.1", "2.0.0", "v1.2.3", "0.0.1"]
DATES = ["2022-01-29T13:00:00.000Z", "2022-01-22T11:00:00+02:00", "2030-01-01T00:00:00Z"]
PATTERNS = ["^a", "b$", "[0-9]+", "(", "^(?i)ABC$", "(a)\\1", "[[:alpha:]]"]
BLOCKS = ["10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "nonsense", "192.168.0.1"]


def constraint():
    kind = rng.randrange(7)
    out = {"contextName": pick(FIELDS)}
    if kind == 0:
        out.update(operator=pick(["IN", "NOT_IN"]), values=some(lambda: pick(TEXTS), 4))
    elif kind == 1:
        out.update(operator=pick(["STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS"]),
                   values=[pick(TEXTS + ["a", "b", "o"])] + some(lambda: pick(TEXTS), 2))
        if chance(0.5):
            out["caseInsensitive"] = True
    elif kind == 2:
        out.update(contextName=pick(["score", "absent", "userId"]),
                   operator="NUM_" + pick(["EQ", "GT", "GTE", "LT", "LTE"]), value=pick(NUMBERS))
    elif kind == 3:
        out.update(contextName=pick(["joined", "currentTime"]), operator=pick(["DATE_AFTER", "DATE_BEFORE"]), value=pick(DATES))
    elif kind == 4:
        out.update(contextName=pick(["version", "absent"]), operator="SEMVER_" + pick(["EQ", "GT", "LT"]), value=pick(VERSIONS))
    elif kind == 5:
        out.update(operator="REGEX", value=pick(PATTERNS))
        if chance(0.3):
            out["caseInsensitive"] = True
        if out["value"] in ("(", "(a)\\1"):
            return out
    else:
        out.update(contextName="remoteAddress", operator="IN_CIDR", values=[pick(BLOCKS)] + some(lambda: pick(BLOCKS), 2))
    if chance(0.3):
        out["inverted"] = True
    return out


def variants(strategy):
    return [dict({"name": "v%d" % i, "weight": pick([0, 1, 33, 500])},
                 **({"payload": {"type": "string", "value": "p%d" % i}} if chance(0.6) else {}),
                 **({"overrides": [{"contextName": "userId", "values": ["u1", "u7"]}]} if not strategy and chance(0.2) else {}),
                 **({"stickiness": stickiness} if not strategy else {}))
            for stickiness in [pick(["default", "userId", "country"])] for i in range(rng.randint(1, 3))] + [
        {"name": "last", "weight": 10, **({"stickiness": "default"} if not strategy else {})}]


def strategy(group):
    name = pick(["default", "userWithId", "flexibleRollout", "flexibleRollout", "flexibleRollout", "gradualRolloutUserId",
                 "gradualRolloutSessionId", "gradualRolloutRandom", "remoteAddress", "own"])
    out = {"name": name, "parameters": {}}
    if name == "userWithId":
        out["parameters"] = {"userIds": "u1, u2,7"}
    elif name == "flexibleRollout":
        out["parameters"] = {"rollout": pick(["0", "10", "50", "99", "100"]), "stickiness": pick(["default", "userId", "sessionId", "country"])}
        # The engine hashes a parent that has no group id under the name of the toggle that asks.
        if chance(0.6) or group in ("f0", "f1", "f2"):
            out["parameters"]["groupId"] = pick([group, "żółw", "g"])
    elif name.startswith("gradualRollout"):
        random_ = name.endswith("Random")
        out["parameters"] = {"percentage": pick(["0", "100"] if random_ else ["0", "33", "100"]), "groupId": "g"}
    elif name == "remoteAddress":
        out["parameters"] = {"IPs": ", ".join(pick(BLOCKS) for _ in range(2))}
    if chance(0.5):
        out["constraints"] = some(constraint, 2)
    if chance(0.2):
        out["segments"] = [pick([1, 2, 2, 404])]
    if chance(0.4):
        out["variants"] = variants(True) if chance(0.6) else []
    return out


def document():
    features = []
    for i in range(5):
        name = "f%d" % i
        feature = {"name": name, "enabled": chance(0.9), "strategies": some(lambda: strategy(name), 3)}
        if chance(0.4):
            feature["variants"] = variants(False)
        if i > 1 and chance(0.4):
            parent = pick(["f0", "f1", "f2", "nowhere"])
            # Without `enabled` version 2.0 of the engine reads false, where the documentation says true.
            dependency = {"feature": parent, "enabled": chance(0.7)}
            feature["dependencies"] = [dependency]
        features.append(feature)
    return {"version": 2, "features": features, "meta": {"revisionId": 7},
            "segments": [{"id": 1, "constraints": some(constraint, 2)}, {"id": 2, "constraints": [constraint()]}]}


def context():
    fields = {"currentTime": pick(DATES)}
    # Whoever has neither is drawn at random, and then nobody can be compared.
    fields["userId"] = pick(["u1", "u2", "u7", "7", "żółw", "12.5", "abc"])
    fields["sessionId"] = pick(["s1", "s2", "5"])
    properties = {"country": pick(TEXTS)}
    for name, values in (("environment", TEXTS), ("appName", TEXTS), ("remoteAddress", ["10.1.2.3", "2001:db8::1", "192.168.0.1", "x"])):
        if chance(0.7):
            fields[name] = pick(values)
    for name, values in (("plan", TEXTS), ("score", NUMBERS + ["x"]), ("version", VERSIONS + ["1.2"]), ("joined", DATES + ["x"])):
        if chance(0.7):
            properties[name] = pick(values)
    return fields, properties


for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10):
    state = document()
    engine = UnleashEngine()
    engine.take_state(json.dumps(state))
    cases = []
    for _ in range(10):
        fields, properties = context()
        asked = dict(fields, properties=properties)
        flags = {}
        for feature in state["features"]:
            name = feature["name"]
            flags[name] = engine.is_enabled(name, asked).is_enabled
            if feature.get("variants") or any(s.get("variants") for s in feature["strategies"]):
                variant = engine.get_variant(name, asked).variant
                value = None
                if variant.enabled:
                    value = {"name": variant.name}
                    if variant.payload:
                        value["payload"] = dict(variant.payload)
                flags[name + ":variant"] = value
        cases.append({"context": dict(properties, **fields), "random": rng.getrandbits(32), "flags": flags})
    print(json.dumps({"format": "unleash", "document": state, "cases": cases}))
