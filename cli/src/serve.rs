//! `serve`: a flag set for clients to poll, and a collector for their exposures.

mod access;
mod collect;
mod flags;
mod ledger;
mod metrics;
mod ofrep;
mod published;
mod ranges;
mod record;
mod reply;
mod routes;
mod server;
mod shelf;
mod site;
mod store;
mod watch;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::ValueHint;
use clap::value_parser;
use tokio::net::TcpListener;

use crate::failure::{Failure, Result, note, warning};
use crate::source::{ImportArgs, display_name};
use crate::style::count;
use crate::telling;
use access::{Access, TOKEN_VARIABLE};
use ledger::{Bounds, Ledger};
use published::Origin;
pub(crate) use server::asked_to_stop;
use shelf::{Rotation, Shelf};
use site::{Limits, Site};
use store::Store;

/// How long what began before a stop may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A flag set for clients to poll, and a collector for their exposures
///
/// Prints its address on standard output once it listens. The file is watched: clients are told of a change at once. A
/// file that turns out broken leaves the last good flag set served. SIGTERM and Ctrl-C stop it without losing what it
/// has accepted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 stopped when asked to, 2 trouble.

Examples:
  bucketry serve
  bucketry serve flags.json --port 8380 --exposures /var/lib/bucketry
  bucketry serve --from ufc ufc.json --no-exposures
  BUCKETRY_TOKEN=... bucketry serve flags.json --bind 0.0.0.0")]
pub(crate) struct Args {
    /// The flag set, `-` for standard input. Without it the example that comes with the program
    #[arg(value_name = "FLAGS_FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The port; 0 for one that is free
    #[arg(short, long, default_value_t = 8380)]
    port: u16,
    /// The address to listen on. Any but this machine's own needs a token, or --open
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Refuse a flag set in which any flag is in error
    #[arg(long)]
    strict: bool,
    /// Milliseconds between two looks at the file
    #[arg(long, value_name = "MILLIS", default_value_t = 250, value_parser = value_parser!(u64).range(10..=3_600_000))]
    watch: u64,
    #[command(flatten)]
    exposures: ExposureArgs,
    #[command(flatten)]
    access: AccessArgs,
    /// Most connections at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, value_parser = value_parser!(u32).range(1..=100_000))]
    max_connections: u32,
    /// Seconds that the head or the body of a request may take, and a connection between two requests
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(1..=3_600))]
    read_timeout: u64,
    /// Most clients that listen to changes at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 512, value_parser = value_parser!(u32).range(0..=100_000))]
    max_subscribers: u32,
    /// Seconds between two signs of life on a stream of changes
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = value_parser!(u64).range(1..=3_600))]
    heartbeat: u64,
    /// Stop when standard input ends: with the process that started this one, however that ended
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
    /// A line on standard error for each request
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Exposures")]
struct ExposureArgs {
    /// The folder for what clients send. Made if there is none
    #[arg(long = "exposures", value_name = "FOLDER", default_value = "exposures", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Collect none
    #[arg(long, conflicts_with = "folder")]
    no_exposures: bool,
    /// MiB after which a file is sealed and another begun
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = value_parser!(u64).range(1..=16_384))]
    rotate_size: u64,
    /// Seconds after which a file is sealed and another begun
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = value_parser!(u64).range(1..=604_800))]
    rotate_after: u64,
    /// KiB that a batch may have, uncompressed; a client sends a larger one as two halves
    #[arg(long, value_name = "KIB", default_value_t = 1_024, value_parser = value_parser!(u32).range(1..=16_384))]
    max_batch: u32,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who may do what")]
struct AccessArgs {
    /// Tokens that may write, one a line. Without it the variable BUCKETRY_TOKEN; without either anybody may
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Let anybody write who reaches an address that is not this machine's own
    #[arg(long)]
    open: bool,
    /// Web pages that may ask, as http://localhost:3000; * for all
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result {
    telling::begin();
    let access = Access::read(args.access.token_file.as_deref(), &args.access.allow_origin)?;
    if !args.bind.is_loopback() && !access.is_protected() && !args.access.open {
        let exposed = format!(
            "{} can be reached from outside, and anybody could write",
            args.bind
        );
        return Err(Failure::new(exposed).help(format!(
            "give a token with --token-file or {TOKEN_VARIABLE}, or say that this is meant with --open"
        )));
    }
    let origin = Origin {
        path: args.file,
        import: args.import,
        strict: args.strict,
    };
    let document = origin.read()?;
    let source = match &origin.path {
        Some(path) => display_name(path),
        None => format!("{}, the example", document.name),
    };
    let first = origin.publish(&document)?;
    for text in &first.warnings {
        warning(text);
    }
    let store = match args.exposures.no_exposures {
        true => None,
        false => Some(open_store(&args.exposures, args.max_connections)?),
    };
    let folder = store.as_ref().map(|store| store.folder().to_owned());
    let told = format!(
        "serving {source}: revision {}, {}",
        first.set.revision(),
        count(first.set.len(), "flag")
    );
    let limits = Limits {
        body_bytes: (args.exposures.max_batch as usize) << 10,
        subscribers: args.max_subscribers as usize,
        heartbeat: Duration::from_secs(args.heartbeat),
        read_time: Duration::from_secs(args.read_timeout),
    };
    let site = Arc::new(Site::new(first, source, store.clone(), access, limits));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let served = runtime.block_on(async {
        let address = SocketAddr::new(args.bind, args.port);
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::new(format!("cannot listen on {address}: {error}"))
                .help("name another port with --port, or 0 for one that is free")
        })?;
        // Before the address is told: whoever reads it may ask for a stop.
        let asked = asked_to_stop()?;
        let stdin = args.until_stdin_ends.then(server::stdin_ends);
        let stop = async {
            match stdin {
                Some(ended) => tokio::select! { () = asked => {}, () = ended => {} },
                None => asked.await,
            }
        };
        let address = listener.local_addr()?;
        note(told);
        if let Some(folder) = folder {
            note(format_args!("exposures go to `{folder}`"));
        }
        let mut stdout = io::stdout();
        writeln!(stdout, "http://{address}")?;
        stdout.flush()?;
        let watching = watch::watch(Arc::clone(&site), origin, Duration::from_millis(args.watch));
        let watching = tokio::spawn(watching);
        let router = routes::router(&site, args.verbose);
        server::serve(
            &site,
            listener,
            router,
            args.max_connections as usize,
            stop,
            PATIENCE,
        )
        .await;
        watching.abort();
        Ok(ExitCode::SUCCESS)
    });
    if let Some(store) = store {
        // Whatever a request has handed over is stored before the program ends.
        store.stop();
    }
    runtime.shutdown_background();
    served
}

fn open_store(args: &ExposureArgs, waiting: u32) -> Result<Arc<Store>> {
    let mut ledger = Ledger::new(Bounds::default());
    let rotation = Rotation {
        bytes: args.rotate_size << 20,
        age: Duration::from_secs(args.rotate_after),
    };
    let shelf = Shelf::open(&args.folder, rotation, &mut ledger)?;
    let store = Store::start(shelf, ledger, waiting as usize);
    let store = store.map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
    Ok(Arc::new(store))
}
