//! `bucketry serve`, from the outside: the flag set and word of its changes.

mod server;

use std::fs;
use std::io::{BufRead, BufReader};

use server::{Server, client, folder, metric, publish, wait_for};

#[test]
fn a_flag_set_is_served_with_a_tag_and_not_again_to_who_has_it() {
    let home = folder("serve-flags-etag");
    publish(&home.join("flags.json"), 42);
    let server = Server::start(&home, &["flags.json"]);
    let whole = server.get("/flags.json");
    assert_eq!(whole.status(), 200);
    let header = |name: &str| whole.headers()[name].to_str().unwrap().to_owned();
    let etag = header("etag");
    assert!(
        etag.len() == 34 && etag.starts_with('"') && etag.ends_with('"'),
        "{etag}"
    );
    assert_eq!(header("cache-control"), "no-cache");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("link"), "</flags/events>; rel=\"monitor\"");
    let text = whole.text().unwrap();
    assert_eq!(text, fs::read_to_string(home.join("flags.json")).unwrap());

    let url = format!("{}/flags.json", server.url);
    for (asked, status) in [
        (etag.clone(), 304),
        (format!("\"other\", {etag}"), 304),
        (format!("W/{etag}"), 304), // a proxy that compressed
        ("*".into(), 304),
        ("\"other\"".into(), 200),
        ("nonsense".into(), 200),
    ] {
        let answer = client()
            .get(&url)
            .header("if-none-match", &asked)
            .send()
            .unwrap();
        assert_eq!(answer.status(), status, "{asked}");
        assert_eq!(answer.headers()["etag"], *etag, "{asked}");
        let body = answer.text().unwrap();
        assert_eq!(body.is_empty(), status == 304, "{asked}");
    }
}

#[test]
fn a_change_is_served_and_told_to_who_listens() {
    let home = folder("serve-flags-change");
    let file = home.join("flags.json");
    publish(&file, 42);
    let server = Server::start(&home, &["flags.json", "--watch", "10"]);
    let events = server.get("/flags/events");
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(events).lines().map(|line| line.unwrap());
    let mut next = |wanted: &str| lines.find(|line| line.starts_with(wanted)).unwrap();
    let greeting = next("data: ");
    assert!(greeting.contains("\"revision\":42"), "{greeting}");
    assert!(next("retry: ")["retry: ".len()..].parse::<u64>().unwrap() >= 1_000);

    publish(&file, 43);
    assert_eq!(next("event: "), "event: change");
    let change = next("data: ");
    assert!(change.contains("\"revision\":43"), "{change}");
    let answer = server.get("/flags.json");
    let etag = answer.headers()["etag"]
        .to_str()
        .unwrap()
        .replace('"', "\\\"");
    assert!(change.contains(&etag), "{change} has not {etag}");
    assert!(answer.text().unwrap().contains("\"revision\": 43"));
}

#[test]
fn a_broken_file_leaves_the_last_good_flag_set_served_and_is_told() {
    let home = folder("serve-flags-broken");
    let file = home.join("flags.json");
    publish(&file, 42);
    let server = Server::start(&home, &["flags.json", "--watch", "10"]);
    let etag = server.get("/flags.json").headers()["etag"].clone();
    fs::write(&file, "{ \"format\": 1, \"flags\"").unwrap();
    wait_for("the file to be found broken", || {
        metric(&server, "bucketry_flag_set_broken") == 1.0
    });
    let health = server.get_json("/healthz");
    assert_eq!(health["status"], "degraded");
    assert!(
        health["flagSet"]["problem"]
            .as_str()
            .unwrap()
            .contains("`flags.json`: "),
        "{health}"
    );
    assert_eq!(health["flagSet"]["revision"], 42);
    assert_eq!(server.get("/flags.json").headers()["etag"], etag);
    assert!(
        server.stderr().contains("revision 42 is still served"),
        "{}",
        server.stderr()
    );

    publish(&file, 44);
    wait_for("the next good one", || {
        metric(&server, "bucketry_flag_set_revision") == 44.0
    });
    let health = server.get_json("/healthz");
    assert_eq!(
        (&health["status"], &health["flagSet"]["problem"]),
        (&"ok".into(), &serde_json::Value::Null)
    );
}
