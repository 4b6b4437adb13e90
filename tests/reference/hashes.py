"""Positions, ranges and cuts: docs/bucketing.md, and section 8 of docs/flag-set.md."""

import hashlib
import re
from functools import lru_cache

from .xxh64 import xxh64

LANE = 1 << 32
SEPARATOR = b"\x1f"
_SEED = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)


@lru_cache(maxsize=65536)
def _native(name, salt, unit):
    data = salt.encode() + SEPARATOR + unit.encode()
    if name == "sha256":
        digest = hashlib.sha256(data).digest()
        return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")
    h = xxh64(data, 42 if name == "xxh64-seed42" else 0)
    return h >> 32, h % LANE


def _rotated(word, bits):
    return (word << bits | word >> (32 - bits)) % LANE


def murmur3_32(data, seed):
    """MurmurHash3 x86-32."""
    h = seed
    whole = len(data) - len(data) % 4
    for at in range(0, len(data), 4):
        k = int.from_bytes(data[at:at + 4], "little") * 0xCC9E2D51 % LANE
        h ^= _rotated(k, 15) * 0x1B873593 % LANE
        if at < whole:
            h = (_rotated(h, 13) * 5 + 0xE6546B64) % LANE
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B % LANE
    h = (h ^ h >> 13) * 0xC2B2AE35 % LANE
    return h ^ h >> 16


def fnv1a_32(numbers):
    h = 0x811C9DC5
    for number in numbers:
        h = (h ^ number) * 0x01000193 % LANE
    return h


def utf16(text):
    data = text.encode("utf-16-le", "surrogatepass")
    return [int.from_bytes(data[at:at + 2], "little") for at in range(0, len(data), 2)]


def text_units(text, units):
    """The numbers that a text is hashed as."""
    if units == "utf16":
        return utf16(text)
    return [ord(c) for c in text] if units == "codePoints" else list(text.encode())


def seed_of(salt):
    """The seed that a salt writes, modulo 2^32; None if it writes none."""
    if not _SEED.fullmatch(salt) or not -(1 << 31) <= int(salt) < LANE:
        return None
    return int(salt) % LANE


def _foreign(hash_, salt, unit):
    """The number whose remainder is the position: docs/bucketing.md, section 2."""
    name = hash_.name
    joined = (salt + unit).encode()
    if name == "md5-mod":
        return int.from_bytes(hashlib.md5(joined).digest()[:4], "big")
    if name == "sha1-60-mod":
        return int(hashlib.sha1(joined).hexdigest()[:15], 16)
    if name == "sha1-28-mod":
        return int(hashlib.sha1(joined).hexdigest()[:7], 16)
    if name == "murmur3-32-mod":
        return murmur3_32(joined, hash_.seed)
    if name == "murmur3-32-seed-mod":
        return murmur3_32(unit.encode(), seed_of(salt))
    if name == "polynomial31-seed-mod":
        h = 0
        for number in utf16(unit):
            h = (31 * h + number) % LANE
        h ^= seed_of(salt)
        return LANE - h if h >= LANE // 2 else h
    if name == "fnv1a-32-suffix-mod":
        return fnv1a_32(text_units(unit + salt, hash_.text))
    if name == "fnv1a-32-twice-mod":
        return fnv1a_32(str(fnv1a_32(text_units(salt + unit, hash_.text))).encode())
    return int.from_bytes(hashlib.sha256((unit + salt).encode()).digest()[:4], "little")


class Hash:
    """A hash profile. Two of equal name, modulus, seed and text are the same."""

    NATIVE = ("xxh64", "xxh64-seed42", "sha256")
    # Each with its largest modulus.
    WITH_MODULUS = {
        "md5-mod": LANE,
        "sha1-60-mod": 1 << 60,
        "sha1-28-mod": 1 << 28,
        "murmur3-32-mod": LANE,
        "murmur3-32-seed-mod": LANE,
        "polynomial31-seed-mod": LANE,
        "fnv1a-32-suffix-mod": LANE,
        "fnv1a-32-twice-mod": LANE,
        "sha256-le-suffix-mod": LANE,
    }
    WITH_SEED = ("murmur3-32-mod",)
    WITH_TEXT = ("fnv1a-32-suffix-mod", "fnv1a-32-twice-mod")
    SALT_IS_SEED = ("murmur3-32-seed-mod", "polynomial31-seed-mod")

    def __init__(self, name, modulus=LANE, seed=0, text="utf8"):
        self.name = name
        self.modulus = modulus
        self.seed = seed
        self.text = text
        self.lanes = 2 if name in self.NATIVE else 1

    def takes(self, salt):
        """Whether positions can be computed under this salt."""
        return self.name not in self.SALT_IS_SEED or seed_of(salt) is not None

    def positions(self, salt, unit):
        """(arm, enrolment) of the unit; with one lane the enrolment position is None."""
        if self.lanes == 2:
            return _native(self.name, salt, unit)
        return _foreign(self, salt, unit) % self.modulus, None

    def zero(self):
        """The positions of a missing unit where the document says "zero"."""
        return 0, (0 if self.lanes == 2 else None)

    def identity(self):
        return self.name, self.modulus, self.seed, self.text


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
