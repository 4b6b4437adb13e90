//! The browser module's size: core's evaluator, `Refresh` and `ExposureLog`, without regular
//! expressions and with the native hashes, before any glue.

use crate::project::{Project, Stop, fail, read};
use crate::{tools, wasm};

/// Bytes after `wasm-opt` and brotli at its highest quality. A page should not notice that it has
/// feature flags: most rivals' JavaScript evaluators weigh 6 to 32 kB.
const BOUND: u64 = 22_000;

/// Twice for size around a new layout of the control flow, which compresses better. Below the first 1,024 bytes of a
/// module that the Rust linker laid out is the end of the stack, so nothing lies there.
const OPTIMISE: [&str; 9] = [
    "-Oz",
    "--low-memory-unused",
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--converge",
    "--strip-debug",
    "--strip-producers",
];

/// Node's zlib has both compressions; a crate for one of them would be the largest part of xtask.
const COMPRESS: &str = "
const { brotliCompressSync, constants, gzipSync } = require('zlib');
const bytes = require('fs').readFileSync(process.argv[1]);
const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
console.log(gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes, { params }).length);
";

/// What the module last weighed after brotli. `test` holds it to this, so that it does not grow unseen while it is
/// above [`BOUND`]; lower it whenever the module gets smaller.
const RECORD: &str = "tests/size/bytes.txt";

/// How much above the record is allowed, in per cent: versions of wasm-opt differ by that much.
const TOLERANCE: u64 = 2;

/// The bound, as `cargo xtask sizes` holds it.
pub(crate) fn gate(project: &Project) -> Result<(), Stop> {
    let brotli = weigh(project)?;
    if brotli <= BOUND {
        return Ok(());
    }
    fail(format!(
        "the core module has {brotli} bytes after brotli; its bound is {BOUND}"
    ))
}

/// No growth, as `cargo xtask test sizes` holds it.
pub(crate) fn no_growth(project: &Project) -> Result<(), Stop> {
    let record = read(&project.root.join(RECORD))?;
    let Ok(record) = record.trim().parse::<u64>() else {
        return fail(format!("{RECORD} holds no number"));
    };
    let brotli = weigh(project)?;
    println!("{record:>12}  the record");
    if brotli * 100 <= record * (100 + TOLERANCE) {
        return Ok(());
    }
    fail(format!(
        "the core module has {brotli} bytes after brotli; {RECORD} says {record}"
    ))
}

/// Builds the module and prints its sizes; the bytes after brotli.
fn weigh(project: &Project) -> Result<u64, Stop> {
    tools::need("node")?;
    let optimiser = tools::wasm_opt(project)?;
    let raw = wasm::build(project)?;
    let small = project.scratch("sizes")?.join("core.wasm");
    project
        .program(optimiser)
        .arg(&raw)
        .args(OPTIMISE)
        .arg("-o")
        .arg(&small)
        .run()?;
    let compressed = project
        .program("node")
        .arg("-e")
        .arg(COMPRESS)
        .arg(&small)
        .read()?;
    let mut numbers = compressed.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(gzip)), Some(Ok(brotli))) = (numbers.next(), numbers.next()) else {
        return fail(format!("node printed no sizes: {compressed}"));
    };

    println!("core module, bytes:");
    println!("{:>12}  from the compiler", std::fs::metadata(&raw)?.len());
    println!("{:>12}  after wasm-opt", std::fs::metadata(&small)?.len());
    println!("{gzip:>12}  gzip -9");
    println!("{brotli:>12}  brotli -q 11, to be at most {BOUND}");
    Ok(brotli)
}
