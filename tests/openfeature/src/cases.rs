//! From feature files to cases: the steps of each scenario, of each row of an outline.

use std::path::Path;

use gherkin::{Feature, GherkinEnv, Scenario, Step, Table};

/// One scenario with its values filled in.
pub(crate) struct Case {
    /// The file, the scenario, and the row.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// All cases of all feature files in the folder, in the order of their names.
pub(crate) fn read(folder: &Path) -> Result<Vec<Case>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "feature")
        {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        let feature = Feature::parse(plain(&text), GherkinEnv::default());
        let feature = feature.map_err(|error| format!("{file}: {error}"))?;
        let background = feature
            .background
            .map_or(Vec::new(), |background| background.steps);
        for scenario in &feature.scenarios {
            add(&file, &background, scenario, &mut cases);
        }
    }
    Ok(cases)
}

/// The same in what that parser takes: no empty lines and comments between rows, and no backslash before a quotation
/// mark in a cell.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('|') {
            plain.push_str(&line.replace(r#"\""#, "\""));
        } else if !line.starts_with('#') {
            plain.push_str(line);
        }
        if !line.is_empty() {
            plain.push('\n');
        }
    }
    plain
}

fn add(file: &str, background: &[Step], scenario: &Scenario, cases: &mut Vec<Case>) {
    let steps = || background.iter().chain(&scenario.steps).cloned();
    if scenario.examples.is_empty() {
        let name = format!("{file}: {}", scenario.name);
        cases.push(Case {
            name,
            steps: steps().collect(),
        });
        return;
    }
    for table in scenario
        .examples
        .iter()
        .filter_map(|examples| examples.table.as_ref())
    {
        let Some((names, rows)) = table.rows.split_first() else {
            continue;
        };
        for row in rows {
            let fill = |text: &str| {
                let mut text = text.to_owned();
                for (name, value) in names.iter().zip(row) {
                    text = text.replace(&format!("<{name}>"), value);
                }
                text
            };
            let filled = steps().map(|step| Step {
                value: fill(&step.value),
                table: step.table.clone().map(|table| Table {
                    rows: table
                        .rows
                        .iter()
                        .map(|row| row.iter().map(|cell| fill(cell)).collect())
                        .collect(),
                    ..table
                }),
                ..step
            });
            let name = format!("{file}: {} ({})", scenario.name, row.join(", "));
            cases.push(Case {
                name,
                steps: filled.collect(),
            });
        }
    }
}
