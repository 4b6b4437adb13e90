//! The conservation law of exposures, over random schedules.
//!
//! Programs with an `ExposureLog` each send over a network that loses, delays and doubles, to a receiver
//! that refuses, stumbles and sometimes loses what it has acknowledged. Wall clocks jump, processes
//! export, die and are followed by others that restore. After every step each log's account has to add
//! up and stay within its bounds; at the end, when all is quiet, the receiver has to have every exposure
//! that was accepted, but for those that an account names as lost, and has to know from the numbers of the
//! records which ones it lacks.
//!
//! A failure names its seed. `CONSERVATION_SEED=<seed>` runs that schedule alone, `CONSERVATION_RUNS` says how many to run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bucketry_core::{
    Assignment, Batch, BatchId, Counters, Delivery, DropReason, Exposure, ExposureDetails,
    ExposureLog, ExposureLogConfig, LogStep, MonotonicMillis, ProducerId, Reason, Recorded,
    Sampling, Sticky, Times, UnitText, UnixMillis, dedupe_window,
};

const RUNS: u64 = 1_500;
const STEPS: u64 = 400;
const DAY: u64 = 86_400_000;

#[test]
fn every_exposure_is_accounted_for() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("CONSERVATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("CONSERVATION_RUNS").unwrap_or(RUNS) + 1,
    };
    let mut seen = Seen::default();
    for seed in seeds.clone() {
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        match run {
            Ok(run) => {
                for (fate, count) in run {
                    *seen.entry(fate).or_insert(0) += count;
                }
            }
            Err(panic) => {
                eprintln!("failed: CONSERVATION_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{} schedules: {seen:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= RUNS {
        for fate in FATES {
            assert!(seen.get(fate).is_some_and(|count| *count > 100), "{fate}");
        }
    }
}

/// What must have happened often over all schedules: a test that nothing happens in proves nothing.
const FATES: [&str; 13] = [
    "sent",
    "deduplicated",
    "sampled out",
    "queue full",
    "shed",
    "too large",
    "rejected",
    "restored",
    "restored and dropped",
    "died",
    "split",
    "gap",
    "duplicate",
];

type Seen = BTreeMap<&'static str, u64>;

/// Xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// A log, and an account of it that is kept apart.
struct Program {
    log: ExposureLog,
    bounds: Bounds,
    /// Its clock began at a moment of its own.
    booted: u64,
    /// What `record` answered.
    told: Counters,
    /// Ids of the exposures that it queued, in order.
    accepted: Vec<String>,
    /// How many of them a spool of it held when it was last written.
    spooled: Option<(usize, Vec<u8>)>,
    /// Batches that it was told to give up.
    rejected: u64,
    /// What its predecessors had accepted and spooled, and how many of those their accounts name as lost.
    inherited: Vec<String>,
    inherited_losses: u64,
}

#[derive(Clone, Copy)]
struct Bounds {
    pending: usize,
    bytes: usize,
    batch_bytes: usize,
    batch_records: usize,
    window: Option<Duration>,
}

/// Something on its way.
enum Message {
    Batch(Batch),
    Answer(BatchId, u16),
    Failure(BatchId),
}

struct World {
    random: Random,
    now: u64,
    /// What the wall clock shows beyond `now`.
    wall_offset: i64,
    programs: Vec<Program>,
    /// When it arrives, for which program, and what it is.
    network: Vec<(u64, usize, Message)>,
    receiver: Receiver,
    next_producer: u8,
    /// How bad the network is, in parts of 100, and how bad the receiver.
    loss: u64,
    failure: u64,
    refusal: u64,
    black_hole: u64,
    largest_body: usize,
    /// The body of every batch that was sent.
    bodies: BTreeMap<BatchId, Vec<u8>>,
    seen: Seen,
}

/// What a receiver keeps: as `docs/exposures.md` tells it to.
#[derive(Default)]
struct Receiver {
    batches: BTreeMap<BatchId, Vec<u8>>,
    lines: BTreeMap<(ProducerId, u64), String>,
    /// What each id stands for.
    exposures: BTreeMap<String, Identity>,
    /// Acknowledged and lost. Only the test knows.
    lost: BTreeSet<BatchId>,
    /// Refused for good. Likewise.
    refused: BTreeSet<BatchId>,
    duplicates: u64,
}

type Identity = Vec<serde_json::Value>;

const IDENTITY: [&str; 8] = [
    "env",
    "experiment",
    "phase",
    "unit_type",
    "variant",
    "holdout",
    "dedupe_window",
    "unit",
];

impl Receiver {
    fn receive(&mut self, batch: &Batch) {
        if let Some(known) = self.batches.get(&batch.id) {
            assert_eq!(*known, batch.body, "two contents of batch {}", batch.id);
            self.duplicates += 1;
            return;
        }
        self.batches.insert(batch.id, batch.body.clone());
        let text = str::from_utf8(&batch.body).expect("UTF-8");
        assert!(text.ends_with('\n'));
        let mut number = batch.id.first;
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect(line);
            assert_eq!(record["v"], 1);
            assert_eq!(record["producer_id"], batch.id.producer.to_string());
            assert_eq!(record["seq"], number);
            let known = self.lines.insert((batch.id.producer, number), line.into());
            if let Some(known) = known {
                assert_eq!(known, line, "two records of one number");
                self.duplicates += 1;
            }
            match record["rec"].as_str() {
                Some("exposure") => self.expose(&record),
                Some("heartbeat") => check_heartbeat(&record),
                other => panic!("record of kind {other:?}"),
            }
            number += 1;
        }
        assert_eq!(number, batch.id.last + 1, "as many lines as numbers");
    }

    fn expose(&mut self, record: &serde_json::Value) {
        let id = record["event_id"].as_str().expect("an id").to_owned();
        let identity: Identity = IDENTITY.iter().map(|name| record[name].clone()).collect();
        match self.exposures.insert(id, identity.clone()) {
            Some(known) if known == identity => self.duplicates += 1,
            Some(known) => panic!("two exposures of one id: {known:?} and {identity:?}"),
            None => {}
        }
    }

    /// The numbers that are missing below the highest of each producer: all that a receiver can know.
    fn gaps(&self) -> BTreeSet<(ProducerId, u64)> {
        let mut expected: BTreeMap<ProducerId, u64> = BTreeMap::new();
        let mut gaps = BTreeSet::new();
        for (producer, number) in self.lines.keys() {
            let next = expected.entry(*producer).or_insert(1);
            gaps.extend((*next..*number).map(|missing| (*producer, missing)));
            *next = number + 1;
        }
        gaps
    }
}

fn check_heartbeat(record: &serde_json::Value) {
    let count = |name: &str| record[name].as_u64().expect("a count");
    let sum = |value: &serde_json::Value| -> u64 {
        let members = value.as_object().expect("an object");
        members.values().filter_map(serde_json::Value::as_u64).sum()
    };
    let accounted = count("queued")
        + count("in_flight")
        + count("sent")
        + count("deduplicated")
        + count("sampled_out")
        + sum(&record["dropped"]);
    assert_eq!(count("evaluated"), accounted, "{record}");
    // The arms add up to the whole.
    if let Some(arms) = record["arms"].as_array() {
        for total in ["evaluated", "sent", "deduplicated", "sampled_out"] {
            let other = record["arms_other"][total].as_u64().unwrap_or(0);
            let arms: u64 = arms.iter().filter_map(|arm| arm[total].as_u64()).sum();
            assert_eq!(arms + other, count(total), "{total} of {record}");
        }
    }
}

const EXPOSURE: &str = r#""rec":"exposure""#;

/// The ids of the exposures in a batch.
fn exposures_of(body: &[u8]) -> Vec<String> {
    let text = str::from_utf8(body).expect("UTF-8");
    let exposures = text.lines().filter(|line| line.contains(EXPOSURE));
    exposures
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).expect(line);
            record["event_id"].as_str().expect("an id").to_owned()
        })
        .collect()
}

const UNITS: u64 = 60;
const EXPERIMENTS: [&str; 3] = ["checkout", "exp \"2\"", "ż"];
const VARIANTS: [Option<&str>; 4] = [Some("control"), Some("green"), Some("blue"), None];

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut world = Self {
            now: 0,
            wall_offset: 1_700_000_000_000,
            programs: Vec::new(),
            network: Vec::new(),
            receiver: Receiver::default(),
            next_producer: 0,
            loss: random.of(&[0, 5, 30]),
            failure: random.of(&[0, 10, 60]),
            refusal: random.of(&[0, 0, 10]),
            black_hole: random.of(&[0, 0, 5]),
            largest_body: random.of(&[usize::MAX, usize::MAX, 4_000]),
            bodies: BTreeMap::new(),
            seen: Seen::default(),
            random,
        };
        for _ in 0..=world.random.below(3) {
            let program = world.program();
            world.programs.push(program);
        }
        world
    }

    /// A process with a new id and settings of its own.
    fn program(&mut self) -> Program {
        self.next_producer += 1;
        let random = &mut self.random;
        let batch_bytes = random.of(&[1_500, 4_000, 60_000]);
        let bounds = Bounds {
            pending: random.of(&[4, 30, 10_000]),
            bytes: random.of(&[batch_bytes, 20_000.max(batch_bytes), 1 << 20]),
            batch_bytes,
            batch_records: random.of(&[1, 3, 20, 1_000]),
            window: random
                .of(&[None, Some(1), Some(60), Some(86_400)])
                .map(Duration::from_secs),
        };
        let parts_per_million = random.of(&[1, 300_000, 999_999, 1_000_000]);
        let sampling = random.of(&[
            Sampling::All,
            Sampling::All,
            Sampling::Units { parts_per_million },
            Sampling::Chance { parts_per_million },
        ]);
        let config = ExposureLogConfig::new(ProducerId([self.next_producer; 16]))
            .sdk("simulation/1")
            .sampling(sampling)
            .dedupe_window(bounds.window)
            .dedupe_entries(random.of(&[0, 8, 64, 4_096]))
            .max_pending(bounds.pending)
            .max_bytes(bounds.bytes)
            .max_arms(random.of(&[0, 2, 64]))
            .batch_bytes(bounds.batch_bytes)
            .batch_records(bounds.batch_records)
            .flush_interval(Duration::from_millis(random.of(&[0, 500, 10_000])))
            .heartbeat_interval(Duration::from_secs(random.of(&[0, 1, 60])))
            .max_in_flight(random.of(&[1, 2, 5]) as usize)
            .send_timeout(Duration::from_secs(random.of(&[1, 60])))
            .backoff(
                Duration::from_millis(50),
                Duration::from_secs(random.of(&[1, 300])),
            );
        Program {
            log: ExposureLog::new(config).expect("settings in range"),
            bounds,
            booted: self.now - random.below(self.now + 1),
            told: Counters::default(),
            accepted: Vec::new(),
            spooled: None,
            rejected: 0,
            inherited: Vec::new(),
            inherited_losses: 0,
        }
    }

    fn run(mut self) -> Seen {
        for _ in 0..STEPS {
            self.step();
        }
        self.settle();
        self.see("duplicate", self.receiver.duplicates);
        self.seen
    }

    fn step(&mut self) {
        let index = self.random.below(self.programs.len() as u64) as usize;
        match self.random.below(100) {
            0..40 => self.record(index),
            40..65 => self.poll(index),
            65..74 => self.now += self.random.below(2_000),
            74..76 => self.now += self.random.below(400_000),
            76 => self.wall_offset += self.random.below(3 * DAY) as i64 - (3 * DAY / 2) as i64,
            77..80 => self.spool(index),
            80..82 => self.programs[index].log.flush(),
            82 => self.restore_from_another(index),
            83 => self.answer_nonsense(index),
            84 if self.random.one_in(2) => self.die(index),
            85 if self.random.one_in(4) => self.fork(index),
            _ => self.deliver_due(),
        }
        self.check(index);
    }

    fn times(&self, index: usize) -> Times {
        Times {
            monotonic: MonotonicMillis(self.now - self.programs[index].booted),
            wall: UnixMillis(self.now as i64 + self.wall_offset),
        }
    }

    fn record(&mut self, index: usize) {
        let times = self.times(index);
        let number = self.random.below(UNITS);
        // One unit is too long for some batches.
        let unit = match number {
            0 => "x".repeat(1_200),
            _ => format!("user-{number}\u{1f}\"\n"),
        };
        let experiment = self.random.below(EXPERIMENTS.len() as u64) as usize;
        // A unit has one variant in an experiment, as a rule.
        let drawn = (number as usize + experiment) % VARIANTS.len();
        let variant = match self.random.one_in(20) {
            true => self.random.of(&VARIANTS),
            false => VARIANTS[drawn],
        };
        let assignment = Assignment {
            flag: "button",
            rule: None,
            experiment: EXPERIMENTS[experiment],
            phase: 1 + self.random.one_in(50) as u32,
            unit_type: "targetingKey",
            unit: UnitText::new(&unit),
            variant,
            reason: Reason::Split,
            arm: Some(self.random.below(1 << 32)),
            enrol: None,
            enrol_cut: None,
            arm_range: Some((0, 1 << 32)),
            arm_share: Some(1 << 32),
            modulus: 1 << 32,
            layer: None,
            layer_position: None,
            holdout: variant.is_none().then_some("q4"),
            sticky: Sticky::None,
            environment: (experiment != 1).then_some("test"),
            revision: 1,
        };
        let chance = self.random.next();
        let program = &mut self.programs[index];
        let details = ExposureDetails::default();
        program.told.evaluated += 1;
        match program.log.record(&assignment, &details, times, chance) {
            Recorded::Queued => {
                let window = dedupe_window(times.wall, program.bounds.window);
                let exposure = Exposure::new(&assignment, times.wall).with_window(window);
                program.accepted.push(exposure.event_id().to_string());
            }
            Recorded::Deduplicated => program.told.deduplicated += 1,
            Recorded::SampledOut => program.told.sampled_out += 1,
            Recorded::Dropped(DropReason::QueueFull) => program.told.dropped.queue_full += 1,
            Recorded::Dropped(DropReason::TooLarge) => program.told.dropped.too_large += 1,
            Recorded::Dropped(reason) => panic!("dropped for {reason:?} at the door"),
        }
        if self.random.one_in(10) {
            program.log.count_unit_missing();
            program.told.unit_missing += 1;
        }
    }

    fn poll(&mut self, index: usize) {
        let (times, chance) = (self.times(index), self.random.next());
        match self.programs[index].log.poll(times, chance) {
            LogStep::Wait(until) => {
                assert!(until.is_none_or(|until| until > times.monotonic));
            }
            LogStep::Send(batch) => {
                self.check_batch(index, &batch);
                self.send(index, batch);
            }
        }
    }

    fn check_batch(&self, index: usize, batch: &Batch) {
        let program = &self.programs[index];
        if batch.id.producer != program.log.producer() {
            return; // restored: checked when it was made
        }
        assert!(batch.body.len() <= program.bounds.batch_bytes);
        let records = batch.id.last - batch.id.first + 1;
        assert!(records <= program.bounds.batch_records as u64);
    }

    fn send(&mut self, index: usize, batch: Batch) {
        self.bodies.insert(batch.id, batch.body.clone());
        for _ in 0..=u64::from(self.random.one_in(10)) {
            let arrives = self.now + self.random.below(3_000);
            let message = if self.random.below(100) < self.loss {
                match self.random.one_in(2) {
                    true => Message::Failure(batch.id),
                    false => continue, // no word at all
                }
            } else {
                Message::Batch(batch.clone())
            };
            self.network.push((arrives, index, message));
        }
    }

    fn deliver_due(&mut self) {
        let due = |(at, _, _): &(u64, usize, Message)| *at <= self.now;
        let Some(place) = self.network.iter().position(due) else {
            return;
        };
        let (_, index, message) = self.network.swap_remove(place);
        self.deliver(index, message);
    }

    fn deliver(&mut self, index: usize, message: Message) {
        let now = self.times(index).monotonic;
        match message {
            Message::Batch(batch) => {
                let status = self.receive(&batch);
                for _ in 0..=u64::from(self.random.one_in(10)) {
                    if self.random.below(100) >= self.loss {
                        let arrives = self.now + self.random.below(3_000);
                        let answer = Message::Answer(batch.id, status);
                        self.network.push((arrives, index, answer));
                    }
                }
            }
            Message::Answer(id, status) => {
                let retry_after = match self.random.one_in(3) {
                    true => Some(Duration::from_secs(self.random.below(20))),
                    false => None,
                };
                let program = &mut self.programs[index];
                let before = program.log.counters().dropped.rejected;
                let meant = program.log.on_response(id, status, retry_after, now);
                let after = program.log.counters();
                match (status, meant) {
                    (_, Delivery::Unknown) => {}
                    (200, Delivery::Acknowledged) => {}
                    (413, Delivery::Split) => self.see("split", 1),
                    (400 | 413, Delivery::Rejected) => {
                        program.rejected += after.dropped.rejected - before;
                        self.receiver.refused.insert(id);
                    }
                    (429 | 503, Delivery::Retrying) => {}
                    other => panic!("{other:?}"),
                }
            }
            Message::Failure(id) => {
                self.programs[index].log.retry(id, now, None);
            }
        }
    }

    /// What a receiver answers. It never refuses what it has, and what it loses it loses for good.
    fn receive(&mut self, batch: &Batch) -> u16 {
        if self.receiver.lost.contains(&batch.id) {
            return 200;
        }
        if self.receiver.batches.contains_key(&batch.id) {
            self.receiver.receive(batch);
            return 200;
        }
        if batch.body.len() > self.largest_body {
            return 413;
        }
        if self.random.below(100) < self.failure {
            return self.random.of(&[429, 503]);
        }
        if self.random.below(100) < self.refusal {
            return 400;
        }
        if self.random.below(100) < self.black_hole {
            self.receiver.lost.insert(batch.id);
            return 200;
        }
        self.receiver.receive(batch);
        200
    }

    fn spool(&mut self, index: usize) {
        let program = &mut self.programs[index];
        let spool = program.log.export();
        program.spooled = Some((program.accepted.len(), spool));
    }

    /// Two processes that hold the same batches: a spool read while its writer lives.
    fn restore_from_another(&mut self, index: usize) {
        let other = self.random.below(self.programs.len() as u64) as usize;
        if let Some((_, spool)) = self.programs[other].spooled.clone() {
            self.restore(index, &spool);
        }
    }

    /// How many exposures found no room.
    fn restore(&mut self, index: usize, spool: &[u8]) -> u64 {
        let program = &mut self.programs[index];
        let before = (program.log.counters(), program.log.pending_bytes());
        let mut damaged = spool.to_vec();
        let place = self.random.below(damaged.len() as u64) as usize;
        damaged[place] ^= 1 << self.random.below(8);
        assert!(program.log.restore(&damaged).is_err());
        let cut = &spool[..self.random.below(spool.len() as u64) as usize];
        assert!(program.log.restore(cut).is_err());
        let after = (program.log.counters(), program.log.pending_bytes());
        assert_eq!(before, after, "a damaged spool changes nothing");
        program.log.restore(spool).expect("an undamaged spool");
        program.log.counters().restored.dropped - before.0.restored.dropped
    }

    fn answer_nonsense(&mut self, index: usize) {
        let id = BatchId {
            producer: ProducerId([0xEE; 16]),
            first: 1,
            last: 1,
        };
        let now = self.times(index).monotonic;
        let log = &mut self.programs[index].log;
        assert!(!log.acknowledge(id) && !log.retry(id, now, None) && !log.reject(id));
    }

    /// The process dies without a word; another takes its place and reads what was on disk.
    fn die(&mut self, index: usize) {
        let successor = self.program();
        let dead = std::mem::replace(&mut self.programs[index], successor);
        self.count(&dead);
        self.see("died", 1);
        let Some((held, spool)) = dead.spooled else {
            return;
        };
        let dropped = self.restore(index, &spool);
        let shed = dead.log.counters().dropped.shed;
        let heir = &mut self.programs[index];
        heir.inherited = dead.inherited;
        heir.inherited.extend(dead.accepted.into_iter().take(held));
        heir.inherited_losses = dead.inherited_losses + shed + dropped;
        // The file stays until there is a newer one.
        heir.spooled = Some((0, spool));
    }

    /// A fork whose parent is killed at once: nothing of it has to arrive.
    fn fork(&mut self, index: usize) {
        self.next_producer += 1;
        let before = self.programs[index].log.counters();
        let child = &mut self.programs[index];
        child
            .log
            .reset_for_child(ProducerId([self.next_producer; 16]));
        let after = child.log.counters();
        let pending = before.queued + before.in_flight + before.restored.in_flight;
        let want = {
            let mut want = Counters::default();
            want.left_to_parent = pending;
            want
        };
        assert_eq!(after, want);
        child.told = want;
        child.rejected = 0;
        child.spooled = None;
        child.accepted.clear();
        child.inherited.clear();
    }

    /// The law and the bounds.
    fn check(&mut self, index: usize) {
        let program = &self.programs[index];
        let counters = program.log.counters();
        assert!(counters.is_balanced(), "{counters:?}");
        let told = &program.told;
        assert_eq!(counters.evaluated, told.evaluated);
        assert_eq!(counters.deduplicated, told.deduplicated);
        assert_eq!(counters.sampled_out, told.sampled_out);
        assert_eq!(counters.dropped.queue_full, told.dropped.queue_full);
        assert_eq!(counters.dropped.too_large, told.dropped.too_large);
        assert_eq!(counters.dropped.rejected, program.rejected);
        assert_eq!(counters.unit_missing, told.unit_missing);
        let accepted = counters.queued + counters.in_flight + counters.sent;
        let lost = counters.dropped.shed + counters.dropped.rejected;
        assert_eq!(accepted + lost, program.accepted.len() as u64);

        let pending = counters.queued + counters.in_flight + counters.restored.in_flight;
        assert!(pending <= program.bounds.pending as u64);
        assert!(program.log.pending_bytes() <= program.bounds.bytes);
        if pending == 0 && counters.restored.accepted == 0 {
            // Heartbeats may wait for an answer.
            assert!(program.log.pending_bytes() < program.bounds.batch_bytes * 8);
        }

        let arms = program.log.arms().map(|arm| arm.counters);
        let arms: Vec<_> = arms.chain([program.log.other_arms()]).collect();
        let sum = |of: fn(&bucketry_core::ArmCounters) -> u64| arms.iter().map(of).sum::<u64>();
        assert_eq!(sum(|arm| arm.evaluated), counters.evaluated);
        assert_eq!(sum(|arm| arm.sent), counters.sent);
        assert_eq!(sum(|arm| arm.deduplicated), counters.deduplicated);
        assert_eq!(sum(|arm| arm.sampled_out), counters.sampled_out);
        assert_eq!(sum(|arm| arm.dropped), counters.dropped.total());
    }

    /// Everything gets well, and everyone delivers what they hold.
    fn settle(&mut self) {
        (self.loss, self.failure, self.refusal, self.black_hole) = (0, 0, 0, 0);
        for index in 0..self.programs.len() {
            self.programs[index].log.flush();
            for _ in 0..100_000 {
                let (times, chance) = (self.times(index), self.random.next());
                match self.programs[index].log.poll(times, chance) {
                    LogStep::Send(batch) => {
                        self.check_batch(index, &batch);
                        self.bodies.insert(batch.id, batch.body.clone());
                        let status = self.receive(&batch);
                        self.deliver(index, Message::Answer(batch.id, status));
                    }
                    LogStep::Wait(Some(until)) => {
                        self.now = self.programs[index].booted + until.0;
                    }
                    LogStep::Wait(None) => break,
                }
            }
            self.check(index);
            let counters = self.programs[index].log.counters();
            assert_eq!((counters.queued, counters.in_flight), (0, 0));
            assert_eq!(counters.restored.in_flight, 0);
            assert_eq!(self.programs[index].log.pending_bytes(), 0);
        }
        // What is still on its way arrives too, and changes nothing.
        while !self.network.is_empty() {
            self.now += 3_000;
            self.deliver_due();
        }
        for index in 0..self.programs.len() {
            self.check(index);
        }
        self.check_receiver();
        for program in std::mem::take(&mut self.programs) {
            self.count(&program);
        }
    }

    fn check_receiver(&mut self) {
        // Nothing that was accepted is missing, but for what is in batches that were refused or lost, and for
        // as many as an account says that it shed.
        let mut excused = BTreeSet::new();
        for id in self.receiver.lost.iter().chain(&self.receiver.refused) {
            excused.extend(exposures_of(&self.bodies[id]));
        }
        let missing = |ids: &[String]| -> u64 {
            let ids: BTreeSet<&String> = ids.iter().collect();
            let arrived = |id: &&&String| !self.receiver.exposures.contains_key(**id);
            ids.iter()
                .filter(arrived)
                .filter(|id| !excused.contains(**id))
                .count() as u64
        };
        for program in &self.programs {
            let counters = program.log.counters();
            assert!(missing(&program.accepted) <= counters.dropped.shed);
            assert!(missing(&program.inherited) <= program.inherited_losses);
            self.check_sent(program.log.producer(), counters.sent);
        }

        // The numbers tell exactly which records are missing before the last that came.
        let numbers = |ids: &BTreeSet<BatchId>| -> BTreeSet<(ProducerId, u64)> {
            let each = |id: &BatchId| {
                (id.first..=id.last).map({
                    let producer = id.producer;
                    move |number| (producer, number)
                })
            };
            ids.iter().flat_map(each).collect()
        };
        let gone: BTreeSet<_> = numbers(&self.receiver.lost)
            .union(&numbers(&self.receiver.refused))
            .copied()
            .filter(|line| !self.receiver.lines.contains_key(line))
            .collect();
        let gaps = self.receiver.gaps();
        self.see("gap", gaps.len() as u64);
        for program in &self.programs {
            let producer = program.log.producer();
            let of = |set: &BTreeSet<(ProducerId, u64)>| -> Vec<u64> {
                let range = (producer, 0)..=(producer, u64::MAX);
                set.range(range).map(|(_, number)| *number).collect()
            };
            let highest = self
                .receiver
                .lines
                .range((producer, 0)..=(producer, u64::MAX));
            let highest = highest.last().map_or(0, |((_, number), _)| *number);
            let known: Vec<u64> = of(&gone).into_iter().filter(|n| *n < highest).collect();
            assert_eq!(of(&gaps), known, "gaps of {producer}");
        }
    }

    /// What a log counts as sent is what came under its name.
    fn check_sent(&self, producer: ProducerId, sent: u64) {
        let of_producer = |id: &&BatchId| id.producer == producer;
        let lines = self
            .receiver
            .lines
            .range((producer, 0)..=(producer, u64::MAX));
        let arrived = lines.filter(|(_, line)| line.contains(EXPOSURE)).count() as u64;
        let lost = self.receiver.lost.iter().filter(of_producer);
        let lost: usize = lost.map(|id| exposures_of(&self.bodies[id]).len()).sum();
        if self
            .receiver
            .refused
            .iter()
            .any(|id| id.producer == producer)
        {
            // Another process may have delivered what was refused to this one.
            assert!(arrived + lost as u64 >= sent);
        } else {
            assert_eq!(arrived + lost as u64, sent, "sent by {producer}");
        }
    }

    fn count(&mut self, program: &Program) {
        let counters = program.log.counters();
        for (fate, count) in [
            ("sent", counters.sent),
            ("deduplicated", counters.deduplicated),
            ("sampled out", counters.sampled_out),
            ("queue full", counters.dropped.queue_full),
            ("shed", counters.dropped.shed),
            ("too large", counters.dropped.too_large),
            ("rejected", counters.dropped.rejected),
            ("restored", counters.restored.accepted),
            ("restored and dropped", counters.restored.dropped),
        ] {
            self.see(fate, count);
        }
    }

    fn see(&mut self, fate: &'static str, count: u64) {
        *self.seen.entry(fate).or_insert(0) += count;
    }
}
