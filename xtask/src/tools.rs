//! The tools that the tasks need, found or installed.

use crate::project::{Project, Stop};
use std::path::{Path, PathBuf};

/// What `npm` installs where there is no Debian package. Sizes differ by some tenths of a per cent
/// between versions of it.
const BINARYEN: &str = "binaryen@132.0.0";

fn missing<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Missing(text.into()))
}

/// Any failure to install a tool is a missing tool.
fn install(result: Result<(), Stop>) -> Result<(), Stop> {
    result.map_err(|stop| Stop::Missing(stop.to_string()))
}

/// Whether a program of this name is on the path.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        folder.join(program).is_file() || folder.join(format!("{program}.exe")).is_file()
    })
}

/// The program, or an error that says it is missing.
pub(crate) fn need(program: &str) -> Result<(), Stop> {
    if has(program) {
        Ok(())
    } else {
        missing(format!("`{program}` is not installed"))
    }
}

/// The standard library of a target, under the toolchain that runs this.
pub(crate) fn target(project: &Project, target: &str) -> Result<(), Stop> {
    let line = format!("rustc --print target-libdir --target {target}");
    if Path::new(project.command(&line).read()?.trim()).is_dir() {
        return Ok(());
    }
    need("rustup")?;
    install(
        project
            .command(&format!("rustup target add {target}"))
            .run(),
    )
}

/// Components of the toolchain that runs this: `probe` is a command that works once they are there.
pub(crate) fn component(project: &Project, probe: &str, component: &str) -> Result<(), Stop> {
    if project.command(probe).succeeds() {
        return Ok(());
    }
    need("rustup")?;
    install(
        project
            .command(&format!("rustup component add {component}"))
            .run(),
    )
}

/// A toolchain beside the one that runs this, with components. One that is there is not updated.
pub(crate) fn toolchain(project: &Project, name: &str, components: &[&str]) -> Result<(), Stop> {
    need("rustup")?;
    if !project.command_with(name, "rustc --version").succeeds() {
        let line = format!("rustup toolchain install {name} --profile minimal --no-self-update");
        let mut command = project.command(&line);
        for component in components {
            command = command.arg("--component").arg(component);
        }
        return install(command.run());
    }
    if components.is_empty() {
        return Ok(());
    }
    let line = format!("rustup component add --toolchain {name}");
    install(project.command(&line).args(components).run())
}

/// A Debian package, where this may install one.
fn apt(project: &Project, package: &str) -> Result<(), Stop> {
    let root = has("apt-get")
        && project
            .command("id -u")
            .read()
            .is_ok_and(|user| user.trim() == "0");
    if !root {
        return missing(format!(
            "`{package}` is not installed, and this is not root on Debian"
        ));
    }
    let line = format!("apt-get install -y -qq --no-install-recommends {package}");
    let attempt = || {
        project
            .command(&line)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    if attempt().is_ok() {
        return Ok(());
    }
    // A fresh machine has no package lists.
    install(project.command("apt-get update -qq").run())?;
    install(attempt())
}

/// The program, from the Debian package that carries it if it is not here.
pub(crate) fn debian(project: &Project, program: &str, package: &str) -> Result<(), Stop> {
    if has(program) {
        Ok(())
    } else {
        apt(project, package)
    }
}

/// The path of `wasm-opt`.
pub(crate) fn wasm_opt(project: &Project) -> Result<PathBuf, Stop> {
    if debian(project, "wasm-opt", "binaryen").is_ok() {
        return Ok(PathBuf::from("wasm-opt"));
    }
    need("npm")?;
    let folder = project.scratch("npm")?;
    let program = folder.join("node_modules/.bin/wasm-opt");
    if !program.is_file() {
        let command = project.command("npm install --no-audit --no-fund --prefix");
        install(command.arg(&folder).arg(BINARYEN).run())?;
    }
    Ok(program)
}

/// The Python of a virtual environment for a folder of `tests`: it holds what `requirements.txt` there
/// asks for, and is made anew when that changes.
pub(crate) fn python(project: &Project, tests: &str) -> Result<PathBuf, Stop> {
    need("python3")?;
    let requirements = format!("tests/{tests}/requirements.txt");
    let wanted = project.read(&requirements)?;
    let folder = project.scratch(&format!("python-{tests}"))?;
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let create = || {
        project
            .command("python3 -m venv --clear")
            .arg(&folder)
            .run()
    };
    if create().is_err() {
        // Debian keeps the module in a package of its own.
        apt(project, "python3-venv")?;
        install(create())?;
    }
    let pip = "-m pip install --quiet --disable-pip-version-check --only-binary :all: -r";
    install(
        project
            .program(&python)
            .args(pip.split(' '))
            .arg(requirements)
            .run(),
    )?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}
