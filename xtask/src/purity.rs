//! Proof that core is a function of its arguments: where there is no operating system it still
//! builds, and as a wasm module it asks its host for nothing.

use crate::project::{Project, Stop, fail};
use crate::{tools, wasm};

/// A microcontroller: no std, so no clock, file, socket, thread or random number.
const BARE_METAL: &str = "thumbv7em-none-eabihf";

pub(crate) fn check(project: &Project) -> Result<(), Stop> {
    tools::target(project, BARE_METAL)?;
    let build = format!("cargo build -p bucketry-core --target {BARE_METAL}");
    project.command(&build).arg("--no-default-features").run()?;
    project.command(&build).run()?;

    let imports = wasm::imports(&std::fs::read(wasm::build(project)?)?)?;
    if imports.is_empty() {
        println!("the wasm module imports nothing");
        return Ok(());
    }
    fail(format!("the wasm module imports {}", imports.join(", ")))
}
