"""Evaluates requests, one JSON object a line on standard input, one answer a line on output.

    python3 -m tests.reference < requests.ndjson > answers.ndjson

A request has these members:

    id           any value, returned
    flagSet      the flag set as JSON, or `flagSetText`: as text
    flagSetId    names the flag set for later lines, which then need only this
    flag         the flag's key; null or absent: all flags, in the document's order
    context      the evaluation context as JSON, or `contextText`: as text; without either the
                 flag set is only loaded
    now          milliseconds since 1970; default 0
    random       the number for `$random`
    prior        [{"experiment", "phase", "variant"}]

An answer has `id` and

    value, variant, reason, errorCode, ruleId, assignment     for one flag
    flags: {key: {value, variant, ...}}                       for all flags
    refused: [flag keys], diagnostics: [{severity, pointer, message}]    for a flag set alone
    documentError: message                                    where the whole document is refused
"""

import json
import sys

from .document import MAX_DEPTH, Members, NotJson, Problem, parse, plain
from .evaluate import Context, InvalidContext, Resolution, resolve
from .load import load


def answer(request, cache):
    """The answer to one parsed request (Members); `cache` maps flag set ids to flag sets."""
    result = {"id": plain(request.get("id"))}
    flag_set = _flag_set(request, cache)
    if isinstance(flag_set, str):
        result["documentError"] = flag_set
        return result

    if request.get("context") is None and request.get("contextText") is None:
        result["refused"] = [key for key, flag in flag_set.flags.items() if flag is None]
        result["diagnostics"] = [
            {"severity": severity, "pointer": pointer, "message": message}
            for severity, pointer, message in flag_set.diagnostics]
        return result

    now = request.get("now")
    now = 0 if now is None else now.value
    try:
        context = _context(request)
        decide = lambda key: resolve(flag_set, key, context, now)
    except InvalidContext:
        decide = lambda key: Resolution("ERROR", error="INVALID_CONTEXT")
    key = request.get("flag")
    if key is None:
        result["flags"] = {key: _plain_resolution(decide(key)) for key in flag_set.flags}
    else:
        result.update(_plain_resolution(decide(key)))
    return result


def _flag_set(request, cache):
    """A FlagSet, or the message with which the document was refused."""
    document = request.get("flagSetText", request.get("flagSet"))
    name = request.get("flagSetId")
    if document is None:
        return cache[name]
    try:
        flag_set = load(document)
    except NotJson as error:
        flag_set = str(error)
    except Problem as problem:
        flag_set = "%s: %s" % (problem.pointer, problem.message)
    if name is not None:
        cache[name] = flag_set
    return flag_set


def _context(request):
    random = request.get("random")
    prior = [(p["experiment"], p["phase"], p["variant"]) for p in plain(request.get("prior") or [])]
    # Beyond 2^63 a JSON number is a double, but `$random` has 64 bits without a sign.
    random = None if random is None else int(random.token)
    text = request.get("contextText")
    if text is not None:
        return Context.from_json(text, random, prior)
    try:
        return Context.from_members(plain(request.get("context")), random, prior)
    except NotJson as error:
        raise InvalidContext(str(error)) from None


def _plain_resolution(resolution):
    return {
        "value": resolution.value,
        "variant": resolution.variant,
        "reason": resolution.reason,
        "errorCode": resolution.error,
        "ruleId": resolution.rule_id,
        "assignment": resolution.assignment and {
            name: v for name, v in resolution.assignment.items() if v is not None},
    }


def main():
    cache = {}
    for line in sys.stdin.buffer:
        # The context or flag set of a request is one level below it.
        request = parse(line, MAX_DEPTH + 1)
        assert isinstance(request, Members), "a request is an object"
        sys.stdout.write(json.dumps(answer(request, cache), ensure_ascii=False))
        sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main()
