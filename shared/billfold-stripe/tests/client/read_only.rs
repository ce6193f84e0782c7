//! The crate writes nothing to Stripe but its own webhook endpoint, because nothing else in it can.

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
        files += 1;
        if path.ends_with("webhook_endpoints.rs") {
            let templates = text.split("\"/v1/").skip(1).filter(|rest| !rest.starts_with("webhook_endpoints"));
            assert_eq!(templates.count(), 0, "webhook_endpoints.rs names another address");
            continue;
        }
        for word in writing {
            assert!(!text.contains(word), "{path:?} holds {word}");
        }
    }
    assert!(files > 10, "only {files} files were searched");
}
