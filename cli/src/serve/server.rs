//! Connections: taken, limited, and ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::site::Site;
use crate::failure::warning;

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;
/// Where taking a connection fails, for want of file descriptors for example, the next try waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` ends, then lets what began end, for at most `patience`.
pub(super) async fn serve(
    site: &Site,
    listener: TcpListener,
    router: Router,
    connections: usize,
    stop: impl Future<Output = ()>,
    patience: Duration,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            // Whoever comes when all places are taken waits in the system's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let connection = connection(stream, router.clone(), site.limits.read_time);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is no news.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    // Streams of events have no end of their own.
    site.stopping.send_replace(true);
    if timeout(patience, graceful.shutdown()).await.is_err() {
        warning("some requests did not end in time; what was accepted is stored");
    }
}

/// `head_time` is for the head of a request, the wait between two requests included.
fn connection(
    stream: TcpStream,
    router: Router,
    head_time: Duration,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
    // Answers are small, and a client waits for each.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

async fn pause_after(error: &io::Error) {
    let is_of_client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_of_client {
        warning(format_args!("cannot take a connection: {error}"));
        sleep(ACCEPT_PAUSE).await;
    }
}

/// A future that ends when the process is asked to end: by Ctrl-C, or by SIGTERM. From this call on such a request
/// does not kill the process.
#[cfg(unix)]
pub(crate) fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A future that ends when the process is asked to end by Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

/// Ends when whoever holds the other end of standard input closes it, or dies.
pub(super) async fn stdin_ends() {
    let (ended, told) = tokio::sync::oneshot::channel();
    // A thread of its own, because nothing can wake it from reading when the program ends for another reason.
    let reader = std::thread::Builder::new().spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    if reader.is_ok() {
        let _ = told.await;
    } else {
        std::future::pending().await
    }
}
