//! What is logged while a test runs. The subscriber is one for the whole process, since
//! `tracing` remembers for each line of code whether anybody listens; a test's own thread keeps
//! what was logged on it.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::OnceLock;

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Starts to listen, if nobody has yet. Called before anything can be logged.
pub fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let level = tracing::Level::TRACE;
        tracing_subscriber::fmt().json().with_max_level(level).with_writer(|| ToThread).init();
    });
}

/// Forgets what other tests logged on the same thread.
pub fn forget() {
    LOG.with_borrow_mut(Vec::clear);
}

/// All that was logged on this thread, as lines of JSON.
pub fn so_far() -> String {
    LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap())
}

struct ToThread;

impl Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
