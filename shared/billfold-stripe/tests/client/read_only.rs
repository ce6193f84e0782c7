//! The crate cannot write to Stripe, because there is nothing in it to write with.

use std::fs;
use std::path::Path;

#[test]
fn no_source_file_holds_a_method_that_writes() {
    let writing = [".post(", ".put(", ".patch(", ".delete(", "Method::", ".request(", "reqwest::Request"];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = 0;
    for entry in fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.is_file(), "{path:?} is a folder: search it too");
        let text = fs::read_to_string(&path).unwrap();
        for word in writing {
            assert!(!text.contains(word), "{path:?} holds {word}");
        }
        files += 1;
    }
    assert!(files > 10, "only {files} files were searched");
}
