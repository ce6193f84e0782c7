//! A workspace's settings. Changing what money depends on marks every account to be computed again.

use crate::app::App;
use crate::queue::Message;
use crate::rates::{EcbState, RatesStatus};
use crate::refusal::Refusal;
use billfold_core::audit::{Action, Deed};
use billfold_core::billing::{self, RateSource, Rates};
use billfold_core::id::WorkspaceId;
use billfold_core::money::Currency;
use billfold_core::mrr::{Policy, PolicyPatch, Preset};
use billfold_core::run::Problem;
use billfold_store::State;
use jiff::civil::Date;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// Days of invoices that a first sync reads, unless the workspace says otherwise.
pub const BACKFILL_DAYS: u32 = 365;
/// The most days that can be asked for: longer than Stripe exists.
pub const BACKFILL_DAYS_MAX: u32 = 36_500;

/// The problem of totals in a currency that the bank does not name.
const CURRENCY_WITHOUT_RATES: &str = "currency_without_rates";

/// What becomes of a customer that matches no account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountsMode {
    /// It makes one.
    #[default]
    Create,
    /// It stays unmatched.
    MatchOnly,
}

/// A workspace's settings, as stored: `None` is the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The currency of totals.
    pub currency: Option<Currency>,
    /// The named rule set.
    pub mrr_preset: Preset,
    /// What differs from it.
    pub mrr_policy: Option<PolicyPatch>,
    /// Days of invoices that a sync reads.
    pub backfill_days: Option<u32>,
    /// What becomes of a customer that matches no account.
    pub accounts: AccountsMode,
    /// The rate table that is used.
    pub rates: Option<Rates>,
    /// The bank's rates, where the workspace wants them; `None` if it sets its own.
    pub ecb: Option<EcbState>,
}

/// A change of settings: what is not said stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsPatch {
    /// The currency of totals.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    /// The named rule set; another one drops what differed from the one before.
    mrr_preset: Option<Preset>,
    /// What differs from the rule set.
    #[serde(deserialize_with = "object")]
    mrr_policy: Option<PolicyPatch>,
    /// Days of invoices that a sync reads.
    #[schema(minimum = 1, maximum = 36500)]
    backfill_days: Option<u32>,
    /// What becomes of a customer that matches no account.
    accounts: Option<AccountsMode>,
    /// Whose rates are to be used.
    #[serde(deserialize_with = "object")]
    rates: Option<RatesPatch>,
}

/// Whose rates are to be used. The workspace's own are given with their day; the bank's are read from the bank, and what
/// is given with them holds until then.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RatesPatch {
    /// Whose.
    source: RateSource,
    /// The day that they are of; of the workspace's own it is needed.
    as_of: Option<Date>,
    /// By currency, as decimal text; of the workspace's own they are needed.
    per_unit: Option<BTreeMap<Currency, String>>,
}

/// The rate table as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RatesView {
    /// Whose rates are wanted.
    pub source: RateSource,
    /// The day of the rates that are used; `None` until the bank's have been read for the first time.
    pub as_of: Option<Date>,
    /// What one major unit of other currencies is worth in the workspace's.
    pub per_unit: BTreeMap<Currency, String>,
}

/// An object with named members; a list of values in their order, which a deserializer would take as well, is no part of
/// the contract.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let members: Option<Map<String, Value>> = Option::deserialize(deserializer)?;
    members.map(|members| serde_json::from_value(Value::Object(members)).map_err(D::Error::custom)).transpose()
}

/// Settings as the API shows them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Settings)]
pub struct SettingsView {
    /// The currency of totals.
    pub currency: Currency,
    /// The named rule set.
    pub mrr_preset: Preset,
    /// Every rule, with what differs from the preset.
    pub mrr_policy: Policy,
    /// Days of invoices that a sync reads.
    pub backfill_days: u32,
    /// What becomes of a customer that matches no account.
    pub accounts: AccountsMode,
    /// The rate table.
    pub rates: Option<RatesView>,
    /// How the bank's rates are; `None` if the workspace sets its own.
    pub rates_status: Option<RatesStatus>,
}

impl Settings {
    /// The rules of MRR.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let policy = self.mrr_preset.policy();
        self.mrr_policy.as_ref().map_or(policy.clone(), |patch| patch.apply(policy))
    }

    /// The currency of totals.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency.unwrap_or(Currency::USD)
    }

    /// Days of invoices that a sync reads.
    #[must_use]
    pub fn backfill_days(&self) -> u32 {
        self.backfill_days.unwrap_or(BACKFILL_DAYS)
    }

    /// What the computation of an account needs of them.
    pub(crate) fn billing(&self) -> billing::Settings {
        billing::Settings { currency: self.currency(), policy: self.policy(), rates: self.rates.clone() }
    }

    /// As the API shows them.
    #[must_use]
    pub fn view(&self) -> SettingsView {
        SettingsView {
            currency: self.currency(),
            mrr_preset: self.mrr_preset,
            mrr_policy: self.policy(),
            backfill_days: self.backfill_days(),
            accounts: self.accounts,
            rates: self.rates_view(),
            rates_status: self.ecb.as_ref().map(EcbState::status),
        }
    }

    fn rates_view(&self) -> Option<RatesView> {
        let wanted = self.ecb.as_ref().map(|_| RateSource::Ecb);
        let source = wanted.or(self.rates.as_ref().map(|rates| rates.source))?;
        let as_of = self.rates.as_ref().map(|rates| rates.as_of);
        let per_unit = self.rates.as_ref().map(|rates| rates.per_unit.clone()).unwrap_or_default();
        Some(RatesView { source, as_of, per_unit })
    }

    /// Works out the rates that are used from the bank's, where the workspace wants them. What the bank does not name
    /// is said in the state, and changes nothing.
    pub(crate) fn follow_ecb(&mut self) {
        let own = self.currency();
        let Some(ecb) = &mut self.ecb else { return };
        let Some(reference) = &ecb.rates else { return };
        match reference.rates_in(own) {
            Ok(rates) => {
                self.rates = Some(rates);
                ecb.problem.take_if(|problem| problem.code == CURRENCY_WITHOUT_RATES);
            }
            Err(error) => {
                // Rates into another currency would be worse than none.
                self.rates = None;
                ecb.problem = Some(Problem {
                    code: CURRENCY_WITHOUT_RATES.into(),
                    message: format!("Nothing can be converted: {error}."),
                    fix: "Choose another currency for the totals, or set rates of your own.".into(),
                });
            }
        }
    }
}

impl RatesPatch {
    /// The table that is given, if one is.
    fn given(&self) -> Option<Rates> {
        let (as_of, per_unit) = (self.as_of?, self.per_unit.clone()?);
        Some(Rates { source: self.source, as_of, per_unit })
    }

    fn check(&self) -> Result<(), Refusal> {
        let refuse = |detail: String| Refusal::invalid("rates_invalid", "rates", detail);
        match self.given() {
            Some(rates) => rates.check().map_err(|error| refuse(error.to_string())),
            None if self.source == RateSource::Manual => {
                Err(refuse("Rates of your own need as_of, the day that they are of, and per_unit".into()))
            }
            None => Ok(()),
        }
    }

    fn apply(&self, settings: &mut Settings) {
        settings.rates = self.given().or(settings.rates.take());
        settings.ecb = match self.source {
            RateSource::Manual => None,
            RateSource::Ecb => Some(settings.ecb.take().unwrap_or_default()),
        };
    }
}

impl SettingsPatch {
    fn check(&self) -> Result<(), Refusal> {
        let known = |code: &str| Currency::new(code).is_ok_and(|currency| currency.minor_digits().is_some());
        if self.currency.as_deref().is_some_and(|code| !known(code)) {
            let detail = "The currency must be a three-letter code that Stripe knows, like usd";
            return Err(Refusal::invalid("currency_unknown", "currency", detail));
        }
        if self.backfill_days.is_some_and(|days| days == 0 || days > BACKFILL_DAYS_MAX) {
            let detail = format!("backfill_days must be from 1 to {BACKFILL_DAYS_MAX}");
            return Err(Refusal::invalid("backfill_days_invalid", "backfill_days", detail));
        }
        if let Some(rates) = &self.rates {
            rates.check()?;
        }
        Ok(())
    }

    fn apply(&self, settings: &mut Settings) {
        if let Some(currency) = self.currency.as_deref().and_then(|code| Currency::new(code).ok()) {
            settings.currency = Some(currency);
        }
        if let Some(preset) = self.mrr_preset {
            // Another preset is another set of rules: what differed from the old one does not carry over.
            settings.mrr_preset = preset;
            settings.mrr_policy = None;
        }
        settings.mrr_policy = self.mrr_policy.clone().or(settings.mrr_policy.take());
        settings.backfill_days = self.backfill_days.or(settings.backfill_days);
        settings.accounts = self.accounts.unwrap_or(settings.accounts);
        if let Some(rates) = &self.rates {
            rates.apply(settings);
        }
        settings.follow_ecb();
    }
}

impl App {
    /// The settings.
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub async fn settings(&self, ws: &WorkspaceId) -> Result<Settings, Refusal> {
        Ok(self.store().settings(ws).await?)
    }

    /// All that the workspace has one of.
    pub(crate) async fn state(&self, ws: &WorkspaceId) -> Result<State<Settings>, Refusal> {
        Ok(self.store().state(ws).await?)
    }

    /// Changes the settings; what money depends on is computed again.
    ///
    /// # Errors
    /// [`Refusal`] if a value cannot be used.
    pub async fn change_settings(&self, ws: &WorkspaceId, patch: &SettingsPatch) -> Result<Settings, Refusal> {
        patch.check()?;
        let change = |settings: &mut Settings| {
            let before = settings.clone();
            patch.apply(settings);
            before
        };
        let (after, before) = self.store().change_settings(ws, change).await?;
        let view = |settings: &Settings| serde_json::to_value(settings.view()).map_err(Refusal::internal);
        if before != after {
            let deed = Deed::new(Action::SettingsChanged).changed(&view(&before)?, &view(&after)?);
            self.note(ws, deed).await?;
        }
        let same_money = (before.currency(), before.policy(), &before.rates, before.accounts)
            == (after.currency(), after.policy(), &after.rates, after.accounts);
        if !same_money {
            self.recompute_everything(ws).await?;
        }
        Ok(after)
    }

    /// Marks every account and every unmatched customer, and asks for them to be computed.
    pub(crate) async fn recompute_everything(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        self.mark_everything(ws).await?;
        let message = Message::Recompute { workspace: ws.clone() };
        Ok(self.queue().send(message, Duration::ZERO).await?)
    }
}
