//! Cutting a stream of records into chunks that end where records end, so that several threads can read them.

use std::io::{self, Read};

use bucketry_core::limits::MAX_CONTEXT_BYTES;

/// How units are written, in and out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Form {
    /// Comma-separated values (RFC 4180) with a header line
    Csv,
    /// A JSON object on each line
    Ndjson,
}

/// Where in the input a chunk lies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Place {
    /// The line that it begins on, from 1.
    pub(super) line: u64,
    /// The number of bytes before its end.
    pub(super) end: u64,
}

/// Why the input cannot be read on.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    /// The record that begins on this line is longer than [`MAX_CONTEXT_BYTES`].
    TooLong {
        line: u64,
    },
    /// The input ends inside the quoted field of a record that begins on this line.
    OpenQuote {
        line: u64,
    },
}

/// Whole records, a chunk at a time.
#[derive(Debug)]
pub(super) struct Chunks<R> {
    input: R,
    form: Form,
    size: usize,
    /// What was read beyond the last chunk.
    rest: Vec<u8>,
    line: u64,
    end: u64,
}

impl<R: Read> Chunks<R> {
    /// Chunks of about `size` bytes. A byte order mark is passed over.
    pub(super) fn new(mut input: R, form: Form, size: usize) -> Result<Self, ReadError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        let mut rest = Vec::new();
        while rest.len() < MARK.len() && MARK.starts_with(&rest) {
            if read_some(&mut input, &mut rest, MARK.len())? == 0 {
                break;
            }
        }
        let mut end = 0;
        if rest.starts_with(MARK) {
            rest.drain(..MARK.len());
            end = MARK.len() as u64;
        }
        Ok(Self {
            input,
            form,
            size,
            rest,
            line: 1,
            end,
        })
    }

    /// Sets the size of the chunks to come.
    pub(super) fn set_size(&mut self, size: usize) {
        self.size = size;
    }

    /// Puts the next chunk into `chunk`; `None` at the end of the input. Each record of a chunk ends in a
    /// line feed, also the last of an input that ends without one.
    ///
    /// Gives what there is: a chunk is smaller than `size` when the input is slow.
    pub(super) fn next(&mut self, chunk: &mut Vec<u8>) -> Result<Option<Place>, ReadError> {
        chunk.clear();
        chunk.append(&mut self.rest);
        loop {
            let scanned = self.form.scan(chunk);
            if scanned.end > 0 {
                self.rest.extend(chunk.drain(scanned.end..));
                return Ok(Some(self.advance(chunk)));
            }
            if chunk.len() > MAX_CONTEXT_BYTES {
                return Err(ReadError::TooLong { line: self.line });
            }
            if read_some(&mut self.input, chunk, self.size)? > 0 {
                continue;
            }
            if chunk.is_empty() {
                return Ok(None);
            }
            if scanned.open_quote {
                return Err(ReadError::OpenQuote { line: self.line });
            }
            chunk.push(b'\n');
            return Ok(Some(self.advance(chunk)));
        }
    }

    /// Takes back what follows the first `len` bytes of the chunk that was given last.
    pub(super) fn put_back(&mut self, chunk: &mut Vec<u8>, len: usize) {
        let rest = chunk.split_off(len);
        self.line -= lines(&rest);
        self.end -= rest.len() as u64;
        self.rest.splice(..0, rest);
    }

    fn advance(&mut self, chunk: &[u8]) -> Place {
        let line = self.line;
        self.line += lines(chunk);
        self.end += chunk.len() as u64;
        Place {
            line,
            end: self.end,
        }
    }
}

/// The number of line feeds.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn read_some(
    input: &mut impl Read,
    buffer: &mut Vec<u8>,
    at_most: usize,
) -> Result<usize, ReadError> {
    let len = buffer.len();
    buffer.resize(len + at_most, 0);
    let read = loop {
        match input.read(buffer.get_mut(len..).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    buffer.truncate(len + read.as_ref().copied().unwrap_or(0));
    read.map_err(ReadError::Io)
}

/// How far records are complete.
#[derive(Debug, Eq, PartialEq)]
struct Scanned {
    /// The bytes of the complete records.
    end: usize,
    /// Whether the bytes end inside a quoted field.
    open_quote: bool,
}

impl Form {
    /// Finds the end of the last complete record; `bytes` begin with a record.
    fn scan(self, bytes: &[u8]) -> Scanned {
        if self == Self::Csv && bytes.contains(&b'"') {
            return scan_quoted(bytes);
        }
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        Scanned {
            end: end.map_or(0, |at| at + 1),
            open_quote: false,
        }
    }
}

/// Where a quoted field may hold line feeds. Reads quotes as `csv_core` does: they mean something at
/// the beginning of a field only, and what follows a closing one belongs to the field.
fn scan_quoted(bytes: &[u8]) -> Scanned {
    enum State {
        FieldStart,
        Plain,
        Quoted,
        /// After a quote inside a quoted field: its end, or half of an escaped quote.
        Quote,
    }
    let mut state = State::FieldStart;
    let mut end = 0;
    for (at, byte) in bytes.iter().enumerate() {
        state = match (state, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) | (State::FieldStart | State::Quote, b'"') => State::Quoted,
            (_, b'\n') => {
                end = at + 1;
                State::FieldStart
            }
            (_, b',' | b'\r') => State::FieldStart,
            _ => State::Plain,
        };
    }
    Scanned {
        end,
        open_quote: matches!(state, State::Quoted),
    }
}

#[cfg(test)]
mod tests;
