use super::*;

/// Writes what it is given as text.
#[derive(Default)]
struct Seen(Vec<String>);

impl RowSink for Seen {
    fn row(
        &mut self,
        unit: &str,
        context: &EvaluationContext<'_>,
    ) -> std::result::Result<(), Stop> {
        assert_eq!(context.targeting_key(), Some(unit));
        let attributes: Vec<_> = context
            .attributes()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        self.0.push(format!("{unit} {}", attributes.join(" ")));
        Ok(())
    }

    fn bad_row(&mut self, line: u64, problem: BadRow) -> std::result::Result<(), Stop> {
        self.0.push(format!("line {line}: {problem}"));
        Ok(())
    }
}

/// Reads `country`, `/address/city` and `user~id`.
fn flag_set() -> FlagSet {
    FlagSet::from_json_strict(
        br#"{
            "format": 1,
            "flags": {
                "a": {
                    "type": "boolean", "unit": ["userId", "$random"],
                    "rules": [{ "if": { "all": [
                        { "attribute": "country", "equals": "DE" },
                        { "attribute": "/a~1b/city", "equals": "x" }
                    ] }, "serve": "on", "rollout": 50, "id": "r" }]
                }
            }
        }"#,
    )
    .unwrap()
}

fn read_csv(text: &str, unit_column: Option<&str>, cells: Cells) -> Vec<String> {
    let mut rows = CsvRows::new();
    let (header, len) = rows.header(text.as_bytes()).unwrap();
    let columns = Columns::from_header(&header, unit_column, cells, &[&flag_set()]).unwrap();
    let mut seen = Seen::default();
    CsvRows::new()
        .read(&text.as_bytes()[len..], &columns, &mut seen)
        .unwrap();
    seen.0
}

#[test]
fn the_unit_stands_where_the_header_says() {
    for (header, unit_column, want) in [
        ("x,targetingKey,userId", None, "2 userId=String(\"3\")"),
        ("userId,x,y", None, "1 userId=String(\"1\")"),
        ("x,y,z", None, "1 "),
        (
            "x,targetingKey,userId",
            Some("userId"),
            "3 userId=String(\"3\")",
        ),
        ("x,\"the \"\"id\"\"\",z", Some("the \"id\""), "2 "),
    ] {
        let got = read_csv(&format!("{header}\n1,2,3\n"), unit_column, Cells::Text);
        assert_eq!(got, [want], "{header}, unit {unit_column:?}");
    }
}

#[test]
fn only_columns_that_the_flag_set_reads_become_attributes() {
    let got = read_csv("id,country,a/b,city,other\n1,DE,x,y,z\n", None, Cells::Text);
    assert_eq!(got, ["1 country=String(\"DE\") a/b=String(\"x\")"]);
}

#[test]
fn records_are_read_as_written() {
    for (text, want) in [
        ("id\r\na\r\nb\r\n", vec!["a ", "b "]),
        ("id\n\n\na\n\nb\n", vec!["a ", "b "]), // empty lines
        ("id\n\"a,\"\"b\"\"\nc\"\n", vec!["a,\"b\"\nc "]), // all that needs quotes
        ("id\nżółw 🦀\n", vec!["żółw 🦀 "]),
        ("id\n a \n", vec![" a  "]), // space belongs to the cell
        ("id\n5\" nail\n", vec!["5\" nail "]), // a quote inside a plain cell
        ("id\n\u{feff}a\n", vec!["\u{feff}a "]), // no byte order mark where no file begins
    ] {
        assert_eq!(read_csv(text, None, Cells::Text), want, "{text:?}");
    }
}

#[test]
fn typed_cells_are_json_scalars_and_the_unit_is_text() {
    for (cell, typed, text) in [
        ("true", "Bool(true)", "String(\"true\")"),
        ("false", "Bool(false)", "String(\"false\")"),
        ("12", "Integer(12)", "String(\"12\")"),
        ("-0", "Integer(0)", "String(\"-0\")"),
        (
            "9223372036854775807",
            "Integer(9223372036854775807)",
            "String(\"9223372036854775807\")",
        ),
        (
            "9223372036854775808",
            "Number(9.223372036854776e18)",
            "String(\"9223372036854775808\")",
        ),
        ("1.50", "Number(1.5)", "String(\"1.50\")"),
        ("-1e-2", "Number(-0.01)", "String(\"-1e-2\")"),
        ("1E+2", "Number(100.0)", "String(\"1E+2\")"),
    ] {
        let rows = |cells| read_csv(&format!("userId,country\n1.0,{cell}\n"), None, cells);
        assert_eq!(
            rows(Cells::Typed),
            [format!("1.0 userId=String(\"1.0\") country={typed}")]
        );
        assert_eq!(
            rows(Cells::Text),
            [format!("1.0 userId=String(\"1.0\") country={text}")]
        );
    }
    for cell in [
        "007", "+1", ".5", "1.", "1e", "1e+", "-", "1_000", "0x10", "TRUE", "NaN", "inf", "1e999",
        " 1",
    ] {
        let got = read_csv(&format!("id,country\n1,{cell}\n"), None, Cells::Typed);
        assert_eq!(got, [format!("1 country=String({cell:?})")]);
    }
}

#[test]
fn an_empty_cell_is_no_attribute() {
    assert_eq!(
        read_csv("id,country\n1,\n2,\"\"\n", None, Cells::Text),
        ["1 ", "2 "]
    );
}

#[test]
fn bad_rows_say_what_is_wrong_and_spare_the_others() {
    let got = read_csv(
        "id,country\na,DE\nb\nc,DE,x\n,DE\n\"d\ne\",FR\nf,FR,\"\n\"\ng,IT\n",
        None,
        Cells::Text,
    );
    let want = [
        "a country=String(\"DE\")",
        "line 1: found 1 cells where the first line has 2",
        "line 2: found 3 cells where the first line has 2",
        "line 3: there is no unit; --unit-column says where to find it",
        "d\ne country=String(\"FR\")",
        "line 6: found 3 cells where the first line has 2",
        "g country=String(\"IT\")",
    ];
    assert_eq!(got, want);
}

#[test]
fn text_that_is_not_utf8_is_bad_where_it_is_read() {
    let mut rows = CsvRows::new();
    let (header, _) = rows.header(b"id,country,other\n").unwrap();
    let columns = Columns::from_header(&header, None, Cells::Text, &[&flag_set()]).unwrap();
    let mut seen = Seen::default();
    // The two halves of a character in two cells are none.
    CsvRows::new()
        .read(b"a,\xC3,\xA9\n\xFF,DE,x\nb,DE,\xFF\n", &columns, &mut seen)
        .unwrap();
    let want = [
        "line 0: cell 2 is not UTF-8",
        "line 1: cell 1 is not UTF-8",
        "b country=String(\"DE\")",
    ];
    assert_eq!(seen.0, want);
}

#[test]
fn headers_that_cannot_be_meant_are_refused() {
    let set = flag_set();
    let refused = |header: &[&str], unit: Option<&str>| {
        let header: Vec<_> = header.iter().map(|name| Cow::Borrowed(*name)).collect();
        Columns::from_header(&header, unit, Cells::Text, &[&set]).is_err()
    };
    assert!(refused(&["id", "x", "x"], None));
    assert!(refused(&["id", "x"], Some("y")));
    assert!(!refused(&["id", "x"], Some("x")));
}

#[test]
fn ndjson_lines_are_contexts() {
    let text = concat!(
        "{\"targetingKey\": \"a\", \"age\": 7}\r\n",
        "\n",
        "{\"userId\": 12, \"targetingKey\": \"b\"}\n",
        "{\"userId\": true}\n",
        "{\"targetingKey\": \"\"}\n",
        "[1]\n",
        "{\"targetingKey\": \n",
    );
    let read = |unit| {
        let mut seen = Seen::default();
        read_ndjson(text.as_bytes(), unit, &mut seen).unwrap();
        seen.0
    };
    let by_key = read(None);
    assert_eq!(by_key[..2], ["a age=Integer(7)", "b userId=Integer(12)"]);
    let by_attribute = read(Some("userId"));
    assert_eq!(by_attribute[1], "12 userId=Integer(12)");
    for (got, line, want) in [
        (&by_key[2], 3, "there is no unit"),
        (&by_key[3], 4, "there is no unit"),
        (&by_key[4], 5, "context is not a JSON object"),
        (&by_key[5], 6, "context is not valid"),
        (&by_attribute[0], 0, "there is no unit"),
        (
            &by_attribute[2],
            3,
            "the unit is neither a string nor a whole number",
        ),
    ] {
        assert!(got.starts_with(&format!("line {line}: {want}")), "{got}");
    }
}
