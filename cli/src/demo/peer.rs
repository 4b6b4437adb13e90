//! The server of the demo: `bucketry serve` in a process of its own, so that it can be killed like one.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::failure::{Failure, Result};

/// A running server. It ends with this process, however that ends: it reads from a pipe that then breaks.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    folder: PathBuf,
    port: String,
    pub(super) url: String,
}

impl Peer {
    /// Starts it in a folder that holds `flags.json`, on a free port.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        Self::launch(folder, "0".into())
    }

    fn launch(folder: &Path, port: String) -> Result<Self> {
        let failed = |error| Failure::new(format!("cannot start the server: {error}"));
        let program = env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .args([
                "serve",
                "flags.json",
                "--until-stdin-ends",
                "--watch",
                "50",
                "--port",
                &port,
            ])
            .current_dir(folder)
            .env_remove("BUCKETRY_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(failed)?;
        }
        let mut stderr = child.stderr.take();
        let url = line.trim_end().to_owned();
        let Some((_, port)) = url.rsplit_once(':') else {
            let mut said = String::new();
            if let Some(stderr) = &mut stderr {
                let _ = stderr.read_to_string(&mut said);
            }
            let _ = child.kill();
            return Err(Failure::new(format!(
                "the server did not start: {}",
                said.trim_end()
            )));
        };
        // What it tells is not part of the story, but a full pipe would stop it.
        if let Some(mut stderr) = stderr {
            thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Ok(Self {
            child,
            folder: folder.to_owned(),
            port: port.to_owned(),
            url,
        })
    }

    /// Kills it without a warning, as `kill -9` does.
    pub(super) fn kill(&mut self) -> Result<()> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(|error| Failure::new(format!("cannot kill the server: {error}")))?;
        Ok(())
    }

    /// Starts it again at the same address.
    pub(super) fn start_again(&mut self) -> Result<()> {
        *self = Self::launch(&self.folder, self.port.clone())?;
        Ok(())
    }

    /// Asks it to end, and waits until it did.
    pub(super) fn stop(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait();
        match status.map(|status| status.success()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::new("the server ended with an error")),
            Err(error) => Err(Failure::new(format!("the server did not end: {error}"))),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
