"""Runs the SQL of docs/bucketing.md on DuckDB and ClickHouse and compares the positions with
tests/vectors/positions.json.

Run by `cargo xtask test sql`; by hand, from the root, with the packages of requirements.txt:
    python tests/sql/check.py
"""

import json
import pathlib
import re
import sys
import tempfile

import chdb
import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What the page says is run, and what is therefore run.
RUN = ["clickhouse xxh64", "clickhouse sha256", "duckdb sha256", "duckdb md5-mod 10000",
       "duckdb sha1-60-mod 1152921504606846976", "duckdb sha1-28-mod 100", "clickhouse murmur3-32-mod 100",
       "clickhouse sha256-le-suffix-mod 4294967296"]


def queries():
    """The page's queries by their first line."""
    page = (ROOT / "docs" / "bucketing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n-- ([^\n]+)\n(.*?)```", page, re.DOTALL)
    return {title: query for title, query in blocks}


def hash_of(title):
    """The hash, as the vectors write it, of a query's title."""
    name, *modulus = title.split()[1:]
    return {"name": name, "modulus": int(modulus[0])} if modulus else name


def positions(title):
    rows = json.loads((ROOT / "tests" / "vectors" / "positions.json").read_text(encoding="utf-8"))
    found = [row for row in rows["rows"] if row["hash"] == hash_of(title)]
    return [dict(row, arm=int(row["position"])) if "position" in row else row for row in found]


def run_duckdb(query, rows):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE units (salt VARCHAR, unit VARCHAR)")
    connection.executemany(
        "INSERT INTO units VALUES (?, ?)", [(row["salt"], row["unit"]) for row in rows]
    )
    result = connection.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, values)) for values in result.fetchall()]


def run_clickhouse(query, rows):
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson", encoding="utf-8") as file:
        for row in rows:
            print(json.dumps({"salt": row["salt"], "unit": row["unit"]}), file=file)
        file.flush()
        source = f"file('{file.name}', JSONEachRow, 'salt String, unit String')"
        answer = chdb.query(query.replace("FROM units", f"FROM {source}"), "JSONEachRow")
        return [json.loads(line) for line in str(answer).splitlines() if line]


def check(title, query):
    """The number of positions compared, and what differs."""
    rows = positions(title)
    if not rows:
        return 0, [f"{title}: no positions to compare"]
    run = run_duckdb if title.startswith("duckdb") else run_clickhouse
    found = {(row["salt"], row["unit"]): row for row in run(query, rows)}
    differences = []
    for row in rows:
        got = found.get((row["salt"], row["unit"]), {})
        for lane in ("arm", "enrol"):
            if lane in row and lane in got and int(got[lane]) != row[lane]:
                differences.append(f"{title}: {row} but {lane} {got[lane]}")
        if "arm" not in got:
            differences.append(f"{title}: no answer for {row}")
    return len(rows), differences


def main():
    known = queries()
    failed = 0
    for title in RUN:
        if title not in known:
            print(f"{title}: docs/bucketing.md has no such query")
            failed += 1
            continue
        compared, differences = check(title, known[title])
        print(f"{title}: {compared} positions, {len(differences)} differences")
        for difference in differences[:10]:
            print(f"  {difference}")
        failed += bool(differences)
    print(f"{len(RUN) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
