"""Runs the SQL of docs/exposures.md on DuckDB, over records that `bucketry assign` writes.

Run by `cargo xtask test sql`; by hand, from the root, with the packages of requirements.txt:
    python tests/sql/exposures.py
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "exposures.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"```sql\n-- duckdb ([^\n]+)\n(.*?)```", PAGE, re.DOTALL))
HEARTBEAT = next(
    record
    for record in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    if record["rec"] == "heartbeat"
)


def exposures(folder):
    """Records of 2,000 units, some held out, as the program writes them."""
    units = folder / "units.csv"
    with units.open("w", encoding="utf-8") as file:
        print("targetingKey,country,appVersion", file=file)
        for number in range(2000):
            print(f"visitor-{number} ż,DE,2.4.1", file=file)
    command = "cargo run --release --quiet -p bucketry-cli -- assign examples/flags.json"
    arguments = ["--flag", "buy-button", "-o", folder / "out.csv", "--exposures", folder / "all"]
    subprocess.run([*command.split(), units, *arguments], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    lines = (folder / "all").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def main():
    differences = []

    def same(what, got, want):
        if got != want:
            differences.append(f"{what}: {got} but should be {want}")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        whole = exposures(folder)
        (folder / "exposures").mkdir()
        os.chdir(folder)
        # Two batches that did not come, one that came twice, and another server's copy, an hour later.
        lost = [range(41, 61), range(100, 101)]
        came = [row for row in whole if not any(row["seq"] in numbers for numbers in lost)]
        write(folder / "exposures" / "a.ndjson", came)
        write(folder / "exposures" / "b.ndjson", came[:30])
        late = [
            {**row, "producer_id": "f" * 32, "seq": number, "ts": row["ts"] + 3_600_000_000}
            for number, row in enumerate(came[10:200], start=1)
        ]
        beat = {**HEARTBEAT, "producer_id": "f" * 32, "seq": len(late) + 2}
        write(folder / "exposures" / "c.ndjson", [*late, beat])

        connection = duckdb.connect()
        connection.execute(QUERIES.pop("records"))
        connection.execute(QUERIES.pop("exposures"))

        def rows(title):
            result = connection.execute(QUERIES.pop(title))
            names = [column[0] for column in result.description]
            return [dict(zip(names, values)) for values in result.fetchall()]

        same("wrong ids", rows("wrong-ids"), [])
        ids = {row["event_id"] for row in came}
        kept = connection.execute("SELECT event_id, producer_id FROM exposures").fetchall()
        same("exposures", {row[0] for row in kept}, ids)
        same("an exposure is there once", len(kept), len(ids))
        same("the earliest speaks", {row[1] for row in kept}, {whole[0]["producer_id"]})

        firsts = {row["unit"]: row for row in rows("first-exposures")}
        drawn = {row["unit"]: row["variant"] for row in came if "holdout" not in row}
        same("first exposures", {unit: row["variant"] for unit, row in firsts.items()}, drawn)
        same("crossovers", [row for row in firsts.values() if row["variants"] != 1], [])

        gaps = {(row["producer_id"], row["first_missing"], row["last_missing"]) for row in rows("gaps")}
        want = {(whole[0]["producer_id"], numbers[0], numbers[-1]) for numbers in lost}
        same("gaps", gaps, want | {("f" * 32, len(late) + 1, len(late) + 1)})

        dropped = sum(HEARTBEAT["dropped"].values())
        counts = {name: HEARTBEAT[name] for name in ("evaluated", "sent")}
        same("losses", rows("losses"), [{"producer_id": "f" * 32, **counts, "dropped": dropped}])

        # What the page says that a record shows by itself.
        inside = "w1 >= cut_lo AND w1 < cut_hi AND w0 < enrol_cut AND w1 < modulus"
        outside = connection.execute(f"SELECT count(*) FROM exposures WHERE NOT ({inside})").fetchone()
        same("positions outside their range", outside, (0,))
        held = connection.execute("SELECT count(*), count(propensity) FROM exposures WHERE holdout IS NOT NULL")
        held_out, with_propensity = held.fetchone()
        same("held-out units have no propensity", (held_out > 0, with_propensity), (True, 0))

    same("queries that nothing runs", list(QUERIES), [])
    print(f"{len(whole)} exposure records, 6 queries; {len(differences)} differences")
    print("\n".join(differences))
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
