//! Builds the peers, runs them in turn and prints how they compare.
//!
//! ```text
//! cargo run --release -- [--quick] [--only NAME]… [--rounds N] [--markdown] [--write FILE]
//! ```
//!
//! | option | |
//! | --- | --- |
//! | `--quick` | short measurements, one round |
//! | `--only NAME` | bucketry and the named peers (`eppo`, `unleash`, …) |
//! | `--rounds N` | each program runs N times in turn with the others, the lower of each counts; 2 unless told |
//! | `--markdown` | the tables as they stand in `docs/compare.md` |
//! | `--write FILE` | puts them there, between its two `measured` markers |

mod results;
mod tables;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use results::Results;

/// A measured crate: what it is called on the command line, and on crates.io.
struct Peer {
    name: &'static str,
    krate: &'static str,
}

const PEERS: [Peer; 6] = [
    Peer {
        name: "bucketry",
        krate: "bucketry-core",
    },
    Peer {
        name: "unleash",
        krate: "unleash-yggdrasil",
    },
    Peer {
        name: "eppo",
        krate: "eppo_core",
    },
    Peer {
        name: "launchdarkly",
        krate: "launchdarkly-server-sdk-evaluation",
    },
    Peer {
        name: "statsig",
        krate: "statsig-rust",
    },
    Peer {
        name: "growthbook",
        krate: "growthbook-rust",
    },
];

#[derive(Default)]
struct Options {
    quick: bool,
    markdown: bool,
    only: Vec<String>,
    rounds: Option<usize>,
    write: Option<PathBuf>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--markdown" => options.markdown = true,
            "--only" => options.only.push(value()?),
            "--rounds" => options.rounds = Some(value()?.parse()?),
            "--write" => options.write = Some(value()?.into()),
            other => return Err(format!("unknown option {other}; see the top of main.rs").into()),
        }
    }
    if let Some(name) = options
        .only
        .iter()
        .find(|name| PEERS.iter().all(|peer| peer.name != **name))
    {
        return Err(format!("no peer is called {name}").into());
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let wanted = |peer: &&Peer| {
        peer.name == "bucketry"
            || options.only.is_empty()
            || options.only.iter().any(|name| name == peer.name)
    };
    let peers: Vec<&Peer> = PEERS.iter().filter(wanted).collect();
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));

    let mut programs = Vec::new();
    for peer in &peers {
        eprintln!("building {}", peer.name);
        programs.push((peer.name, build(bench, peer.name)?));
    }
    let mut results = Results::default();
    let load_before = load_average();
    for round in 0..options
        .rounds
        .unwrap_or(if options.quick { 1 } else { 2 })
        .max(1)
    {
        for (name, program) in &programs {
            eprintln!("round {}: measuring {name}", round + 1);
            let mut command = Command::new(program);
            if options.quick {
                command.arg("--quick");
            }
            let output = command.output()?;
            if !output.status.success() {
                let error = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{name} failed ({}):\n{error}", output.status).into());
            }
            results.read(name, &String::from_utf8(output.stdout)?)?;
        }
    }

    let lock = std::fs::read_to_string(bench.join("Cargo.lock"))?;
    let versions: Vec<String> = peers
        .iter()
        .map(|peer| {
            format!(
                "{} {}",
                peer.krate,
                locked_version(&lock, peer.krate).unwrap_or("?")
            )
        })
        .collect();
    let about = [
        format!("Measured on {}: {}.", today(), versions.join(", ")),
        format!(
            "{}; load average {load_before} before, {} after.",
            machine()?,
            load_average()
        ),
    ];
    println!("{}", tables::report(&about, &results, options.markdown));
    if let Some(file) = &options.write {
        write(file, &tables::report(&about, &results, true))?;
    }
    Ok(())
}

/// Builds one peer by itself: built together, peers would share the union of the features that
/// each asks of a common dependency.
fn build(bench: &Path, name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let this = std::env::current_exe()?;
    let release = this.parent().ok_or("this program lies nowhere")?;
    let target = release
        .parent()
        .ok_or("this program lies in no target directory")?;
    let package = format!("of-{name}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "--package",
            &package,
        ])
        .arg("--manifest-path")
        .arg(bench.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .status()?;
    if !status.success() {
        return Err(format!("{package} does not build").into());
    }
    Ok(target
        .join("release")
        .join(package + std::env::consts::EXE_SUFFIX))
}

fn locked_version<'a>(lock: &'a str, krate: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{krate}\"\nversion = \""))?;
    rest.split('"').next()
}

fn machine() -> Result<String, Box<dyn Error>> {
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let rustc: Vec<&str> = rustc.split_whitespace().take(2).collect();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let cpus = std::thread::available_parallelism()?;
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    Ok(format!(
        "{cpus} CPUs of an {model}, {os} {arch}, {}",
        rustc.join(" ")
    ))
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .filter(|one| !one.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}

/// Today in UTC, as `2026-01-31`. Days to civil date as in Howard Hinnant's `civil_from_days`.
fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = now.map_or(0, |now| now.as_secs() / 86_400) + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

fn write(file: &Path, report: &str) -> Result<(), Box<dyn Error>> {
    const START: &str = "<!-- measured: start -->\n";
    const END: &str = "<!-- measured: end -->\n";
    let page = std::fs::read_to_string(file)?;
    let missing = || format!("{} lacks its markers", file.display());
    let (before, rest) = page.split_once(START).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    std::fs::write(
        file,
        format!("{before}{START}\n{}\n{END}{after}", report.trim_end()),
    )?;
    Ok(())
}
