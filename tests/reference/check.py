"""Checks tests/vectors against their schema and against this evaluator.

    python3 -m tests.reference.check

prints every case that differs, with what was expected, and fails if there is one. Expectations
are written by people; nothing here changes them.
"""

import json
import re
import sys
from pathlib import Path

from .__main__ import answer
from .conditions import read_hash
from .document import Members, Node, Number, parse

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
         "boolean": bool, "null": type(None)}


def schema_errors(value, schema, root, where=""):
    """What is wrong by the part of JSON Schema that schema.json uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "enum" in schema:
        return [] if value in schema["enum"] else [where + ": not one of the choices"]
    types = schema.get("type", list(TYPES))
    types = [types] if isinstance(types, str) else types
    if not any(isinstance(value, TYPES[t]) and (t != "integer" or not isinstance(value, bool))
               for t in types):
        return ["%s: not of type %s" % (where, types)]
    errors = []
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        errors.append("%s: not like %s" % (where, schema["pattern"]))
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            errors += schema_errors(item, schema["items"], root, "%s/%d" % (where, i))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        errors += ["%s: lacks %s" % (where, name)
                   for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            inner = properties.get(name, others)
            if inner is False:
                errors.append("%s: unknown member %s" % (where, name))
            else:
                errors += schema_errors(item, inner, root, "%s/%s" % (where, name))
    return errors


def unportable(tree):
    """Numbers that a JSON reader that knows only doubles would change; they must stand in text."""
    if isinstance(tree, Number):
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,15}|-?[0-9]{1,6}\.[0-9]{0,9}[1-9]", tree.token) \
                or abs(tree.value) >= 2 ** 53:
            yield tree.token
    elif isinstance(tree, Members):
        for _, value in tree:
            yield from unportable(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from unportable(value)


def joined(text):
    return "\n".join(text) if isinstance(text, list) else text


def canonical(value):
    """Equal for equal JSON values; -0.0 is not 0.0."""
    return json.dumps(value, sort_keys=True)


def normal(value):
    """As a JSON reader that knows only doubles and large integers sees it."""
    if isinstance(value, float) and value.is_integer() and str(value) != "-0.0":
        return int(value)
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {name: normal(item) for name, item in value.items()}
    return value


def check_case(case, file):
    """The differences of one case."""
    request = Members([("id", None), ("flag", case["flag"])])
    names = list(file["flagSets"])
    document = file["flagSets"][case.get("flagSet", names[0])]
    if "flagSet" not in case and len(names) != 1:
        return ["names no flag set"]
    add_document(request, document)
    if ("context" in case) == ("contextText" in case):
        return ["needs exactly one of context and contextText"]
    if "context" in case:
        request.append(("context", parse(json.dumps(case["context"]))))
    else:
        request.append(("contextText", case["contextText"]))
    for name in ("now", "random"):
        if name in case:
            request.append((name, Number(str(case[name]))))
    request.append(("prior", parse(json.dumps(case.get("prior", [])))))

    found = answer(request, {})
    found.pop("id")
    found = {name: value for name, value in found.items() if value is not None}
    expected = dict(case["expect"])
    if "valueText" in expected:
        expected["value"] = json.loads(expected.pop("valueText"))
    return [] if canonical(normal(found)) == canonical(normal(expected)) else [
        "expected %s" % canonical(expected), "found    %s" % canonical(found)]


def add_document(request, document):
    if isinstance(document, dict):
        request.append(("flagSet", parse(json.dumps(document))))
    else:
        request.append(("flagSetText", joined(document)))


def check_document(case):
    """The differences of one document."""
    if ("document" in case) == ("text" in case):
        return ["needs exactly one of document and text"]
    request = Members([("id", None)])
    add_document(request, case.get("document", case.get("text")))
    found = answer(request, {})
    expected = case["expect"]
    if "documentError" in found:
        return [] if expected.get("refused") else ["refused: " + found["documentError"]]
    if expected.get("refused"):
        return ["not refused"]
    pairs = {
        "parseErrors": found["refused"],
        "errors": [d["pointer"] for d in found["diagnostics"] if d["severity"] == "error"],
        "warnings": [d["pointer"] for d in found["diagnostics"] if d["severity"] == "warning"],
    }
    return ["%s: expected %s, found %s" % (name, expected.get(name, []), value)
            for name, value in pairs.items() if sorted(value) != sorted(expected.get(name, []))]


def check_positions(rows):
    for i, row in enumerate(rows):
        hash_ = read_hash(Node(parse(json.dumps(row["hash"]))))
        arm, enrol = hash_.positions(row["salt"], row["unit"])
        expected = (int(row["position"]), None) if "position" in row else (row["arm"], row["enrol"])
        if (arm, enrol) != expected:
            yield "row %d: found %s, %s" % (i, arm, enrol)


def main():
    failures, count, seen = [], 0, {}
    schema = json.loads((VECTORS / "schema.json").read_text(encoding="utf-8"))
    for path in sorted(VECTORS.glob("[0-9][0-9]-*.json")):
        text = path.read_text(encoding="utf-8")
        file = json.loads(text)
        failures += ["%s%s" % (path.name, e) for e in schema_errors(file, schema, schema)]
        failures += ["%s: %s belongs into text" % (path.name, t) for t in unportable(parse(text))]
        if path.stat().st_size > 400_000:
            failures.append("%s: over 400 KB" % path.name)
        for case in file.get("cases", []) + file.get("documents", []):
            count += 1
            if case["id"][:2] != path.name[:2] or seen.setdefault(case["id"], case) is not case:
                failures.append("%s: bad or repeated id %s" % (path.name, case["id"]))
            differences = check_case(case, file) if "flag" in case else check_document(case)
            if differences:
                failures.append("\n  ".join([case["id"] + " " + case.get("note", "")] + differences))
    positions = json.loads((VECTORS / "positions.json").read_text(encoding="utf-8"))
    failures += ["positions.json, " + e for e in check_positions(positions["rows"])]
    print("\n".join(failures))
    print("%d cases and %d positions, %d failures" % (count, len(positions["rows"]), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
