//! `bucketry serve` as a process of its own, and what one asks of it.

// Each test file is a crate of its own and uses only some of this.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bucketry_core::{
    Batch, EvaluationContext, ExposureDetails, ExposureLog, ExposureLogConfig, FlagSet, LogStep,
    MonotonicMillis, ProducerId, Times, UnixMillis,
};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;

/// Far more than anything takes, on any machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    stderr: Arc<Mutex<String>>,
}

/// An empty folder for a test, named so that no other test has it.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// The example's flag set, of another revision, in the way a publisher replaces it: all at once.
pub(crate) fn publish(path: &Path, revision: u64) {
    let example = include_str!("../../../examples/flags.json");
    let text = example.replace("\"revision\": 42", &format!("\"revision\": {revision}"));
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

impl Server {
    /// Starts `bucketry serve ARGUMENTS` on a free port, in a folder.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bucketry"));
        command.args(["serve", "--port", "0"]).args(arguments);
        Self::spawn(folder, command)
    }

    /// Starts a command that becomes the server.
    pub(crate) fn spawn(folder: &Path, mut command: Command) -> Self {
        let mut child = command
            .current_dir(folder)
            .env_remove("BUCKETRY_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (told, mut pipe) = (Arc::clone(&stderr), child.stderr.take().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                told.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().to_owned();
        assert!(
            url.starts_with("http://"),
            "{url:?}, {}",
            stderr.lock().unwrap()
        );
        Self { child, url, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        client().get(format!("{}{path}", self.url)).send().unwrap()
    }

    pub(crate) fn get_json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).text().unwrap()).unwrap()
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        client().post(format!("{}{path}", self.url))
    }

    /// A batch as a client sends it.
    pub(crate) fn post_batch(&self, batch: &Batch) -> RequestBuilder {
        self.post("/exposures")
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", batch.id.to_string())
            .header("bucketry-attempt", batch.attempt.to_string())
            .body(batch.body.clone())
    }

    /// What was written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Kills the process without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to end.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until the process ended of its own accord.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the server to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn client() -> Client {
    // In a build of the whole workspace reqwest has TLS without a provider, and asks for one even where nobody uses it.
    // That there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(LIMIT).build().unwrap()
}

/// The value of a metric without labels.
pub(crate) fn metric(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").text().unwrap();
    let line = text.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Batches of one producer, as an SDK makes them: `per_batch` exposures each, of visitors from `first_unit` on.
pub(crate) fn batches(
    producer: u8,
    first_unit: usize,
    count: usize,
    per_batch: usize,
) -> Vec<Batch> {
    let set = FlagSet::from_json(
        br#"{
        "format": 1,
        "flags": { "button": {
            "type": "string", "variants": { "blue": "blue", "green": "green" },
            "rules": [{ "experiment": { "key": "exp-42" }, "split": { "blue": 1, "green": 1 } }]
        } }
    }"#,
    )
    .unwrap();
    let config = ExposureLogConfig::new(ProducerId([producer; 16]))
        .batch_records(per_batch)
        .max_pending(1_000_000)
        .max_bytes(1 << 30)
        .batch_bytes(1 << 20);
    let mut log = ExposureLog::new(config).unwrap();
    let now = Times {
        monotonic: MonotonicMillis(0),
        wall: UnixMillis(1_795_464_000_000),
    };
    let mut made = Vec::new();
    for unit in first_unit..first_unit + count * per_batch {
        let context = EvaluationContext::new(format!("user-{unit}"));
        let resolution = set.resolve("button", &context, now.wall);
        let assignment = resolution.assignment().unwrap();
        log.record(&assignment, &ExposureDetails::default(), now, 7);
        while let LogStep::Send(batch) = log.poll(now, 7) {
            log.acknowledge(batch.id);
            made.push(batch);
        }
    }
    assert_eq!(made.len(), count);
    made
}

/// The records in a folder, in the order of files and lines, those of the file that grows too. A line that is no JSON
/// fails the test.
pub(crate) fn stored(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".ndjson") || name.ends_with(".ndjson.open")
    });
    files.sort();
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    let mut records = Vec::new();
    for text in texts {
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "a file ends in the middle of a line"
        );
        records.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    records
}

/// The numbers of the records of a producer, sorted.
pub(crate) fn numbers(records: &[Value], producer: u8) -> Vec<u64> {
    let id = ProducerId([producer; 16]).to_string();
    let of_producer = records
        .iter()
        .filter(|record| record["producer_id"] == id.as_str());
    let mut numbers: Vec<u64> = of_producer
        .map(|record| record["seq"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}
