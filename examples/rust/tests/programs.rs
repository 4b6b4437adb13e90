//! The programs print what the page about them says.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../README.md");

/// A new folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(program: &str, folder: &PathBuf) -> String {
    let ran = Command::new(program).arg(folder).output().unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    String::from_utf8(ran.stdout).unwrap()
}

fn assert_is_on_the_page(text: &str) {
    assert!(PAGE.contains(text.trim()), "the page does not show\n{text}");
}

#[test]
fn offline() {
    let folder = folder("offline");
    assert_is_on_the_page(&run(env!("CARGO_BIN_EXE_offline"), &folder));
    let sealed = fs::read_dir(&folder)
        .unwrap()
        .filter_map(Result::ok)
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|extension| extension == "ndjson")
        });
    assert_eq!(sealed.count(), 1);
}

#[test]
fn custom() {
    assert_is_on_the_page(&run(env!("CARGO_BIN_EXE_custom"), &folder("custom")));
}

#[test]
fn backend() {
    let folder = folder("backend");
    let mut server = Command::new(env!("CARGO_BIN_EXE_backend"))
        .arg("127.0.0.1:0")
        .arg(&folder)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    let mut url = String::new();
    stdout.read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET /visitors/visitor-7 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let _ = server.kill();
    let _ = server.wait();
    assert_is_on_the_page(answer.lines().last().unwrap());
}
