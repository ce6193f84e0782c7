//! The use cases of Billfold: connect, sync, recompute, query; the HTTP API over them; and the two ports behind which the
//! cloud and the laptop differ, [`Queue`] and [`Vault`].
//!
//! Nothing here knows AWS's queues and secrets, or the command line.

mod accounts;
mod app;
mod asked;
mod audit;
pub mod auth;
mod card;
pub mod clock;
mod connect;
mod coupons;
mod directory;
mod erase;
mod given;
pub mod http;
mod import;
mod invite;
mod permissions;
mod queue;
mod rates;
mod recompute;
mod refusal;
mod revenue;
pub mod rows;
mod settings;
mod signals;
mod sync;
mod unmatched;
mod vault;
mod verify;
mod webhook;

pub use app::{App, AppError, Config, LimitsConfig, Parts};
pub use card::{Card, CardStatus, WebhookCard};
pub use clock::{Clock, SystemClock};
pub use connect::{ConnectRequest, OtherData};
pub use given::{CUSTOM_BYTES_MAX, CUSTOM_FIELDS_MAX, EXTERNAL_IDS_MAX};
pub use import::{ERRORS_MAX, IMPORT_ROWS_MAX, Import, ImportReport};
pub use invite::{INVITE_HOURS, INVITE_HOURS_MAX, INVITES_OPEN_MAX};
pub use queue::{Handled, Message, Queue, QueueError};
pub use rates::{ECB_DAILY_URL, EcbState, RatesStatus};
pub use refusal::{Kind, Refusal, chain};
pub use revenue::{Explanation, Point, SummaryView, Trajectory};
pub use settings::{AccountsMode, BACKFILL_DAYS_MAX, Settings, SettingsPatch, SettingsView};
pub use unmatched::MatchingCard;
pub use vault::{Secret, Vault, VaultError};
pub use verify::{Compared, Difference, Repair, Report, Unbalanced};
pub use webhook::{Delivered, Received, Unreceived};
