//! The parts that are cargo's work.

use crate::project::{Project, Stop, fail};
use crate::tools;

/// Packages that are workspaces of their own, so that `--workspace` does not reach them.
const APART: [&str; 2] = ["bench", "fuzz"];

/// What users build on, and therefore what the oldest supported Rust must build.
const PUBLISHED: &str = "-p bucketry -p bucketry-core -p bucketry-import -p bucketry-cli";

pub(crate) fn lint(project: &Project) -> Result<(), Stop> {
    tools::component(project, "cargo fmt --version", "rustfmt")?;
    tools::component(project, "cargo clippy --version", "clippy")?;
    // Fails when a manifest has changed and the lock file has not.
    project
        .command("cargo metadata --quiet --locked --format-version 1")
        .read()?;
    project.command("cargo fmt --all --check").run()?;
    for package in APART {
        project.command("cargo fmt --check").dir(package).run()?;
    }
    project
        .command("cargo clippy --workspace --all-targets -- -D warnings")
        .run()?;
    // Parts of their own, which therefore are no tests to `--workspace`.
    project
        .command(
            "cargo clippy -p bucketry-tests --test conformance --test differential -- -D warnings",
        )
        .run()?;
    project
        .command("cargo clippy -p bucketry-openfeature-tests --test openfeature -- -D warnings")
        .run()?;
    // Without its default features core is other code, and what a browser gets.
    let line = "cargo clippy -p bucketry-core --no-default-features -- -D warnings";
    project.command(line).run()
}

pub(crate) fn deps(project: &Project) -> Result<(), Stop> {
    let checks = [
        (
            "cargo-deny",
            "cargo deny --all-features check bans licenses sources",
        ),
        ("cargo-machete", "cargo machete"),
    ];
    let mut absent = Vec::new();
    for (program, line) in checks {
        if tools::has(program) {
            project.command(line).run()?;
        } else {
            absent.push(program);
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    Err(Stop::Absent(format!(
        "not installed: {}",
        absent.join(", ")
    )))
}

pub(crate) fn test(project: &Project) -> Result<(), Stop> {
    project.command("cargo test --workspace").run()?;
    project
        .command("cargo test -p bucketry-core --no-default-features")
        .run()?;
    project
        .command("cargo test -p bucketry --features opentelemetry --test opentelemetry")
        .run()?;
    let line = "cargo test -p bucketry --features import,signature --test trusted";
    project.command(line).run()?;
    let command = project.command("cargo doc --workspace --no-deps --quiet");
    command.env("RUSTDOCFLAGS", "-D warnings").run()
}

pub(crate) fn msrv(project: &Project) -> Result<(), Stop> {
    let manifest = project.read("Cargo.toml")?;
    let Some(version) = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .map(|version| version.trim_matches('"'))
    else {
        return fail("Cargo.toml has no rust-version");
    };
    let toolchain = format!("{version}.0");
    tools::toolchain(project, &toolchain, &[])?;
    project
        .command_with(
            &toolchain,
            &format!("cargo check {PUBLISHED} --all-features"),
        )
        .run()
}

pub(crate) fn conformance(project: &Project) -> Result<(), Stop> {
    let Some(folder) = project.conformance() else {
        return Err(Stop::Absent(
            "BUCKETRY_CONFORMANCE names no folder of suites".to_owned(),
        ));
    };
    for line in [
        "cargo test -p bucketry-tests --test conformance",
        "cargo test -p bucketry-openfeature-tests --test openfeature",
    ] {
        let command = project.command(line);
        command.env("BUCKETRY_CONFORMANCE", &folder).run()?;
    }
    Ok(())
}

/// What miri runs: loading, resolving, explaining, a digest and a list of ids. It is a hundred times slower than the
/// processor, and core forbids `unsafe`, so the exhaustive tests would cost hours and show nothing.
const UNDER_MIRI: &str =
    "explain:: text_form:: load::tests::of_two hash::tests::digests hashed_ids::tests::lists_match";

pub(crate) fn miri(project: &Project) -> Result<(), Stop> {
    tools::toolchain(project, "nightly", &["miri", "rust-src"])?;
    project
        .command_with(
            "nightly",
            &format!("cargo miri test -p bucketry-core --lib -- {UNDER_MIRI}"),
        )
        .run()
}
