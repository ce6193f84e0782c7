//! The contract: the document that is served, and the page that is written from it.

use billfold_tests::World;
use billfold_tests::contract::{markdown, operations};
use std::path::Path;

/// Set by `cargo xtask api`.
const WRITE: &str = "BILLFOLD_WRITE_API";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_the_document_says() {
    let world = World::start(1, 1).await.unwrap();
    let document = world.get("/openapi.json").await.unwrap();
    assert!(operations(&document).len() > 20);
    let page = markdown::page(&document).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/API.md is not what the handlers say: run `cargo xtask api`");
}
