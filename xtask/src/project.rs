//! Where the project is, and the commands run in it: each is printed, and a failure names it.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};

/// The checkout and its target directory.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    /// Shared by every build, also of the packages that are workspaces of their own.
    pub(crate) target: PathBuf,
}

/// Why a task ended early.
pub(crate) enum Stop {
    /// A check failed.
    Failed(String),
    /// A tool is not here and could not be installed. CI has every tool, so there it is a failure.
    Missing(String),
    /// The data that this looks at is not part of the repository, and not beside it.
    Absent(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(text) | Self::Missing(text) | Self::Absent(text)) = self;
        f.write_str(text)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(crate) fn fail<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(text.into()))
}

impl Project {
    pub(crate) fn find() -> Result<Self, Stop> {
        // As cargo sets it when it runs this; the value at compile time is wrong once a checkout has moved.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let Some(root) = manifest.as_deref().and_then(Path::parent) else {
            return fail("run this as `cargo xtask`");
        };
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self {
            root: root.to_owned(),
            target,
        })
    }

    /// A command from a line of words; an argument that may hold a space is added by `arg`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        self.program(words.next().unwrap_or_default()).args(words)
    }

    /// A command whose program is a path.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut process = Process::new(program);
        process.current_dir(&self.root);
        // Cargo describes this package to the tasks it runs; the packages built below must not see it.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text == "CARGO_MANIFEST_DIR" {
                process.env_remove(&name);
            }
        }
        Command {
            process,
            root: self.root.clone(),
        }
    }

    /// A command under another toolchain than the one that runs this.
    pub(crate) fn command_with(&self, toolchain: &str, line: &str) -> Command {
        self.command(&format!("rustup run {toolchain} {line}"))
    }

    /// An existing folder for the files of one task.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, Stop> {
        let folder = self.target.join("xtask").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(crate) fn read(&self, path: &str) -> Result<String, Stop> {
        read(&self.root.join(path))
    }

    /// The files below `folder` whose names end in `.extension`, sorted, hidden and built ones left out.
    pub(crate) fn files(&self, folder: &str, extension: &str) -> Result<Vec<PathBuf>, Stop> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with('.') || name == "target" || name == "node_modules" {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|found| found == extension) {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The folder of the public suites of other formats, which are not part of the repository.
    pub(crate) fn conformance(&self) -> Option<PathBuf> {
        let folder = std::env::var_os("BUCKETRY_CONFORMANCE");
        let folder = folder.unwrap_or_else(|| "../shared/conformance".into());
        Some(self.root.join(folder)).filter(|folder| folder.is_dir())
    }

    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// What a process wrote.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn read(path: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(path)
        .map_err(|error| Stop::Failed(format!("{}: {error}", path.display())))
}

/// A process to be, in the project's root unless it says otherwise.
pub(crate) struct Command {
    process: Process,
    root: PathBuf,
}

impl Command {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.process.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.process.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.process.env(name, value);
        self
    }

    /// Runs in `folder`, relative to the root.
    pub(crate) fn dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.process.current_dir(self.root.join(folder));
        self
    }

    /// Runs it with its output shown.
    pub(crate) fn run(mut self) -> Result<(), Stop> {
        let line = self.line();
        println!("$ {line}");
        match self.process.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => fail(format!("`{line}`: {status}")),
            Err(error) => fail(format!("`{line}`: {error}")),
        }
    }

    /// Runs it and gives what it wrote to standard output; errors are shown.
    pub(crate) fn read(mut self) -> Result<String, Stop> {
        self.process.stderr(Stdio::inherit());
        let line = self.line();
        let output = self.output()?;
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            fail(format!("`{line}`: {}", output.status))
        }
    }

    /// Runs it and gives all that there is to know, also when it fails. What it writes is not shown.
    pub(crate) fn output(mut self) -> Result<Output, Stop> {
        let line = self.line();
        let output = self.process.stdin(Stdio::null()).output();
        output.map_err(|error| Stop::Failed(format!("`{line}`: {error}")))
    }

    /// Whether it can be run and ends well; nothing is shown.
    pub(crate) fn succeeds(mut self) -> bool {
        self.process
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn line(&self) -> String {
        let mut line = self.process.get_program().to_string_lossy().into_owned();
        for argument in self.process.get_args() {
            let argument = argument.to_string_lossy();
            line.push(' ');
            line.push_str(argument.lines().next().unwrap_or_default());
            if argument.contains('\n') {
                line.push_str(" …");
            }
        }
        line
    }
}
