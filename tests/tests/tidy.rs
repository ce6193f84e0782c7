//! The repository holds itself to its own rules: who may depend on whom, and how long things may get.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use cargo_metadata::MetadataCommand;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lines of a file, tests included.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
const FUNCTION_LINES_MEDIAN_MAX: usize = 10;
const FUNCTION_LINES_NINTH_DECILE_MAX: usize = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What each crate may stand on. Whatever is not here is forbidden.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "billfold-core" | "billfold-sim" => &[],
        "billfold-store" => &["billfold-core"],
        "billfold-stripe" => &["billfold-core"],
        "billfold-app" => &["billfold-core", "billfold-store", "billfold-stripe"],
        "billfold-local" => &["billfold-core", "billfold-store", "billfold-stripe", "billfold-app", "billfold-sim"],
        "billfold-aws" => &["billfold-core", "billfold-store", "billfold-stripe", "billfold-app"],
        "billfold-connect" | "billfold-query" | "billfold-webhook" => &["billfold-app", "billfold-aws"],
        "billfold-recompute" | "billfold-sweep" | "billfold-sync" => &["billfold-aws"],
        "billfold-tests" => &[
            "billfold-core",
            "billfold-store",
            "billfold-stripe",
            "billfold-app",
            "billfold-aws",
            "billfold-local",
            "billfold-sim",
        ],
        "billfold-benches" => {
            &["billfold-core", "billfold-store", "billfold-stripe", "billfold-app", "billfold-local", "billfold-sim"]
        }
        "xtask" => &[],
        _ => return None,
    })
}

#[test]
fn arrows_between_crates_point_one_way() {
    let metadata = MetadataCommand::new().no_deps().other_options(vec!["--offline".into()]).exec().unwrap();
    let ours: Vec<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    for package in &metadata.packages {
        let may = allowed(&package.name).unwrap_or_else(|| panic!("{} is not in the list of crates", package.name));
        let edges = package.dependencies.iter().filter(|dep| dep.kind == cargo_metadata::DependencyKind::Normal);
        for edge in edges.filter(|dep| ours.contains(&dep.name)) {
            assert!(may.contains(&edge.name.as_str()), "{} must not depend on {}", package.name, edge.name);
        }
    }
}

#[test]
fn the_core_knows_nothing_of_the_world() {
    let metadata = MetadataCommand::new().no_deps().other_options(vec!["--offline".into()]).exec().unwrap();
    let core = metadata.packages.iter().find(|package| package.name.as_str() == "billfold-core").unwrap();
    let worldly = ["tokio", "reqwest", "axum", "futures", "tracing", "getrandom", "rand"];
    for dependency in core.dependencies.iter().filter(|dep| dep.kind == cargo_metadata::DependencyKind::Normal) {
        let name = dependency.name.as_str();
        assert!(!worldly.contains(&name) && !name.starts_with("aws"), "billfold-core must not depend on {name}");
    }
}

#[test]
fn only_the_store_says_dynamodb() {
    for (path, text) in sources() {
        let in_store = path.starts_with("shared/billfold-store/") || path.starts_with("tests/tests/tidy.rs");
        assert!(in_store || !text.contains("aws_sdk_dynamodb"), "{} speaks DynamoDB", path.display());
    }
}

#[test]
fn functions_and_template_name_each_other() {
    let (template, functions) = (root().join("template.yaml"), root().join("functions"));
    if !template.exists() || !functions.exists() {
        return;
    }
    let template = std::fs::read_to_string(template).unwrap();
    for entry in std::fs::read_dir(functions).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(template.contains(&format!("functions/{name}")), "template.yaml does not deploy functions/{name}");
    }
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = sources().into_iter().filter(|(_, text)| text.lines().count() > FILE_LINES_MAX).collect();
    let names: Vec<_> = long.iter().map(|(path, text)| (path.display().to_string(), text.lines().count())).collect();
    assert!(names.is_empty(), "longer than {FILE_LINES_MAX} lines: {names:?}");
}

#[test]
fn functions_stay_short() {
    let mut lengths = Vec::new();
    for (path, text) in sources() {
        for (name, lines) in functions(&text) {
            assert!(lines <= FUNCTION_LINES_MAX, "{}: fn {name} has {lines} lines", path.display());
            lengths.push(lines);
        }
    }
    lengths.sort_unstable();
    let (median, ninth) = (lengths[lengths.len() / 2], lengths[lengths.len() * 9 / 10]);
    assert!(median <= FUNCTION_LINES_MEDIAN_MAX, "the median function has {median} lines");
    assert!(ninth <= FUNCTION_LINES_NINTH_DECILE_MAX, "one function in ten has more than {ninth} lines");
}

#[test]
fn nothing_is_named_after_nothing() {
    for (path, _) in sources() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["util", "utils", "helpers", "manager", "common", "misc"].contains(&stem.as_str()),
            "{}",
            path.display()
        );
    }
}

#[test]
fn text_is_about_the_project() {
    for (path, text) in sources() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for word in ["/home/", "/root/", "index.crates.io", "registry.npmjs"] {
            assert!(!text.contains(word), "{} says {word}", path.display());
        }
    }
}

/// Every source file that git would keep.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// The functions of a file with their lengths, by rustfmt's layout: a function ends at the brace that is indented as its
/// first line is.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let words: Vec<&str> = code.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "fn") else { continue };
        let declares = words[..at]
            .iter()
            .all(|word| word.starts_with("pub") || ["async", "const", "unsafe", "extern"].contains(word));
        if !declares {
            continue;
        }
        let closing = format!("{indent}}}");
        let end = lines[start..].iter().position(|line| *line == closing);
        let length = end.map_or(1, |end| end + 1);
        let one_line = code.ends_with('}') || code.ends_with(';');
        let name = words.get(at + 1).copied().unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
        found.push((name.to_owned(), if one_line { 1 } else { length }));
    }
    found
}

#[test]
fn the_measure_of_functions_measures() {
    let text = "pub async fn a() {\n    x();\n}\n\nimpl B {\n    fn c(&self) -> u8 {\n        if x {\n            1\n        }\n    }\n}\nfn d() {}\n";
    assert_eq!(functions(text), [("a".to_owned(), 3), ("c".to_owned(), 5), ("d".to_owned(), 1)]);
}
