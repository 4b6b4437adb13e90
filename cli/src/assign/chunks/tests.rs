use super::*;

/// Gives its bytes a few at a time.
struct Drip<'a> {
    bytes: &'a [u8],
    at_most: usize,
}

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.at_most.min(buffer.len());
        self.bytes.read(&mut buffer[..len])
    }
}

fn chunks_of(bytes: &[u8], form: Form, size: usize, drip: usize) -> Vec<(Place, Vec<u8>)> {
    let input = Drip {
        bytes,
        at_most: drip,
    };
    let mut chunks = Chunks::new(input, form, size).unwrap();
    let mut all = Vec::new();
    let mut chunk = Vec::new();
    while let Some(place) = chunks.next(&mut chunk).unwrap() {
        all.push((place, chunk.clone()));
    }
    all
}

/// The records that `csv_core` reads from a text, each as its cells.
fn records(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv_core::Reader::new();
    reader.read_record(b"\n", &mut [0], &mut [0]);
    let mut text = vec![0; bytes.len() + 1];
    let mut ends = vec![0; bytes.len() + 1];
    let mut records = Vec::new();
    let (mut written, mut cells) = (0, 0);
    loop {
        let (result, read, more, more_cells) =
            reader.read_record(bytes, &mut text[written..], &mut ends[cells..]);
        bytes = &bytes[read..];
        written += more;
        cells += more_cells;
        match result {
            csv_core::ReadRecordResult::Record => {
                let mut start = 0;
                let cells_of = ends[..cells].iter().map(|&end| {
                    let cell = text[start..end].to_vec();
                    start = end;
                    cell
                });
                records.push(cells_of.collect());
                (written, cells) = (0, 0);
            }
            csv_core::ReadRecordResult::End => return records,
            csv_core::ReadRecordResult::InputEmpty => {}
            full => panic!("{full:?}"),
        }
    }
}

/// A repeatable sequence of numbers (SplitMix64).
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

#[test]
fn cutting_csv_into_chunks_changes_no_record() {
    let mut number = numbers(7);
    for round in 0..3_000 {
        let len = number(40);
        let mut text: Vec<u8> = (0..len).map(|_| b"ab,,\"\"\"\r\n\n"[number(10)]).collect();
        if scan_quoted(&text).open_quote {
            text.push(b'"');
        }
        let (size, drip) = (1 + number(12), 1 + number(12));
        let chunks = chunks_of(&text, Form::Csv, size, drip);
        let cut: Vec<_> = chunks
            .iter()
            .flat_map(|(_, chunk)| records(chunk))
            .collect();
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(
            cut,
            records(&text),
            "round {round}: {shown:?} by {size} and {drip}"
        );
    }
}

#[test]
fn chunks_know_their_lines_and_bytes() {
    let text = b"a\nb,\"x\ny\"\n\nc";
    for (size, want) in [
        (
            1,
            vec![
                (1, 2, &b"a\n"[..]),
                (2, 10, b"b,\"x\ny\"\n"),
                (4, 11, b"\n"),
                (5, 13, b"c\n"),
            ],
        ),
        // The bytes that may be a byte order mark are read before the first chunk.
        (
            100,
            vec![(1, 2, b"a\n"), (2, 11, b"b,\"x\ny\"\n\n"), (5, 13, b"c\n")],
        ),
    ] {
        let chunks = chunks_of(text, Form::Csv, size, usize::MAX);
        let got: Vec<_> = chunks
            .iter()
            .map(|(place, chunk)| (place.line, place.end, chunk.as_slice()))
            .collect();
        assert_eq!(got, want, "chunks of {size}");
    }
}

#[test]
fn quotes_mean_nothing_in_ndjson() {
    let chunks = chunks_of(b"{\"a\": \"\n\"\n", Form::Ndjson, 1, 100);
    let texts: Vec<_> = chunks.iter().map(|(_, chunk)| chunk.as_slice()).collect();
    assert_eq!(texts, [&b"{\"a\": \"\n"[..], b"\"\n"]);
}

#[test]
fn a_byte_order_mark_is_passed_over_once() {
    for drip in [1, 2, 100] {
        let chunks = chunks_of(b"\xEF\xBB\xBF\"a\nb\"\n\xEF\xBB\xBFc\n", Form::Csv, 7, drip);
        let text: Vec<u8> = chunks.iter().flat_map(|(_, chunk)| chunk.clone()).collect();
        assert_eq!(text, b"\"a\nb\"\n\xEF\xBB\xBFc\n", "by {drip}");
    }
    // The beginning of a mark is none.
    let chunks = chunks_of(b"\xEF\xBB", Form::Csv, 7, 1);
    assert_eq!(chunks[0].1, b"\xEF\xBB\n");
    assert!(chunks_of(b"\xEF\xBB\xBF", Form::Csv, 7, 1).is_empty());
}

#[test]
fn a_header_is_taken_and_the_rest_is_read_again() {
    let mut chunks = Chunks::new(&b"h\na\nb\n"[..], Form::Csv, 100).unwrap();
    let mut chunk = Vec::new();
    chunks.next(&mut chunk).unwrap().unwrap();
    chunks.put_back(&mut chunk, 2);
    assert_eq!(chunk, b"h\n");
    let place = chunks.next(&mut chunk).unwrap().unwrap();
    assert_eq!(
        (chunk.as_slice(), place),
        (&b"a\nb\n"[..], Place { line: 2, end: 6 })
    );
}

#[test]
fn an_unclosed_quote_names_the_line_where_its_record_begins() {
    let mut chunks = Chunks::new(&b"a\nb\nc,\"d\ne\nf\n"[..], Form::Csv, 6).unwrap();
    let mut chunk = Vec::new();
    let error = loop {
        match chunks.next(&mut chunk) {
            Ok(place) => assert!(place.is_some(), "the end came without an error"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, ReadError::OpenQuote { line: 3 }),
        "{error:?}"
    );
}

#[test]
fn a_record_without_end_is_not_read_into_memory() {
    let endless = io::repeat(b'x').take(1 << 40);
    let input = b"a\n".chain(endless);
    let mut chunks = Chunks::new(input, Form::Csv, 1 << 16).unwrap();
    let mut chunk = Vec::new();
    chunks.next(&mut chunk).unwrap();
    let error = chunks.next(&mut chunk).unwrap_err();
    assert!(matches!(error, ReadError::TooLong { line: 2 }), "{error:?}");
    assert!(chunk.len() <= MAX_CONTEXT_BYTES + (1 << 17));
}
