use super::*;

fn read(format: Format, pieces: &[&[u8]]) -> Result<Vec<Row>, Unusable> {
    let mut reader = Rows::new(format);
    let mut rows = Vec::new();
    for piece in pieces {
        reader.feed(piece, &mut rows)?;
    }
    reader.finish(&mut rows)?;
    Ok(rows)
}

fn csv(text: &str) -> Vec<Row> {
    read(Format::Csv, &[text.as_bytes()]).unwrap()
}

fn fault(row: &Row) -> (&str, &str) {
    let fault = row.said.as_ref().unwrap_err();
    (fault.field.as_str(), fault.message.as_str())
}

#[test]
fn a_csv_says_what_its_columns_name() {
    let rows = csv("\u{feff}id,name,domain,domains,external_ids.crm,custom.tier,mrr\r\n\
                    a1,\"Acme, \"\"Inc\"\"\",acme.com,acme.io; acme.org,42,gold,9.99\r\n\
                    \r\n\
                    ,'=1+1,,,,,\r\n,,,,,,\r\n");
    assert_eq!(rows.len(), 2, "{rows:?}");
    let said = rows[0].said.as_ref().unwrap();
    assert_eq!(said.id.as_ref().unwrap().as_str(), "a1");
    assert_eq!((said.name.as_deref(), said.domain.as_deref()), (Some("Acme, \"Inc\""), Some("acme.com")));
    assert_eq!(said.domains.as_deref(), Some(["acme.io".to_owned(), "acme.org".to_owned()].as_slice()));
    assert_eq!((said.external_ids["crm"].as_str(), &said.custom["tier"]), ("42", &Value::from("gold")));
    let second = rows[1].said.as_ref().unwrap();
    assert_eq!((second.name.as_deref(), &second.id, &second.domain), (Some("=1+1"), &None, &None));
    assert_eq!((rows[0].number, rows[0].line, rows[1].number, rows[1].line), (1, 2, 2, 4));
}

#[test]
fn a_row_with_line_ends_in_it_keeps_the_count_of_lines() {
    let rows = csv("name\n\"two\nlines\"\nnext\n");
    assert_eq!((rows[0].line, rows[1].line), (2, 4));
    for ends in ["\n", "\r\n", "\r"] {
        let rows = csv(&["name", "a", "", "b"].join(ends));
        assert_eq!((rows[0].line, rows[1].line), (2, 4), "{ends:?}");
    }
    let rows = csv("name\n\"two\nlines\"\nnext\n");
    assert_eq!(rows[0].said.as_ref().unwrap().name.as_deref(), Some("two\nlines"));
}

#[test]
fn wrong_rows_are_told_and_the_others_are_read() {
    let rows = csv("id,name\n1,A,too many\na b,B\n2\n3,C\n");
    let faults: Vec<_> = rows.iter().filter(|row| row.said.is_err()).map(|row| (row.number, fault(row).0)).collect();
    assert_eq!(faults, [(1, "row"), (2, "id"), (3, "row")]);
    assert!(rows[3].said.is_ok());
}

#[test]
fn a_header_that_is_none_stops_everything() {
    let check = |text: &str, code: &str, field: &str| {
        let unusable = read(Format::Csv, &[text.as_bytes()]).unwrap_err();
        assert_eq!((unusable.code, unusable.field.as_str()), (code, field), "{text:?}");
    };
    check("", "header_missing", "header");
    check("\n\n", "header_missing", "header");
    check("name,size\nA,1", "column_unknown", "size");
    check("name;domain\n", "column_unknown", "name;domain");
    check("name,name\n", "column_twice", "name");
    check("external_ids.a b\n", "column_unknown", "external_ids.a b");
    check("custom.\n", "column_unknown", "custom.");
    check(&format!("name{}\n", ",custom.x".repeat(COLUMNS_MAX + 1)), "header_invalid", "header");
}

#[test]
fn a_row_that_is_too_long_is_thrown_away_and_the_next_is_read() {
    let long = format!("name,custom.a\nx,{}\nB,b\n\"{}", "a".repeat(3 * ROW_BYTES_MAX), "q\n".repeat(ROW_BYTES_MAX));
    let rows = csv(&long);
    assert_eq!(rows.len(), 3);
    assert!(fault(&rows[0]).1.contains("longer than") && fault(&rows[2]).1.contains("longer than"));
    assert_eq!(rows[1].said.as_ref().unwrap().name.as_deref(), Some("B"));
    let long = format!("{{\"name\":\"{}\"}}\n{{\"name\":\"B\"}}\n", "a".repeat(2 * ROW_BYTES_MAX));
    let rows = read(Format::Ndjson, &[long.as_bytes()]).unwrap();
    assert!(rows[0].said.is_err() && rows[1].said.is_ok() && rows[1].line == 2);
}

#[test]
fn json_lines_are_read_and_what_is_wrong_names_its_field() {
    let text = r#"{"id":"a","name":"A","domain":null,"domains":["a.com"],"external_ids":{"crm":"1"},"custom":{"n":1}}

{"name": 5}
{"size": 1}
[1]
nonsense
{"id":"a b"}
{"external_ids":[]}
{"name":"last"}"#;
    let rows = read(Format::Ndjson, &[text.as_bytes()]).unwrap();
    let faults: Vec<_> = rows.iter().filter(|row| row.said.is_err()).map(|row| (row.line, fault(row).0)).collect();
    assert_eq!(faults, [(3, "name"), (4, "size"), (5, "row"), (6, "row"), (7, "id"), (8, "external_ids")]);
    assert_eq!(rows[0].said.as_ref().unwrap().custom["n"], 1);
    assert_eq!(rows.last().unwrap().said.as_ref().unwrap().name.as_deref(), Some("last"));
    assert!(read(Format::Ndjson, &[b"\xff\xfe\n"]).unwrap()[0].said.is_err());
}

#[test]
fn however_it_is_cut_it_is_the_same_file() {
    let csv = "\u{feff}\"name\",domain\r\n\"a\r\n\"\"b\",x.com\r\n\r\nc,é.com\r\n".as_bytes();
    let json = "\u{feff}{\"name\":\"é\"}\n\n{\"name\":\"b\"}".as_bytes();
    let marks = "\u{feff}\u{feff}name\nx\n".as_bytes();
    assert_eq!(
        read(Format::Csv, &[marks]).unwrap_err(),
        read(Format::Csv, &marks.chunks(1).collect::<Vec<_>>()).unwrap_err()
    );
    for (format, bytes) in [(Format::Csv, csv), (Format::Ndjson, json)] {
        let whole = read(format, &[bytes]).unwrap();
        assert_eq!(whole.len(), 2, "{whole:?}");
        for size in 1..bytes.len() {
            assert_eq!(read(format, &bytes.chunks(size).collect::<Vec<_>>()).unwrap(), whole, "{size}");
        }
    }
}
