//! `demo`: the whole of it at work, told as a story.

mod account;
mod peer;
mod shoppers;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bucketry::{Client, ExposureOptions};
use clap::builder::ValueHint;
use clap::value_parser;
use serde_json::json;

use crate::failure::{Failure, Result, exit};
use crate::source::EXAMPLE;
use crate::style::{BAD, DIM, GOOD, HEADING, PLAIN, STRONG, WARN};
use crate::table::{Cell, Table};
use account::{Account, Experiment};
use peer::Peer;
use shoppers::{Crowd, Shown, look, shop};

/// How long anything may take that normally takes a moment.
const LIMIT: Duration = Duration::from_secs(30);
/// Below this a difference between counts and shares is no chance. The usual bound for sample ratios.
const MISMATCH: f64 = 0.001;

/// A shop with flags, experiments and a server that dies: everything at work, in a few seconds
///
/// Serves the example shop's flags, runs visitors through a client, raises a rollout live, kills the server while they
/// shop, and accounts for every exposure from the files on disk.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 every exposure is accounted for, 1 something is missing, 2 trouble.

Examples:
  bucketry demo
  bucketry demo --once --folder shop
  bucketry demo --once --json")]
pub(crate) struct Args {
    /// End after the summary instead of serving on
    #[arg(long)]
    once: bool,
    /// Where the flag set and the exposures go. Must be empty or not there [default: a new folder for temporary files]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// Visitors of the shop
    #[arg(long, value_name = "NUMBER", default_value_t = 40_000, value_parser = value_parser!(u64).range(1_000..=200_000))]
    visitors: u64,
    /// The summary as JSON, and no story
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    let folder = make_folder(args.folder.as_deref())?;
    let mut story = Story {
        silent: args.json,
        start: Instant::now(),
    };
    write_flags(&folder, 42, &[])?;
    let mut peer = Peer::start(&folder)?;
    story.title("The shop opens")?;
    story.line(format_args!(
        "flags and exposures are served at {STRONG}{}{STRONG:#}",
        peer.url
    ))?;
    let client = connect(&peer.url)?;
    story.line(format_args!(
        "a client polls them: revision {}, ready",
        client.state().revision.unwrap_or(0)
    ))?;

    let (visitors, newcomers) = (0..args.visitors, args.visitors..args.visitors * 3 / 2);
    let first = shop(&client, visitors.clone());
    story.crowd("visitors load a page", &first)?;

    story.title("A rollout is raised, live")?;
    let changes = [
        ("\"rollout\": 60", "\"rollout\": 85"),
        ("\"rollout\": 12.5", "\"rollout\": 40"),
    ];
    let raised = Instant::now();
    write_flags(&folder, 43, &changes)?;
    wait_for("the client to have the raised rollout", || {
        client.state().revision == Some(43)
    })?;
    let arrived = raised.elapsed();
    story.line(format_args!(
        "new-checkout goes from 60 % to 85 % of the EU and from 12.5 % to 40 % elsewhere; the client has it {STRONG}{} ms{STRONG:#} after the file was saved",
        arrived.as_millis()
    ))?;
    let moves = Moves::between(&first.shown, &look(&client, visitors.clone()));
    story.moves(&moves)?;
    let second = shop(&client, visitors);
    story.crowd("visitors come back", &second)?;

    story.title("The server is killed")?;
    // What the client has delivered so far is one half of the account; the other half now waits.
    let _ = client.flush(LIMIT);
    peer.kill()?;
    let third = shop(&client, newcomers);
    let cut_off = client.flush(Duration::from_millis(300));
    story.crowd("new visitors load a page all the same", &third)?;
    story.line(format_args!(
        "{} exposures wait in memory",
        thousands(cut_off.kept.total())
    ))?;
    peer.start_again()?;
    let report = client.close(LIMIT);
    story.line(format_args!(
        "the server is back: {} delivered, {} kept, {} dropped",
        thousands(report.delivered),
        report.kept.total(),
        report.dropped.total()
    ))?;

    // A stop seals the file, so that all of it can be read.
    peer.stop()?;
    let exposures = folder.join("exposures");
    let account = account::read(&exposures)?;
    let crowds = [&first, &second, &third];
    let rate = rate(&crowds);
    let totals = &report.totals;
    let whole = account.records == totals.sent
        && totals.is_balanced()
        && account.missing + account.twice + totals.dropped.total() + report.kept.total() == 0
        && moves.left + moves.changed_arm == 0;
    story.title("The account")?;
    if args.json {
        let summary = json!({
            "evaluations": crowds.iter().map(|crowd| crowd.evaluations).sum::<u64>(),
            "evaluationsPerSecond": rate,
            "rollout": { "entered": moves.entered, "left": moves.left, "changedArm": moves.changed_arm, "millis": arrived.as_millis() as u64 },
            "outage": { "kept": cut_off.kept.total(), "delivered": report.delivered },
            "exposures": {
                "evaluated": totals.evaluated, "deduplicated": totals.deduplicated, "sent": totals.sent,
                "dropped": totals.dropped.total(), "stored": account.records, "distinct": account.distinct,
                "missing": account.missing, "twice": account.twice,
            },
            "experiments": account.experiments.iter().map(|(name, experiment)| json!({
                "experiment": name, "heldOut": experiment.held_out, "pValue": experiment.p_value(),
                "arms": experiment.arms.iter().map(|(variant, arm)| json!({
                    "variant": variant, "exposures": arm.exposures, "share": arm.propensity,
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "folder": exposures, "accounted": whole,
        });
        writeln!(io::stdout(), "{summary}")?;
    } else {
        write_account(&account, totals, rate, whole)?;
        story.line(format_args!(
            "the exposures lie in {STRONG}{}{STRONG:#}, {DIM}NDJSON with a manifest{DIM:#}",
            exposures.display()
        ))?;
        story.line(format_args!(
            "all of it took {:.1} s",
            story.start.elapsed().as_secs_f64()
        ))?;
    }
    if !args.once {
        serve_on(&mut peer, &story)?;
    }
    Ok(ExitCode::from(if whole { exit::OK } else { exit::FOUND }))
}

fn make_folder(named: Option<&Path>) -> Result<PathBuf> {
    let folder = match named {
        Some(folder) => folder.to_owned(),
        None => std::env::temp_dir().join(format!("bucketry-demo-{}", std::process::id())),
    };
    let failed = |error: io::Error| Failure::file("write to", &folder, &error);
    fs::create_dir_all(&folder).map_err(failed)?;
    if fs::read_dir(&folder).map_err(failed)?.next().is_some() {
        let full = format!("`{}` is not empty", folder.display());
        return Err(Failure::new(full).help("name a folder that is not there yet"));
    }
    // The server runs in it, and must find it from anywhere.
    fs::canonicalize(&folder).map_err(failed)
}

/// Publishes the example's flag set with changes, as a publisher should: all at once.
fn write_flags(folder: &Path, revision: u64, changes: &[(&str, &str)]) -> Result<()> {
    let mut text = EXAMPLE.replace("\"revision\": 42", &format!("\"revision\": {revision}"));
    for (from, to) in changes {
        text = text.replace(from, to);
    }
    let (new, file) = (folder.join("flags.json.new"), folder.join("flags.json"));
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, &file))
        .map_err(|error| Failure::file("write", &file, &error))
}

fn connect(url: &str) -> Result<Client> {
    let exposures = ExposureOptions::new()
        .flush_interval(Duration::from_secs(1))
        .backoff(Duration::from_millis(100), Duration::from_secs(1))
        .dedupe_entries(1 << 20)
        .max_pending(1_000_000)
        .max_bytes(512 << 20);
    let client = Client::builder()
        .url(format!("{url}/flags.json"))
        .exposures_to_url(format!("{url}/exposures"))
        .exposure_options(exposures)
        .build()
        .map_err(|error| Failure::new(error.to_string()))?;
    match client.ready(LIMIT) {
        Ok(_) => Ok(client),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        if Instant::now() >= end {
            return Err(Failure::new(format!(
                "waited {} s for {what}",
                LIMIT.as_secs()
            )));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Evaluations in a second, over all crowds.
fn rate(crowds: &[&Crowd]) -> u64 {
    let evaluations: u64 = crowds.iter().map(|crowd| crowd.evaluations).sum();
    let took: Duration = crowds.iter().map(|crowd| crowd.took).sum();
    (evaluations as f64 / took.as_secs_f64().max(1e-6)) as u64
}

/// Who was moved by a change.
#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    entered: u64,
    left: u64,
    /// Visitors of the button test who would see another arm of it.
    changed_arm: u64,
}

impl Moves {
    fn between(before: &[Shown], after: &[Shown]) -> Self {
        let mut moves = Self::default();
        for (before, after) in before.iter().zip(after) {
            match (before.new_checkout, after.new_checkout) {
                (false, true) => moves.entered += 1,
                (true, false) => moves.left += 1,
                (true, true) if before.button != after.button => moves.changed_arm += 1,
                _ => {}
            }
        }
        moves
    }
}

struct Story {
    silent: bool,
    start: Instant,
}

impl Story {
    fn title(&mut self, text: &str) -> Result<()> {
        if !self.silent {
            writeln!(anstream::stdout(), "\n{HEADING}{text}{HEADING:#}")?;
        }
        Ok(())
    }

    fn line(&self, text: std::fmt::Arguments<'_>) -> Result<()> {
        if !self.silent {
            writeln!(anstream::stdout(), "  {text}")?;
        }
        Ok(())
    }

    fn crowd(&self, what: &str, crowd: &Crowd) -> Result<()> {
        let (visitors, rate) = (crowd.shown.len() as u64, rate(&[crowd]));
        self.line(format_args!(
            "{} {what}: {} evaluations, {STRONG}{} a second{STRONG:#}",
            thousands(visitors),
            thousands(crowd.evaluations),
            thousands(rate)
        ))
    }

    fn moves(&self, moves: &Moves) -> Result<()> {
        let style = if moves.left + moves.changed_arm == 0 {
            GOOD
        } else {
            BAD
        };
        self.line(format_args!(
            "{} visitors come in, {style}{} fall out{style:#}, {style}{} change the arm of a test{style:#}",
            thousands(moves.entered),
            moves.left,
            moves.changed_arm
        ))
    }
}

fn write_account(
    account: &Account,
    totals: &bucketry::Counters,
    rate: u64,
    whole: bool,
) -> Result<()> {
    let mut out = anstream::stdout().lock();
    let mut table = Table::new([
        "experiment",
        "variant",
        "exposed",
        "share",
        "expected",
        "sample ratio",
    ]);
    for (name, experiment) in &account.experiments {
        for (place, (variant, arm)) in experiment.arms.iter().enumerate() {
            let is_first = place == 0;
            table.row([
                Cell::new(STRONG, if is_first { name } else { "" }),
                Cell::new(PLAIN, variant),
                Cell::right(PLAIN, &thousands(arm.exposures)),
                Cell::right(
                    PLAIN,
                    &share(arm.exposures as f64 / experiment.total() as f64),
                ),
                Cell::right(DIM, &share(arm.propensity)),
                if is_first {
                    verdict(experiment)
                } else {
                    Cell::new(PLAIN, "")
                },
            ]);
        }
        if experiment.held_out > 0 {
            let held_out = thousands(experiment.held_out);
            let rest = || Cell::right(DIM, "");
            let name = Cell::new(DIM, "(held out)");
            table.row([
                rest(),
                name,
                Cell::right(DIM, &held_out),
                rest(),
                rest(),
                Cell::new(DIM, ""),
            ]);
        }
    }
    table.write(&mut out)?;
    let mut counts = Table::new(["exposures", ""]);
    for (name, count) in [
        ("recorded", totals.evaluated),
        ("repeats, recorded once", totals.deduplicated),
        ("delivered", totals.sent),
        ("dropped", totals.dropped.total()),
        ("on disk", account.records),
        ("missing, by their numbers", account.missing),
        ("stored twice", account.twice),
    ] {
        counts.row([
            Cell::new(PLAIN, name),
            Cell::right(PLAIN, &thousands(count)),
        ]);
    }
    writeln!(out)?;
    counts.write(&mut out)?;
    writeln!(out)?;
    match whole {
        true => writeln!(
            out,
            "  {GOOD}every exposure is accounted for{GOOD:#}, at {STRONG}{}{STRONG:#} evaluations a second",
            thousands(rate)
        )?,
        false => writeln!(out, "  {BAD}the account does not add up{BAD:#}")?,
    }
    Ok(())
}

fn verdict(experiment: &Experiment) -> Cell {
    match experiment.p_value() {
        Some(p) if p < MISMATCH => Cell::new(BAD, &format!("mismatch, p = {p:.5}")),
        Some(p) => Cell::new(GOOD, &format!("fine, p = {p:.3}")),
        None => Cell::new(WARN, "too few to tell"),
    }
}

fn share(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Serves until the process is asked to end.
fn serve_on(peer: &mut Peer, story: &Story) -> Result<()> {
    peer.start_again()?;
    let url = &peer.url;
    story.line(format_args!(
        "still serving at {STRONG}{url}{STRONG:#}; Ctrl-C ends. Try:"
    ))?;
    story.line(format_args!("{DIM}  curl {url}/flags.json{DIM:#}"))?;
    story.line(format_args!("{DIM}  curl {url}/exposures/report{DIM:#}"))?;
    story.line(format_args!(
        "{DIM}  curl {url}/ofrep/v1/evaluate/flags/buy-button -d '{{\"context\":{{\"targetingKey\":\"visitor-7\"}}}}'{DIM:#}"
    ))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        crate::serve::asked_to_stop()?.await;
        Ok::<(), io::Error>(())
    })?;
    peer.stop()
}
