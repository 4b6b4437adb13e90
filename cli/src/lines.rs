//! Ids and units, one a line.

use std::io::{self, BufRead, IsTerminal, Read};

use bucketry_core::limits::{MAX_CONTEXT_BYTES, MAX_SALT_BYTES};

use crate::failure::{Failure, Result, note};

/// The lines of an input without their line breaks; empty ones are left out.
pub(crate) struct Lines<R> {
    reader: R,
    number: usize,
}

/// The lines of standard input. Tells a person at a terminal that it waits for `what`.
pub(crate) fn of_stdin(what: &str) -> Lines<io::StdinLock<'static>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        note(format_args!(
            "reading {what} from the terminal, one a line; Ctrl-D ends"
        ));
    }
    Lines {
        reader: stdin.lock(),
        number: 0,
    }
}

impl<R: BufRead> Lines<R> {
    fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut self.reader).take(MAX_CONTEXT_BYTES as u64 + 1);
            let read = limited.read_until(b'\n', &mut line);
            if read.map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?
                == 0
            {
                return Ok(None);
            }
            self.number += 1;
            let refuse = |what: &str| Failure::new(format!("line {} {what}", self.number));
            if line.len() > MAX_CONTEXT_BYTES {
                return Err(refuse("is longer than 1 MiB"));
            }
            let mut line = String::from_utf8(line).map_err(|_| refuse("is not UTF-8"))?;
            line.truncate(line.trim_end_matches(['\n', '\r']).len());
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

/// A salt from the command line; the rules are those of `docs/flag-set.md`, section 1.
pub(crate) fn parse_salt(text: &str) -> std::result::Result<String, String> {
    if text.is_empty() || text.len() > MAX_SALT_BYTES {
        return Err(format!("a salt has 1 to {MAX_SALT_BYTES} bytes"));
    }
    let is_control = |byte: u8| (byte < 0x20 && byte != b'\n') || byte == 0x7F;
    if text.bytes().any(is_control) {
        return Err("a salt has no control characters but line feeds".into());
    }
    Ok(text.into())
}
