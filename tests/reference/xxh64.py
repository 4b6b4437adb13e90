"""XXH64, from the algorithm's description (xxHash specification, version 0.1.1)."""

_MASK = (1 << 64) - 1
_P1 = 0x9E3779B185EBCA87
_P2 = 0xC2B2AE3D27D4EB4F
_P3 = 0x165667B19E3779F9
_P4 = 0x85EBCA77C2B2AE63
_P5 = 0x27D4EB2F165667C5


def _rotate_left(x, bits):
    return ((x << bits) | (x >> (64 - bits))) & _MASK


def _round(accumulator, lane):
    accumulator = (accumulator + lane * _P2) & _MASK
    return _rotate_left(accumulator, 31) * _P1 & _MASK


def _merge(accumulator, lane):
    accumulator ^= _round(0, lane)
    return (accumulator * _P1 + _P4) & _MASK


def xxh64(data, seed=0):
    """The 64-bit hash of the bytes `data` as an integer."""
    length = len(data)
    at = 0
    if length >= 32:
        v1 = (seed + _P1 + _P2) & _MASK
        v2 = (seed + _P2) & _MASK
        v3 = seed
        v4 = (seed - _P1) & _MASK
        while at + 32 <= length:
            v1 = _round(v1, int.from_bytes(data[at:at + 8], "little"))
            v2 = _round(v2, int.from_bytes(data[at + 8:at + 16], "little"))
            v3 = _round(v3, int.from_bytes(data[at + 16:at + 24], "little"))
            v4 = _round(v4, int.from_bytes(data[at + 24:at + 32], "little"))
            at += 32
        h = (_rotate_left(v1, 1) + _rotate_left(v2, 7)
             + _rotate_left(v3, 12) + _rotate_left(v4, 18)) & _MASK
        for lane in (v1, v2, v3, v4):
            h = _merge(h, lane)
    else:
        h = (seed + _P5) & _MASK
    h = (h + length) & _MASK

    while at + 8 <= length:
        h ^= _round(0, int.from_bytes(data[at:at + 8], "little"))
        h = (_rotate_left(h, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= length:
        h ^= int.from_bytes(data[at:at + 4], "little") * _P1 & _MASK
        h = (_rotate_left(h, 23) * _P2 + _P3) & _MASK
        at += 4
    while at < length:
        h ^= data[at] * _P5 & _MASK
        h = _rotate_left(h, 11) * _P1 & _MASK
        at += 1

    h ^= h >> 33
    h = h * _P2 & _MASK
    h ^= h >> 29
    h = h * _P3 & _MASK
    h ^= h >> 32
    return h
