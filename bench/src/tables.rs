//! The results as tables, for a terminal or for Markdown.

use std::fmt::Write as _;

use crate::results::{Results, Way};

/// A scenario, what its column is called, and nanoseconds in the unit of the column.
const EVALUATION: [(&str, &str, f64); 7] = [
    ("S1", "S1 ns", 1.0),
    ("S2", "S2 ns", 1.0),
    ("S3", "S3 ns", 1.0),
    ("S4", "S4 ns", 1.0),
    ("S5a", "S5a µs", 1e3),
    ("S5b", "S5b µs", 1e3),
    ("C", "C ns", 1.0),
];

/// A floor, and what its row is called.
const FLOORS: [(&str, &str); 9] = [
    ("lookup", "map look-up, one key of 1,000"),
    (
        "lookup of a random key",
        "map look-up, a random key of 1,000",
    ),
    ("xxh64", "XXH64 of 24 bytes"),
    (
        "xxh64 in a row",
        "XXH64 of 24 bytes, each waiting for the last",
    ),
    ("xxh64 of salt and key", "XXH64 of 46 bytes"),
    ("S2", "S2 of 1,000"),
    ("S3", "S3 of 1,000, attributes as text"),
    ("S3 typed", "S3 of 1,000, attributes prepared"),
    ("S4", "S4"),
];

struct Table {
    title: &'static str,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: &'static str, header: &[&str]) -> Self {
        Self {
            title,
            rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows[0].len();
        let width = |row: &Vec<String>, column: usize| row[column].chars().count();
        (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .map(|row| width(row, column))
                    .max()
                    .unwrap_or(0)
            })
            .collect()
    }

    fn plain(&self) -> String {
        let widths = self.widths();
        let mut text = format!("{}\n", self.title);
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                let (left, right) = if column == 0 {
                    ("", padding)
                } else {
                    (padding.as_str(), String::new())
                };
                let _ = write!(line, "{left}{cell}{right}   ");
            }
            let _ = writeln!(text, "  {}", line.trim_end());
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        for (n, row) in self.rows.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if n == 0 {
                let _ = writeln!(text, "| --- |{}", " --: |".repeat(row.len() - 1));
            }
        }
        text
    }
}

/// Three significant digits, thousands separated.
fn number(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => whole(value),
    }
}

fn factor(value: f64, over: Option<f64>) -> String {
    over.map_or(String::new(), |over| format!("×{}", number(value / over)))
}

fn evaluation(results: &Results) -> Table {
    let mut header = vec!["", "S1 ns", "×"];
    for (_, name, _) in &EVALUATION[1..] {
        header.extend([name, "×"]);
    }
    let title = "Evaluation: CPU time (allocations), and how many times bucketry's";
    let mut table = Table::new(title, &header);
    for way in results.ways() {
        let mut row = vec![way.name.clone()];
        for (scenario, _, unit) in EVALUATION {
            let Some(ns) = way.get(scenario, "ns") else {
                row.extend([String::new(), String::new()]);
                continue;
            };
            let allocations = way.get(scenario, "allocations").unwrap_or(0.0);
            row.push(format!("{} ({})", number(ns / unit), count(allocations)));
            let ours = results
                .bucketry()
                .and_then(|bucketry| bucketry.get(scenario, "ns"));
            row.push(factor(ns, ours));
        }
        table.rows.push(row);
    }
    table
}

/// An average number of allocations.
fn count(value: f64) -> String {
    if value >= 100.0 || (value - value.round()).abs() < 0.05 {
        whole(value)
    } else {
        format!("{value:.1}")
    }
}

/// A whole number, thousands separated.
fn whole(value: f64) -> String {
    grouped(&format!("{value:.0}"))
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn fastest(results: &Results) -> Table {
    let mut table = Table::new(
        "bucketry beside the fastest peer of each scenario",
        &["", "bucketry", "fastest peer", "which", "×"],
    );
    for (scenario, name, unit) in EVALUATION.into_iter().chain([("S6", "S6 ms", 1e6)]) {
        let ours = results
            .bucketry()
            .and_then(|bucketry| bucketry.get(scenario, "ns"));
        let mut main = "";
        let peers = results.ways().filter_map(|way| {
            if !way.name.starts_with('–') {
                main = &way.name;
            }
            let named = match main == way.name {
                true => way.name.clone(),
                false => format!("{main} {}", way.name),
            };
            (way.program != "bucketry").then_some((named, way.get(scenario, "ns")?))
        });
        let best = peers.min_by(|(_, a), (_, b)| a.total_cmp(b));
        if let (Some(ours), Some((which, theirs))) = (ours, best) {
            let times = factor(theirs, Some(ours));
            table.rows.push(vec![
                name.to_owned(),
                number(ours / unit),
                number(theirs / unit),
                which,
                times,
            ]);
        }
    }
    table
}

fn loading(results: &Results) -> Table {
    let mut table = Table::new(
        "S6, loading 1,000 flags from JSON",
        &[
            "",
            "document kB",
            "load ms",
            "× bucketry",
            "`Value` ms",
            "load / `Value`",
            "kept kB",
            "kept / document",
            "blocks",
        ],
    );
    for way in results.ways() {
        let get = |name| way.get("S6", name);
        let (Some(ns), Some(document), Some(kept), Some(blocks)) = (
            get("ns"),
            get("document"),
            get("kept bytes"),
            get("kept blocks"),
        ) else {
            continue;
        };
        let value = way.get("S6 value", "ns").unwrap_or(f64::NAN);
        let ours = results
            .bucketry()
            .and_then(|bucketry| bucketry.get("S6", "ns"));
        table.rows.push(vec![
            way.name.clone(),
            number(document / 1e3),
            number(ns / 1e6),
            factor(ns, ours),
            number(value / 1e6),
            number(ns / value),
            number(kept / 1e3),
            number(kept / document),
            whole(blocks),
        ]);
    }
    table
}

fn floors(results: &Results) -> Table {
    let mut table = Table::new(
        "Floors: the same work by hand, ns",
        &["", "beside bucketry", "lowest and highest of all programs"],
    );
    for (floor, name) in FLOORS {
        let own = results
            .floors("bucketry")
            .and_then(|floors| floors.get(floor, "ns"));
        if let (Some(own), Some((low, high))) = (own, results.spread(floor)) {
            let range = format!("{} – {}", number(low), number(high));
            table.rows.push(vec![name.to_owned(), number(own), range]);
        }
    }
    table
}

/// bucketry against the floors measured beside it, as far as the design sets a bound.
fn budgets(results: &Results) -> Table {
    let mut table = Table::new(
        "bucketry over its floors",
        &["", "ns", "floor ns", "ratio", "bound"],
    );
    let Some(floors) = results.floors("bucketry") else {
        return table;
    };
    let floor = |name| floors.get(name, "ns");
    let way = |name: &str| {
        results
            .ways()
            .find(|way| way.program == "bucketry" && way.name.contains(name))
    };
    let ns = |way: Option<&Way>, scenario: &str| way.and_then(|way| way.get(scenario, "ns"));
    let by_key = results.bucketry();
    let by_handle = way("by handle");
    let lookup = floor("lookup");
    let both = lookup
        .zip(floor("xxh64"))
        .map(|(lookup, hash)| lookup + hash);
    let random = floor("lookup of a random key")
        .zip(floor("xxh64"))
        .map(|(lookup, hash)| lookup + hash);
    let rows = [
        (
            "on/off by key among 1,000, over lookup",
            ns(by_key, "S1 of 1,000"),
            lookup,
            2.0,
        ),
        (
            "split by key among 1,000, over lookup + xxh64",
            ns(by_key, "S2 of 1,000"),
            both,
            2.0,
        ),
        (
            "split by handle, over xxh64",
            ns(by_handle, "S2"),
            floor("xxh64"),
            2.0,
        ),
        (
            "five rules by key among 1,000, over lookup + xxh64",
            ns(by_key, "S3 of 1,000"),
            both,
            6.0,
        ),
        (
            "S4, over lookup of a random key + xxh64",
            ns(by_key, "S4"),
            random,
            2.0,
        ),
    ];
    for (what, ours, floor, bound) in rows {
        if let (Some(ours), Some(floor)) = (ours, floor) {
            let ratio = number(ours / floor);
            table.rows.push(vec![
                what.to_owned(),
                number(ours),
                number(floor),
                ratio,
                number(bound),
            ]);
        }
    }
    if let Some(bucketry) = by_key {
        let value = bucketry.get("S6 value", "ns");
        if let (Some(ours), Some(value)) = (bucketry.get("S6", "ns"), value) {
            let row = [
                "load of 1,000 flags, over `Value`",
                &number(ours),
                &number(value),
                &number(ours / value),
                "3.00",
            ];
            table.rows.push(row.map(str::to_owned).to_vec());
        }
    }
    table
}

/// All tables, after the lines that say what was measured where.
pub(crate) fn report(about: &[String], results: &Results, markdown: bool) -> String {
    let tables = [
        fastest(results),
        evaluation(results),
        loading(results),
        floors(results),
        budgets(results),
    ];
    let mut text = about.join("\n") + "\n";
    for table in &tables {
        let _ = write!(
            text,
            "\n{}",
            if markdown {
                table.markdown()
            } else {
                table.plain()
            }
        );
    }
    text
}
