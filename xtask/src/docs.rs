//! The documents: each code block is parsed, compiled or run, none is left unread, and every file that
//! they name is there.
//!
//! | language | what happens |
//! | --- | --- |
//! | `json` | parsed; a whole flag set must also pass `bucketry validate` |
//! | `sh` | run by bash, in a folder that holds `examples` and `docs`; must end well |
//! | `console` | each line after `$ ` is run, and must print what stands below it; `…` stands for any lines |
//! | `rust` | the file must be included in a crate's documentation, whose tests `rust` runs |
//! | `sql` | run by the part `sql` |
//! | `text` | not checked |

use crate::markdown::{Block, blocks, paths};
use crate::project::{Project, Stop, fail, read, text};
use crate::{test, tools};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The documents, or folders of them.
const DOCUMENTS: [&str; 2] = ["docs", "examples"];

/// Before each shell block. What a reader does with cargo has been done, or must not be done from
/// inside the tests; that `cargo xtask` knows the task is checked.
const PRELUDE: &str = r#"
set -euo pipefail
exec 2>&1
cargo() {
  case "$*" in
    "run --release -- demo") bucketry demo --once ;; # a reader ends it with Ctrl-C
    "run --release -- "*) shift 3; bucketry "$@" ;;
    "xtask "*) shift; printf '%s\n' "$*" >> "$XTASK_CALLS" ;;
    "install "* | "add "*) ;;
    *) command cargo "$@" ;;
  esac
}
git() { [ "$1" = clone ] || command git "$@"; }
"#;

pub(crate) fn check(project: &Project) -> Result<(), Stop> {
    tools::need("bash")?;
    project
        .command("cargo build --release --quiet -p bucketry-cli")
        .run()?;
    let shell = Shell::new(project)?;
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in documents(project)? {
        let included = is_included(project, &document)?;
        let name = project.relative(&document).display().to_string();
        let markdown = read(&document)?;
        for (line, path) in paths(&markdown) {
            if is_missing(project, &document, path) {
                wrong.push(format!("{name}:{line}: there is no `{path}`"));
            }
        }
        for block in blocks(&markdown) {
            checked += 1;
            let result = match block.language.as_str() {
                "json" => json(&shell, &block),
                "sh" => shell.run(&block.text).map(drop),
                "console" => console(&shell, &block),
                "rust" if included => Ok(()),
                "rust" => {
                    fail("no crate's documentation includes this file, so nothing compiles it")
                }
                "sql" | "text" => Ok(()),
                language => fail(format!("no check is known for `{language}`")),
            };
            if let Err(stop) = result {
                wrong.push(format!("{name}:{}: {stop}", block.line));
            }
        }
    }
    wrong.extend(shell.unknown_tasks()?);
    println!("{checked} blocks; {} wrong", wrong.len());
    if wrong.is_empty() {
        Ok(())
    } else {
        fail(wrong.join("\n"))
    }
}

fn documents(project: &Project) -> Result<Vec<PathBuf>, Stop> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&project.root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    for folder in DOCUMENTS {
        found.extend(project.files(folder, "md")?);
    }
    Ok(found)
}

/// Whether this is the path of a file, from the document or from the root, that is not there. What begins
/// with no folder of the root (an address, a fraction, `a/b` in a formula) is no path.
fn is_missing(project: &Project, document: &Path, path: &str) -> bool {
    let folder = document.parent().unwrap_or(&project.root);
    let first = path.split('/').next().unwrap_or_default();
    let in_root = !first.is_empty() && project.root.join(first).is_dir();
    let is_path = in_root || first == ".." || path.ends_with(".md");
    let is_pattern = path.contains(['*', '{', '<', '…', ' ', ':']);
    is_path && !is_pattern && !folder.join(path).exists() && !project.root.join(path).exists()
}

/// Whether some Rust file takes the document in by `include_str!`.
fn is_included(project: &Project, document: &Path) -> Result<bool, Stop> {
    let name = document.file_name().unwrap_or_default().to_string_lossy();
    let end = format!("/{name}\")");
    for folder in ["bindings", "core", "import", "cli", "tests"] {
        for file in project.files(folder, "rs")? {
            let text = read(&file)?;
            if text
                .lines()
                .any(|line| line.contains("include_str!(") && line.contains(&end))
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn json(shell: &Shell<'_>, block: &Block) -> Result<(), Stop> {
    let value: Value = serde_json::from_str(&block.text)?;
    if value.get("format").is_none() || value.get("flags").is_none() {
        return Ok(());
    }
    let file = shell.folder.join("block.json");
    std::fs::write(&file, &block.text)?;
    shell.run("bucketry validate block.json").map(drop)
}

fn console(shell: &Shell<'_>, block: &Block) -> Result<(), Stop> {
    let mut steps: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command, Vec::new())),
            (None, Some((command, _))) if command.ends_with('\\') => {
                return fail("a command that goes on over lines belongs into a `sh` block");
            }
            (None, Some((_, output))) => output.push(line),
            (None, None) => return fail("a `console` block begins with `$ `"),
        }
    }
    for (command, want) in steps {
        let got = shell.run(command)?;
        let got: Vec<&str> = got.lines().collect();
        if !matches(&want, &got) {
            return fail(format!("`{command}` printed\n{}", got.join("\n")));
        }
    }
    Ok(())
}

/// Whether the lines are the wanted ones, where `…` stands for any number of lines.
fn matches(want: &[&str], got: &[&str]) -> bool {
    match want.split_first() {
        None => got.iter().all(|line| line.trim().is_empty()),
        Some((line, want)) if line.trim() == "…" => {
            (0..=got.len()).any(|skip| got.get(skip..).is_some_and(|rest| matches(want, rest)))
        }
        Some((line, want)) => got.split_first().is_some_and(|(first, rest)| {
            first.trim_end() == line.trim_end() && matches(want, rest)
        }),
    }
}

/// Where the documents' commands run: a folder with what a checkout has, and nothing to spoil.
struct Shell<'a> {
    project: &'a Project,
    folder: PathBuf,
    path: std::ffi::OsString,
}

impl<'a> Shell<'a> {
    fn new(project: &'a Project) -> Result<Self, Stop> {
        let folder = project.scratch("docs")?;
        std::fs::remove_dir_all(&folder)?;
        std::fs::create_dir_all(&folder)?;
        for name in ["docs", "examples", "tests"] {
            link(&project.root.join(name), &folder.join(name))?;
        }
        let programs = project.target.join("release");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path)));
        let path = path.map_err(|error| Stop::Failed(error.to_string()))?;
        Ok(Self {
            project,
            folder,
            path,
        })
    }

    /// Runs a script and gives what it prints, to either stream.
    fn run(&self, script: &str) -> Result<String, Stop> {
        let output = self
            .project
            .program("bash")
            .arg("-c")
            .arg(format!("{PRELUDE}{script}"))
            .env("PATH", &self.path)
            .env("XTASK_CALLS", self.calls())
            .dir(&self.folder)
            .output()?;
        let printed = text(&output.stdout);
        if output.status.success() {
            Ok(printed)
        } else {
            fail(format!("{}\n{printed}", output.status))
        }
    }

    fn calls(&self) -> PathBuf {
        self.folder.join("xtask-calls.txt")
    }

    /// The tasks and parts that the documents name and that are not there.
    fn unknown_tasks(&self) -> Result<Vec<String>, Stop> {
        let calls = self.calls();
        if !calls.is_file() {
            return Ok(Vec::new());
        }
        let known = |call: &str| {
            let mut words = call.split(' ').filter(|word| !word.starts_with("--"));
            match words.next() {
                Some("test") => words.all(test::is_part),
                Some(task) => ["bench-check", "compare", "fuzz", "sizes"].contains(&task),
                None => false,
            }
        };
        let unknown =
            |call: &str| format!("`cargo xtask {call}` is in the documents, and is no task");
        let calls = read(&calls)?;
        Ok(calls
            .lines()
            .filter(|call| !known(call))
            .map(unknown)
            .collect())
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(from, to)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn an_ellipsis_stands_for_any_lines() {
        for (want, got, same) in [
            (&["a", "b"][..], &["a", "b"][..], true),
            (&["a"], &["a", "b"], false),
            (&["a", "b"], &["a"], false),
            (&["a", "…", "d"], &["a", "b", "c", "d"], true),
            (&["a", "…"], &["a"], true),
            (&["…", "c"], &["a", "b"], false),
            (&["a "], &["a", ""], true), // spaces at the end are not seen
        ] {
            assert_eq!(matches(want, got), same, "{want:?} against {got:?}");
        }
    }
}
