//! The use cases of Billfold: connect, sync, recompute, query; the HTTP API over them; and the two ports behind which the
//! cloud and the laptop differ, [`Queue`] and [`Vault`].
//!
//! Nothing here knows AWS's queues and secrets, or the command line.

mod accounts;
mod app;
pub mod auth;
mod card;
pub mod clock;
mod connect;
mod directory;
mod erase;
pub mod http;
mod permissions;
mod queue;
mod recompute;
mod refusal;
mod settings;
mod sync;
mod vault;
mod verify;
mod webhook;

pub use app::{App, AppError, Config, LimitsConfig, Parts};
pub use card::{Card, CardStatus, WebhookCard};
pub use clock::{Clock, SystemClock};
pub use connect::{ConnectRequest, OtherData};
pub use queue::{Handled, Message, Queue, QueueError};
pub use refusal::{Kind, Refusal};
pub use settings::{AccountsMode, BACKFILL_DAYS_MAX, Settings, SettingsPatch, SettingsView};
pub use vault::{Secret, Vault, VaultError};
pub use verify::{Difference, Repair, Report};
pub use webhook::{Delivered, Received, Unreceived};
