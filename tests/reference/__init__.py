"""An evaluator of bucketry's flag sets in plain Python, to read beside docs/flag-set.md.

It is written from docs/flag-set.md and docs/bucketing.md alone and shares no code with the
Rust core, so that an agreement of the two says something. Clarity comes before speed.
"""
