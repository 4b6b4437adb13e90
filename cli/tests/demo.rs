//! `bucketry demo`, from the outside: the story as it is told, and whether it is true.

mod program;

use std::fs;
use std::path::PathBuf;

use program::run;
use serde_json::Value;

/// A folder that is not there.
fn fresh(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn every_exposure_is_accounted_for_and_nobody_moved() {
    let folder = fresh("demo-json");
    let ran = run(&format!(
        "demo --once --json --visitors 4000 --folder {}",
        folder.display()
    ));
    let told = ran.json(0).remove(0);
    assert_eq!(told["accounted"], true, "{told}");
    let number = |pointer: &str| {
        told.pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer} in {told}"))
    };
    assert_eq!(number("/evaluations"), (4_000 + 4_000 + 2_000) * 6);
    assert!(number("/rollout/entered") > 500);
    assert_eq!(
        (number("/rollout/left"), number("/rollout/changedArm")),
        (0, 0)
    );
    assert!(number("/outage/kept") > 500, "the outage was felt");
    assert!(number("/outage/delivered") >= number("/outage/kept"));

    // The files, read once more and by other means.
    let mut ids = std::collections::HashSet::new();
    let mut exposures = 0;
    for entry in fs::read_dir(folder.join("exposures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!name.ends_with(".open"), "{name} is not sealed");
        if !name.ends_with(".ndjson") {
            continue;
        }
        assert!(
            path.with_file_name(format!("{name}.manifest.json"))
                .exists()
        );
        for line in fs::read_to_string(&path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            if record["rec"] != "heartbeat" {
                exposures += 1;
                ids.insert(record["event_id"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(number("/exposures/stored"), exposures);
    assert_eq!(number("/exposures/sent"), exposures);
    assert_eq!(number("/exposures/distinct"), ids.len() as u64);
    for experiment in told["experiments"].as_array().unwrap() {
        let p = experiment["pValue"].as_f64().unwrap();
        assert!(p > 0.001, "{experiment}"); // the same visitors each time
    }
    let folder = told["folder"].as_str().unwrap();
    assert!(folder.ends_with("exposures"), "{folder}");
}

#[test]
fn the_story_is_told_without_colours_in_a_pipe() {
    let folder = fresh("demo-text");
    let stdout = run(&format!(
        "demo --once --visitors 1000 --folder {}",
        folder.display()
    ))
    .exits(0);
    assert!(!stdout.contains('\u{1b}'), "{stdout}");
    for part in [
        "\nThe shop opens\n",
        "\nA rollout is raised, live\n",
        " 0 fall out, 0 change the arm of a test\n",
        "\nThe server is killed\n",
        " wait in memory\n",
        "\nThe account\n",
        "button-test/2",
        "every exposure is accounted for",
    ] {
        assert!(stdout.contains(part), "no {part:?} in\n{stdout}");
    }
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = fresh("demo-full");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("flags.json"), "mine").unwrap();
    let ran = run(&format!("demo --once --folder {}", folder.display()));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("is not empty"), "{}", ran.stderr);
    assert_eq!(
        fs::read_to_string(folder.join("flags.json")).unwrap(),
        "mine"
    );
}
