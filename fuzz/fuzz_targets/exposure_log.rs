//! Any sequence of calls, and any bytes as a spool: nothing panics and the law holds after each.

#![no_main]

use bucketry_core::{
    Batch, EvaluationContext, ExposureDetails, ExposureLog, ExposureLogConfig, FlagSet, LogStep,
    MonotonicMillis, ProducerId, Sampling, Times, UnixMillis,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Call<'a> {
    Record {
        unit: u8,
        experiment: u8,
        chance: u64,
    },
    Poll {
        chance: u64,
    },
    Advance {
        monotonic: u32,
        wall: i32,
    },
    Answer {
        batch: u8,
        status: u16,
        retry_after: Option<u32>,
    },
    Flush,
    Fork,
    /// A spool of our own, as it is or with one byte changed.
    Spool {
        change: Option<(u16, u8)>,
    },
    /// A spool of anything, with the right checksum.
    Forged(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    sampling: u8,
    dedupe_entries: u8,
    max_pending: u8,
    batch_records: u8,
    calls: Vec<Call<'a>>,
}

static FLAGS: LazyLock<FlagSet> = LazyLock::new(|| {
    let split = |key| {
        format!(
            r#""{key}":{{"type":"boolean","rules":[{{"experiment":{{"key":"{key}"}},"split":{{"off":1,"on":1}}}}]}}"#
        )
    };
    let flags = ["a", "b", "c"].map(split).join(",");
    FlagSet::from_json_strict(format!(r#"{{"format":1,"flags":{{{flags}}}}}"#).as_bytes())
        .expect("the target's own document")
});

fuzz_target!(|input: Input<'_>| {
    let sampling = match input.sampling {
        0 => Sampling::All,
        rate if rate % 2 == 0 => Sampling::Units {
            parts_per_million: u32::from(rate) * 3_900,
        },
        rate => Sampling::Chance {
            parts_per_million: u32::from(rate) * 3_900,
        },
    };
    let config = ExposureLogConfig::new(ProducerId([1; 16]))
        .sampling(sampling)
        .dedupe_entries(usize::from(input.dedupe_entries))
        .max_pending(usize::from(input.max_pending) + 1)
        .batch_records(usize::from(input.batch_records) + 1);
    let Ok(mut log) = ExposureLog::new(config) else {
        return;
    };
    let mut state = State {
        now: Times::default(),
        sent: Vec::new(),
        forks: 0,
    };
    for call in input.calls {
        state.call(&mut log, call);
        assert!(log.counters().is_balanced(), "{:?}", log.counters());
    }
});

struct State {
    now: Times,
    sent: Vec<Batch>,
    forks: u64,
}

impl State {
    fn call(&mut self, log: &mut ExposureLog, call: Call<'_>) {
        match call {
            Call::Record {
                unit,
                experiment,
                chance,
            } => {
                let context = EvaluationContext::new(unit.to_string());
                let flag = ["a", "b", "c"][usize::from(experiment % 3)];
                let resolution = FLAGS.resolve(flag, &context, self.now.wall);
                let assignment = resolution.assignment().expect("each flag is an experiment");
                log.record(&assignment, &ExposureDetails::default(), self.now, chance);
            }
            Call::Poll { chance } => {
                if let LogStep::Send(batch) = log.poll(self.now, chance) {
                    assert!(batch.body.ends_with(b"\n"));
                    self.sent.push(batch);
                }
            }
            Call::Advance { monotonic, wall } => {
                let MonotonicMillis(before) = self.now.monotonic;
                self.now.monotonic = MonotonicMillis(before + u64::from(monotonic));
                // A wall clock may go anywhere.
                let UnixMillis(before) = self.now.wall;
                self.now.wall = UnixMillis(before.saturating_add(i64::from(wall) << 8));
            }
            Call::Answer {
                batch,
                status,
                retry_after,
            } => {
                if let Some(batch) = self.sent.get(usize::from(batch)) {
                    let wait = retry_after.map(|millis| Duration::from_millis(millis.into()));
                    log.on_response(batch.id, status, wait, self.now.monotonic);
                }
            }
            Call::Flush => log.flush(),
            Call::Fork => {
                self.forks += 1;
                log.reset_for_child(ProducerId(u128::from(self.forks).to_be_bytes()));
                assert_eq!(log.pending_bytes(), 0);
            }
            Call::Spool { change } => self.spool(log, change),
            Call::Forged(bytes) => {
                let checksum: String = Sha256::digest(bytes)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let _ = log.restore(&[bytes, format!("sha256 {checksum}\n").as_bytes()].concat());
            }
        }
    }

    /// What one log writes another takes over whole, or refuses if it was changed.
    fn spool(&self, log: &mut ExposureLog, change: Option<(u16, u8)>) {
        let mut spool = log.export();
        let counters = log.counters();
        let mut other = ExposureLog::new(ExposureLogConfig::new(ProducerId([0xFF; 16])))
            .expect("the defaults are in range");
        if let Some((at, change)) = change {
            let at = usize::from(at) % spool.len();
            spool[at] ^= change;
            assert_eq!(other.restore(&spool).is_err(), change != 0);
        } else {
            other.restore(&spool).expect("a log's own spool");
            let pending = counters.in_flight + counters.restored.in_flight;
            assert_eq!(other.counters().restored.in_flight, pending);
            assert_eq!(
                other.export(),
                spool,
                "a spool is changed by going through a log"
            );
        }
    }
}
