use std::io;

use bucketry_core::{FlagSet, ProducerId, UnixMillis};

use super::*;
use crate::assign::assigner::OnError;
use crate::assign::chunks::Form;
use crate::assign::output::Numbering;

const FLAG_SET: &[u8] = br#"{
    "format": 1,
    "flags": {
        "a": {
            "type": "string",
            "variants": { "x": "x", "y,": "y" },
            "rules": [{ "experiment": { "key": "e" }, "split": { "x": 1, "y,": 3 } }]
        },
        "b": { "type": "boolean", "rules": [{ "experiment": { "key": "f" }, "serve": "on", "rollout": 50 }] }
    }
}"#;

fn plan(on_error: OnError) -> Arc<Plan> {
    Arc::new(Plan {
        set: FlagSet::from_json_strict(FLAG_SET).unwrap(),
        flags: vec!["a".into(), "b".into()],
        unit_name: "id".into(),
        form: Form::Csv,
        at: UnixMillis(0),
        producer: Some(ProducerId([7; 16])),
        platform: "test".into(),
        on_error,
    })
}

/// Keeps what it is given; takes so many outputs at most.
struct Kept {
    rows: Vec<u8>,
    exposures: Vec<u8>,
    units: u64,
    numbering: Numbering,
    takes: usize,
    parts: usize,
}

impl Kept {
    fn new(plan: &Plan) -> Self {
        Self {
            rows: Vec::new(),
            exposures: Vec::new(),
            units: 0,
            numbering: Numbering::new(plan),
            takes: usize::MAX,
            parts: 0,
        }
    }
}

impl Writer for Kept {
    type Error = &'static str;

    fn write(&mut self, output: &Output, done: Option<u64>) -> Result<(), Self::Error> {
        self.takes = self.takes.checked_sub(1).ok_or("full")?;
        self.rows.extend(&output.rows);
        self.exposures.extend(self.numbering.number(output));
        self.units += output.units;
        self.parts += usize::from(done.is_none());
        Ok(())
    }
}

fn run_with(
    plan: &Arc<Plan>,
    input: impl Read + Send + 'static,
    sizes: Sizes,
    kept: &mut Kept,
) -> Result<Tally, Stopped<&'static str>> {
    let reading = Reading::Csv(Columns::unnamed(1));
    let chunks = Chunks::new(input, Form::Csv, sizes.chunk).unwrap();
    run(plan, &reading, chunks, sizes, kept)
}

fn sizes(threads: usize, chunk: usize, output: usize) -> Sizes {
    Sizes {
        threads,
        jobs: 2 * threads + 2,
        chunk,
        output,
    }
}

fn units(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|unit| format!("user-{unit}\n").into_bytes())
        .collect()
}

#[test]
fn threads_chunks_and_parts_do_not_show_in_the_output() {
    let plan = plan(OnError::Fail);
    let input = units(5_000);
    let mut whole = Kept::new(&plan);
    let one = sizes(1, 1 << 20, usize::MAX);
    run_with(&plan, io::Cursor::new(input.clone()), one, &mut whole).unwrap();
    assert_eq!(whole.rows.split(|byte| *byte == b'\n').count(), 5_001);
    for (threads, chunk, output) in [
        (1, 7, 1 << 20),
        (4, 64, 1 << 20),
        (4, 4_096, 2_000),
        (2, 1 << 20, 100),
    ] {
        let mut kept = Kept::new(&plan);
        let tally = run_with(
            &plan,
            io::Cursor::new(input.clone()),
            sizes(threads, chunk, output),
            &mut kept,
        );
        let tally = tally.unwrap();
        let what = format!("{threads} threads, chunks of {chunk}, output of {output}");
        assert!(kept.rows == whole.rows, "rows differ: {what}");
        assert!(
            kept.exposures == whole.exposures,
            "exposures differ: {what}"
        );
        assert_eq!((tally.units, kept.units), (5_000, 5_000), "{what}");
        assert_eq!(kept.parts > 0, output < 1 << 20, "{what}");
    }
}

#[test]
fn exposures_are_numbered_as_the_core_numbers_them() {
    let plan = plan(OnError::Fail);
    let mut kept = Kept::new(&plan);
    run_with(
        &plan,
        io::Cursor::new(units(300)),
        sizes(3, 32, 1 << 20),
        &mut kept,
    )
    .unwrap();
    let mut want = Vec::new();
    let mut number = 0;
    for unit in 0..300 {
        let context = bucketry_core::EvaluationContext::new(format!("user-{unit}"));
        for flag in plan.handles() {
            let resolution = flag.resolve(&context, plan.at);
            if let Some(assignment) = resolution.assignment() {
                number += 1;
                bucketry_core::Exposure::new(&assignment, plan.at)
                    .write_line(&plan.origin(number), &mut want);
            }
        }
    }
    assert!((400..500).contains(&number), "{number}");
    assert_eq!(
        String::from_utf8(kept.exposures).unwrap(),
        String::from_utf8(want).unwrap()
    );
}

#[test]
fn the_first_bad_row_stops_after_the_rows_before_it() {
    let plan = plan(OnError::Fail);
    let mut input = units(1_000);
    input.extend(b"bad,row\n");
    input.extend(units(500));
    input.extend(b"\xFF\n");
    for chunk in [16, 1_000, 1 << 20] {
        let mut kept = Kept::new(&plan);
        let stopped = run_with(
            &plan,
            io::Cursor::new(input.clone()),
            sizes(4, chunk, 1 << 20),
            &mut kept,
        );
        assert!(
            matches!(stopped, Err(Stopped::BadRow { line: 1_001, .. })),
            "chunks of {chunk}: {stopped:?}"
        );
        assert_eq!(kept.units, 1_000);
        assert!(kept.rows.ends_with(b"\n"));
        assert_eq!(
            kept.rows.iter().filter(|byte| **byte == b'\n').count(),
            1_000
        );
    }
}

#[test]
fn bad_rows_can_be_left_out() {
    let plan = plan(OnError::Skip);
    let mut kept = Kept::new(&plan);
    let input = b"a\nbad,row\nb\n\xFF\n".repeat(100);
    let tally = run_with(
        &plan,
        io::Cursor::new(input),
        sizes(2, 16, 1 << 20),
        &mut kept,
    )
    .unwrap();
    assert_eq!((tally.units, tally.bad_rows, kept.units), (200, 200, 200));
}

/// Gives units, and then fails, panics or hangs.
struct Troubled<F>(io::Cursor<Vec<u8>>, F);

impl<F: FnMut() -> io::Result<usize>> Read for Troubled<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => (self.1)(),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failure_of_the_input_comes_after_all_that_was_read() {
    let plan = plan(OnError::Fail);
    let mut kept = Kept::new(&plan);
    let input = Troubled(io::Cursor::new(units(1_000)), || {
        Err(io::Error::other("unplugged"))
    });
    let stopped = run_with(&plan, input, sizes(2, 64, 1 << 20), &mut kept);
    assert!(
        matches!(stopped, Err(Stopped::Read(ReadError::Io(_)))),
        "{stopped:?}"
    );
    assert_eq!(kept.units, 1_000);
}

#[test]
fn a_reader_that_panics_is_no_end_of_the_input() {
    let plan = plan(OnError::Fail);
    let mut kept = Kept::new(&plan);
    let input = Troubled(io::Cursor::new(units(10)), || panic!("as the test wants"));
    let stopped = run_with(&plan, input, sizes(2, 64, 1 << 20), &mut kept);
    assert!(matches!(stopped, Err(Stopped::Panicked)), "{stopped:?}");
}

#[test]
fn nothing_waits_for_an_input_that_hangs_when_the_output_has_failed() {
    let plan = plan(OnError::Fail);
    let mut kept = Kept::new(&plan);
    kept.takes = 3;
    let hang = || loop {
        std::thread::park();
    };
    let input = Troubled(io::Cursor::new(units(1_000)), hang);
    let stopped = run_with(&plan, input, sizes(2, 64, 100), &mut kept);
    assert!(
        matches!(stopped, Err(Stopped::Write("full"))),
        "{stopped:?}"
    );
}
