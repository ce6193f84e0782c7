//! AWS without AWS: ministack, which runs the real function binaries, enforces the real roles and has the real queues and
//! secrets; a proxy before it, which writes down who called what and can throttle; and whoever issues tokens.
//!
//! Nothing here is a part of Billfold, and no test that uses it asks how long anything took.

mod proxy;
mod stack;
mod tools;

pub use proxy::{Call, Proxy};
pub use stack::{FunctionProcess, Stack};
pub use tools::{Ministack, Moto, Tools};

/// Where the stand-ins say that they are.
pub const REGION: &str = "us-east-1";
