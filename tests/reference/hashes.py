"""Positions, ranges and cuts: docs/bucketing.md, and section 8 of docs/flag-set.md."""

import hashlib
from functools import lru_cache

from .xxh64 import xxh64

LANE = 1 << 32
SEPARATOR = b"\x1f"


@lru_cache(maxsize=65536)
def _native(name, salt, unit):
    data = salt.encode() + SEPARATOR + unit.encode()
    if name == "sha256":
        digest = hashlib.sha256(data).digest()
        return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")
    h = xxh64(data, 42 if name == "xxh64-seed42" else 0)
    return h >> 32, h % LANE


class Hash:
    """A hash profile. Two of equal name and modulus are the same."""

    NATIVE = ("xxh64", "xxh64-seed42", "sha256")
    WITH_MODULUS = ("md5-mod",)

    def __init__(self, name, modulus=LANE):
        self.name = name
        self.modulus = modulus
        self.lanes = 2 if name in self.NATIVE else 1

    def positions(self, salt, unit):
        """(arm, enrolment) of the unit; with one lane the enrolment position is None."""
        if self.lanes == 2:
            return _native(self.name, salt, unit)
        digest = hashlib.md5((salt + unit).encode()).digest()
        return int.from_bytes(digest[:4], "big") % self.modulus, None

    def zero(self):
        """The positions of a missing unit where the document says "zero"."""
        return 0, (0 if self.lanes == 2 else None)

    def identity(self):
        return self.name, self.modulus


def rollout_cut(parts_per_million):
    """A rollout admits the enrolment positions below this."""
    return parts_per_million * LANE // 1_000_000


def arm_ranges(weights, modulus):
    """For each weight in order the half-open range of the arm lane that it owns."""
    total = sum(weights)
    ranges = []
    before = 0
    for weight in weights:
        ranges.append((before * modulus // total, (before + weight) * modulus // total))
        before += weight
    return ranges


def slot_start(slot):
    """Where slot 0..10000 of a layer begins in the arm lane."""
    return slot * LANE // 10_000


def hit(ranges, position):
    """The first of the half-open ranges that holds the position, or None."""
    for start, end in ranges:
        if start <= position < end:
            return start, end
    return None
