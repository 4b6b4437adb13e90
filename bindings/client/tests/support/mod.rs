//! Servers on the loopback that behave as badly as a test wants, and waiting for what must come.
#![allow(dead_code, reason = "each test program uses a part")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; what is waited for usually comes in milliseconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < end, "this did not happen: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A flag set of one boolean flag `on` and one of the name that is given.
pub(crate) fn document(revision: u64, flag: &str) -> String {
    format!(
        r#"{{ "format": 1, "revision": {revision}, "flags": {{
            "on": {{ "type": "boolean", "default": "on" }},
            "{flag}": {{ "type": "string", "variants": {{ "a": "revision {revision}" }}, "default": "a" }}
        }} }}"#
    )
}

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a server does with a request: reads nothing more and writes what it wants; then the connection is closed.
pub(crate) trait Handler:
    Fn(&Seen, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static
{
}

impl<T: Fn(&Seen, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static> Handler for T {}

type Handle = Arc<dyn Fn(&Seen, &mut dyn Write) -> io::Result<()> + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    handler: Arc<Mutex<Handle>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(handler: impl Handler) -> Self {
        Self::listen(handler, |stream| Ok(Box::new(stream)))
    }

    /// Each connection goes through `wrap` first: TLS.
    pub(crate) fn listen(
        handler: impl Handler,
        wrap: impl Fn(TcpStream) -> io::Result<Box<dyn ReadWrite>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            handler: Arc::new(Mutex::new(Arc::new(handler))),
            seen: Arc::default(),
            stop: Arc::default(),
        };
        let (handler, seen) = (Arc::clone(&server.handler), Arc::clone(&server.seen));
        let (stop, wrap) = (Arc::clone(&server.stop), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                let wrap = Arc::clone(&wrap);
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(wrap(stream)?);
                    let request = read_request(&mut stream)?;
                    seen.lock().unwrap().push(request.clone());
                    let handle = Arc::clone(&*handler.lock().unwrap());
                    handle(&request, stream.get_mut())?;
                    stream.get_mut().flush()
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Behaves so from now on.
    pub(crate) fn become_(&self, handler: impl Handler) {
        *self.handler.lock().unwrap() = Arc::new(handler);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn seen_at(&self, path: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|request| request.path == path);
        seen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

pub(crate) trait ReadWrite: Read + Write + Send {}

impl<T: Read + Write + Send> ReadWrite for T {}

fn read_request(stream: &mut impl BufRead) -> io::Result<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    Ok(Seen {
        path,
        headers,
        at: Instant::now(),
    })
}

/// A whole response.
pub(crate) fn respond(
    out: &mut dyn Write,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    )?;
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    out.write_all(b"\r\n")?;
    out.write_all(body)
}

/// Serves this document with its entity tag.
pub(crate) fn serving(document: impl Into<String>) -> impl Handler {
    let document = document.into();
    let etag = format!(
        "\"{:x}\"",
        document.len() ^ document.bytes().map(usize::from).sum::<usize>()
    );
    move |request: &Seen, out: &mut dyn Write| {
        if request.header("if-none-match") == Some(&etag) {
            return respond(out, 304, &[("etag", &etag)], b"");
        }
        respond(out, 200, &[("etag", &etag)], document.as_bytes())
    }
}

/// Always answers with this status.
pub(crate) fn failing(status: u16) -> impl Handler {
    move |_: &Seen, out: &mut dyn Write| respond(out, status, &[], b"no")
}
