//! Anything at all, thrown at what reads the outside: the signature header, the event body, files of accounts, cursors.
//! Inputs grow from `tests/fuzz/<target>/`; one that leads to an outcome never seen before is kept there, and mutated
//! further. `cargo xtask fuzz <target> --minutes N` runs one for long; an ordinary test runs each for a moment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::http::{cursor_of, place_of};
use billfold_app::rows::{COLUMNS_MAX, Format, ROW_BYTES_MAX, Row, Rows, Unusable};
use billfold_core::event;
use billfold_core::facts::Kind;
use billfold_core::id::WorkspaceId;
use billfold_core::signature::verify;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NOW: i64 = 1_790_000_000;
/// Cases of an ordinary run, and of a round of a long one.
const CASES: u32 = 2000;
/// The most inputs that are kept for a target.
const KEPT_MAX: usize = 60;
/// Longest input that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 4096;

/// What is thrown at: reads the input, checks what must hold, and says in a few words what came of it.
type Target = fn(&[u8]) -> Result<String, TestCaseError>;

/// One change of an input.
#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8, u8),
    Cut(Index),
}

fn mutation(words: &'static [&'static str]) -> impl Strategy<Value = Mutation> {
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop_oneof![word, prop::collection::vec(any::<u8>(), 1..6)];
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        6 => (any::<Index>(), bytes).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Mutation::Remove(at, length)),
        2 => (any::<Index>(), any::<u8>(), 1..40u8).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Mutation::Cut),
    ]
}

impl Mutation {
    fn apply(&self, input: &mut Vec<u8>) {
        let (size, end) = (input.len() + 1, input.len());
        match self {
            Self::Set(at, byte) if !input.is_empty() => {
                let at = at.index(end);
                input[at] = *byte;
            }
            Self::Set(..) => {}
            Self::Insert(at, bytes) => drop(input.splice(at.index(size)..at.index(size), bytes.iter().copied())),
            Self::Remove(at, length) => {
                let at = at.index(size);
                drop(input.drain(at..end.min(at + usize::from(*length))));
            }
            Self::Repeat(at, length, times) => {
                let at = at.index(size);
                let piece = input[at..end.min(at + usize::from(*length))].repeat(usize::from(*times));
                drop(input.splice(at..at, piece));
            }
            Self::Cut(at) => input.truncate(at.index(size)),
        }
    }
}

fn input(seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![9 => prop::sample::select(seeds), 1 => prop::collection::vec(any::<u8>(), 0..300)];
    (start, prop::collection::vec(mutation(words), 0..8)).prop_map(|(mut input, mutations)| {
        mutations.iter().for_each(|mutation| mutation.apply(&mut input));
        input
    })
}

struct Fuzz {
    name: &'static str,
    target: Target,
    words: &'static [&'static str],
    seeds: &'static [&'static str],
}

impl Fuzz {
    fn folder(&self) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "fuzz", self.name].iter().collect()
    }

    fn kept(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.folder()).into_iter().flatten();
        let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// For a moment; or, if it is said, for as long as it is said, keeping what leads somewhere new. How far it came.
    fn run(&self) -> String {
        let mut pool: Vec<Vec<u8>> =
            self.seeds.iter().map(|seed| seed.as_bytes().to_vec()).chain(self.kept()).collect();
        let mut outcomes: BTreeSet<String> = pool.iter().map(|seed| (self.target)(seed).unwrap()).collect();
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let (long, seed) = (number("BILLFOLD_FUZZ_SECONDS"), number("BILLFOLD_SEED").unwrap_or(1));
        let started = Instant::now();
        let mut round = 0;
        loop {
            let found = self.round(&pool, seed.wrapping_add(round));
            for (outcome, input) in found {
                if outcomes.insert(outcome) {
                    self.keep(&input, &pool, long);
                    pool.push(input);
                }
            }
            round += 1;
            if long.is_none_or(|seconds| started.elapsed() > Duration::from_secs(seconds)) {
                break;
            }
        }
        let (inputs, outcomes) = (round * u64::from(CASES), outcomes.len());
        format!("{}: {inputs} inputs, {outcomes} outcomes, {} in the pool", self.name, pool.len())
    }

    fn keep(&self, input: &[u8], pool: &[Vec<u8>], long: Option<u64>) {
        if long.is_some() && input.len() <= KEPT_BYTES_MAX && pool.len() < KEPT_MAX {
            let digest = input
                .iter()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
            std::fs::write(self.folder().join(format!("{digest:016x}")), input).unwrap();
        }
    }

    /// Some cases; an input for each outcome. A failure is shrunk, and says how to have it again.
    fn round(&self, pool: &[Vec<u8>], seed: u64) -> BTreeMap<String, Vec<u8>> {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let found = std::cell::RefCell::new(BTreeMap::new());
        let ran = runner.run(&input(pool.to_vec(), self.words), |input| {
            let outcome = (self.target)(&input)?;
            found.borrow_mut().entry(outcome).or_insert(input);
            Ok(())
        });
        if let Err(error) = ran {
            panic!("{} (BILLFOLD_SEED={seed}): {error}", self.name);
        }
        found.into_inner()
    }
}

/// The header is what comes before the first line's end, the body what comes after.
fn signature(input: &[u8]) -> Result<String, TestCaseError> {
    const SECRET: &str = "whsec_fuzz0001";
    let split = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (header, body) =
        (String::from_utf8_lossy(&input[..split]).into_owned(), input.get(split + 1..).unwrap_or_default());
    let now = Timestamp::from_second(NOW).unwrap();
    let plain = verify(&header, body, &[SECRET, ""], now);
    // What the simulated Stripe signs is another program's word for what is right.
    let time = header.split(',').find_map(|part| part.trim().strip_prefix("t=")).unwrap_or_default();
    if plain.is_ok() {
        let second: i64 = time.parse().map_err(|_| TestCaseError::fail("a time that is no number"))?;
        prop_assert!((NOW - second).abs() <= 300);
        let right = billfold_sim::signature(SECRET, second, body);
        let right = right.rsplit_once("v1=").unwrap().1;
        prop_assert!(second.to_string() != time || header.to_lowercase().contains(right), "{header}");
    }
    prop_assert!(verify(&header, body, &[], now).is_err() && verify(&header, body, &["", ""], now).is_err());
    let good = format!("{},{header}", billfold_sim::signature(SECRET, NOW, body));
    prop_assert!(verify(&good, body, &["other", SECRET], now).is_ok(), "a good signature first holds: {good}");
    prop_assert!(verify(&good, &[body, b"x"].concat(), &[SECRET], now).is_err());
    Ok(format!("{plain:?} {}", header.matches("v1=").count().min(4)))
}

fn body(input: &[u8]) -> Result<String, TestCaseError> {
    Ok(match event::read(input) {
        Ok(event) => {
            let about = format!("{:?}", event.about);
            prop_assert!(about.len() < input.len() * 4 + 100, "what it is about comes from the body");
            let kind: String = about.chars().take_while(|c| *c != '"').collect();
            format!("{kind} {} {}", event.livemode, event::is_readable(Kind::Invoice, event.api_version.as_deref()))
        }
        Err(event::NotAnEvent::Json(_)) => "not JSON".to_owned(),
        Err(event::NotAnEvent::Shape(_)) => "not an event".to_owned(),
        Err(event::NotAnEvent::Field(field)) => format!("malformed {field}"),
    })
}

fn rows_of(format: Format, pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<Row>, Option<Unusable>) {
    let (mut reader, mut rows) = (Rows::new(format), Vec::new());
    for piece in pieces {
        if let Err(unusable) = reader.feed(&piece, &mut rows) {
            return (rows, Some(unusable));
        }
    }
    let unusable = reader.finish(&mut rows).err();
    (rows, unusable)
}

fn file(input: &[u8]) -> Result<String, TestCaseError> {
    let mut outcome = String::new();
    for format in [Format::Csv, Format::Ndjson] {
        let whole = rows_of(format, std::iter::once(input.to_vec()));
        let size = input.first().map_or(1, |byte| usize::from(*byte) % 7 + 1);
        let pieces = rows_of(format, input.chunks(size).map(<[u8]>::to_vec));
        prop_assert_eq!(&whole, &pieces, "in pieces of {} it is another file", size);
        let (rows, unusable) = whole;
        let mut last = (0, 0);
        for row in &rows {
            prop_assert!(row.number == last.0 + 1 && row.line > last.1, "rows and lines count up");
            last = (row.number, row.line);
            if let Ok(said) = &row.said {
                prop_assert!(said.name.as_ref().is_none_or(|name| name.len() <= ROW_BYTES_MAX));
                prop_assert!(said.custom.len() <= COLUMNS_MAX || format == Format::Ndjson);
            }
        }
        let mut faults: Vec<&str> =
            rows.iter().filter_map(|row| row.said.as_ref().err()).map(|fault| field_of(&fault.field)).collect();
        faults.dedup();
        faults.truncate(4);
        let code = unusable.as_ref().map(|unusable| unusable.code);
        outcome.push_str(&format!("{code:?} {} {faults:?};", rows.len().min(3)));
    }
    Ok(outcome)
}

/// Fields that nobody knows are all alike.
fn field_of(field: &str) -> &str {
    let known = ["id", "name", "domain", "domains", "external_ids", "custom", "row"];
    if known.contains(&field) { field } else { "?" }
}

fn cursor(input: &[u8]) -> Result<String, TestCaseError> {
    let (own, other) = (WorkspaceId::new("acme").unwrap(), WorkspaceId::new("acme2").unwrap());
    let text = String::from_utf8_lossy(input);
    let place = place_of(&own, "accounts", &text);
    if let Some(place) = &place {
        prop_assert_eq!(&cursor_of(&own, "accounts", place), text.as_ref(), "a place has one cursor");
    }
    // Whatever the place, its cursor opens in its own list and workspace only.
    let sealed = cursor_of(&own, "accounts", &text);
    let opened = place_of(&own, "accounts", &sealed);
    prop_assert_eq!(opened.as_deref(), Some(text.as_ref()));
    prop_assert_eq!(place_of(&other, "accounts", &sealed), None);
    prop_assert_eq!(place_of(&own, "runs", &sealed), None);
    prop_assert_eq!(place_of(&own, "accounts", &format!("{sealed}A")), None);
    Ok(format!("{} {}", place.is_some(), text.is_ascii()))
}

#[test]
fn fuzz_signature() {
    let fuzz = Fuzz {
        name: "signature",
        target: signature,
        words: &[
            "t=",
            "v1=",
            "v0=",
            ",",
            "=",
            " ",
            "1790000000",
            "-1",
            "99999999999999999999",
            "\u{0}",
            "é",
            "00",
            "\n",
        ],
        seeds: &[
            "t=1790000000,v1=00\n{}",
            "",
            "t=1790000000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd\n{}",
        ],
    };
    let good = format!("{}\n{{}}", billfold_sim::signature("whsec_fuzz0001", NOW, b"{}"));
    assert!(signature(good.as_bytes()).unwrap().starts_with("Ok"));
    println!("{}", fuzz.run());
}

#[test]
fn fuzz_event() {
    let fuzz = Fuzz {
        name: "event",
        target: body,
        words: &[
            "{",
            "}",
            "[",
            "]",
            "\"",
            ":",
            ",",
            "null",
            "true",
            "-1",
            "1e999",
            "\\u0000",
            "\\ud800",
            "\"id\":",
            "\"type\":",
            "\"data\":",
            "\"object\":",
            "\"customer\":",
            "\"deleted\":",
            "customer.updated",
            "invoice.paid",
            "[[[[[[[[",
            "9223372036854775808",
            "\u{feff}",
        ],
        seeds: &[
            r#"{"id":"evt_1","object":"event","type":"customer.updated","created":1790000000,"livemode":false,"api_version":"2026-09-30.endive","data":{"object":{"id":"cus_1","object":"customer","created":1790000000,"email":"a@b.c"}}}"#,
            r#"{"id":"evt_2","type":"customer.deleted","created":1,"livemode":true,"data":{"object":{"id":"cus_1","object":"customer","deleted":true}}}"#,
            r#"{"id":"evt_3","type":"credit_note.created","created":1,"livemode":false,"data":{"object":{"id":"cn_1","object":"credit_note","invoice":"in_1"}}}"#,
            r#"{"id":"evt_4","type":"customer.discount.created","created":1,"livemode":false,"data":{"object":{"object":"discount","customer":"cus_1","subscription":"sub_1"}}}"#,
            "null",
        ],
    };
    println!("{}", fuzz.run());
}

#[test]
fn fuzz_csv() {
    let fuzz = Fuzz {
        name: "csv",
        target: file,
        words: &[
            ",",
            "\"",
            "\"\"",
            "\n",
            "\r",
            "\r\n",
            "\u{feff}",
            "id",
            "name",
            "domain",
            "domains",
            "external_ids.crm",
            "custom.x",
            "mrr",
            "=1+1",
            "'",
            "é",
            "\u{0}",
            "{",
            "}",
            "{\"name\":\"x\"}",
            "\"external_ids\":{\"crm\":\"1\"}",
            ":",
            "null",
            "[1]",
        ],
        seeds: &[
            "id,name,domain\na1,Acme,acme.example\na2,\"B, \"\"C\"\"\",\n",
            "\u{feff}name,external_ids.crm,custom.tier,mrr\r\n\"two\r\nlines\",1,gold,9.99\r\n\r\nx,2,,\r\n",
            "{\"id\":\"a\",\"name\":\"A\",\"domains\":[\"a.com\"],\"external_ids\":{\"crm\":\"1\"},\"custom\":{\"n\":1}}\n{\"name\":5}\n",
            "",
        ],
    };
    println!("{}", fuzz.run());
}

#[test]
fn fuzz_cursor() {
    let fuzz = Fuzz {
        name: "cursor",
        target: cursor,
        words: &["=", "A", "_", "-", "+", "/", "AAAAAAAA", "\u{0}", "é", "%3D", "{\"status\":null,\"key\":\"\"}"],
        seeds: &["", "AAAAAAAAAAA", "run_1", "Acme#acc_1", "{\"status\":\"paid\",\"key\":\"x#acc_1\"}"],
    };
    println!("{}", fuzz.run());
    let sealed = cursor_of(&WorkspaceId::new("acme").unwrap(), "accounts", "x");
    assert_eq!(cursor(sealed.as_bytes()).unwrap(), "true true");
}
