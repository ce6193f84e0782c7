//! One subscription: the rows of MRR.md §2 decide what counts, §1 says how much, §3 rounds once.

use super::explain::{ItemMrr, ScheduledChurn, Scope, SubscriptionMrr, TaxStep};
use super::policy::{CancelScheduled, Counting, InclusiveTax, Metered, PastDue};
use super::reason::{NotComputable, Rule, TaxRule};
use super::{Context, amount, discount, invoices};
use crate::facts::{PriceKind, Subscription, SubscriptionItem, SubscriptionStatus, UsageType};
use crate::money::{Exact, Money, Overflow};
use std::borrow::Cow;

const SECONDS_A_DAY: i64 = 86_400;
const MONTHS_A_YEAR: i64 = 12;

/// An item while its amount is worked out.
pub(super) struct Work<'a> {
    item: &'a SubscriptionItem,
    /// What is left of the amount, for one billing period.
    pub(super) left: Exact,
    /// From one billing period to a month.
    pub(super) factor: Exact,
    /// The explanation so far; `counted` says whether the item is still in.
    pub(super) out: ItemMrr<'a>,
}

/// Why a subscription counts or does not, as a whole.
struct Verdict {
    counts: bool,
    rule: Rule,
    why: Cow<'static, str>,
}

/// What a subscription is worth a month and a year, item by item (MRR.md §1 to §3). Never fails: what cannot be worked
/// out is `not_computable` in the answer and adds nothing to it.
#[must_use]
pub fn subscription<'a>(context: &Context<'a>, subscription: &'a Subscription) -> SubscriptionMrr<'a> {
    let verdict = verdict(context, subscription);
    let mut works: Vec<Work<'_>> =
        subscription.items.iter().map(|item| open(context, subscription, item, &verdict)).collect();
    subtract_discounts(context, subscription, &mut works);
    for work in works.iter_mut().filter(|work| work.out.counted) {
        take_out_tax(context, subscription, work);
    }
    let items = works.into_iter().map(Work::close).collect();
    add_up(subscription, verdict, items)
}

/// The rows of MRR.md §2 that are about the subscription as a whole.
fn verdict(context: &Context<'_>, subscription: &Subscription) -> Verdict {
    let policy = context.policy;
    let of_test_clock = subscription.test_clock || context.customer.is_some_and(|customer| customer.test_clock);
    if of_test_clock {
        return Verdict::zero(Rule::TestClock);
    }
    let counts = match &subscription.status {
        SubscriptionStatus::Active => Verdict::counts(Rule::ActiveCounts),
        SubscriptionStatus::PastDue => past_due(context, subscription),
        SubscriptionStatus::Trialing => Verdict::zero(Rule::Trialing),
        SubscriptionStatus::Unpaid => Verdict::zero(Rule::Unpaid),
        SubscriptionStatus::Paused => Verdict::zero(Rule::Paused),
        SubscriptionStatus::Incomplete => Verdict::zero(Rule::Incomplete),
        SubscriptionStatus::IncompleteExpired => Verdict::zero(Rule::IncompleteExpired),
        SubscriptionStatus::Canceled => Verdict::zero(Rule::Canceled),
        SubscriptionStatus::Other(other) => Verdict::not_computable(&NotComputable::Status(other.to_string())),
    };
    if !counts.counts {
        return counts;
    }
    if subscription.pause_collection.is_some() && policy.pause_collection == Counting::Zero {
        return Verdict::zero(Rule::PauseCollection);
    }
    if cancel_scheduled(subscription) && policy.cancel_scheduled == CancelScheduled::DropAtOnce {
        return Verdict::zero(Rule::CancelScheduled);
    }
    counts
}

fn past_due(context: &Context<'_>, subscription: &Subscription) -> Verdict {
    match context.policy.past_due {
        PastDue::Counts => Verdict::counts(Rule::PastDueCounts),
        PastDue::Drop => Verdict::zero(Rule::PastDueDropped),
        PastDue::DropAfterDays(days_max) => {
            // Without an open invoice nothing says for how long; the subscription is then kept.
            let Some(since) = invoices::overdue_since(context, subscription) else {
                return Verdict::counts(Rule::PastDueCounts);
            };
            let overdue_s = context.now.as_second().saturating_sub(since.as_second());
            if overdue_s >= i64::from(days_max).saturating_mul(SECONDS_A_DAY) {
                Verdict::zero(Rule::PastDueDropped)
            } else {
                Verdict::counts(Rule::PastDueCounts)
            }
        }
    }
}

fn cancel_scheduled(subscription: &Subscription) -> bool {
    !subscription.status.is_terminal() && (subscription.cancel_at_period_end || subscription.cancel_at.is_some())
}

/// Begins an item's explanation: what it is, what it costs a period, and whether it counts by the rows about items.
fn open<'a>(
    context: &Context<'a>,
    subscription: &Subscription,
    item: &'a SubscriptionItem,
    verdict: &Verdict,
) -> Work<'a> {
    let mut work = Work::new(context, item, verdict);
    let priced = price(context, subscription, item, &mut work);
    match priced {
        Err(reason) if verdict.counts => work.fail(&reason),
        // What does not count need not be computable.
        Err(_) => {}
        Ok(Some(rule)) if verdict.counts => work.exclude(rule),
        Ok(_) => {}
    }
    let in_trial = item.trial_end.is_some_and(|end| end > context.now);
    if work.out.counted && in_trial && context.policy.item_trial == Counting::Zero {
        work.exclude(Rule::ItemTrial);
    }
    work
}

/// Fills in amount and factor; the answer names the rule that leaves the item out.
fn price<'a>(
    context: &Context<'a>,
    subscription: &Subscription,
    item: &'a SubscriptionItem,
    work: &mut Work<'a>,
) -> Result<Option<Rule>, NotComputable> {
    let price = &item.price;
    let Some(recurring) = price.recurring.as_ref().filter(|_| price.kind != PriceKind::OneTime) else {
        return Ok(Some(Rule::OneTimePrice));
    };
    work.out.interval = Some(&recurring.interval);
    work.out.interval_count = Some(recurring.interval_count);
    let amount = match &recurring.usage_type {
        UsageType::Licensed => {
            let priced = amount::licensed(context.catalogue, price, item.quantity, subscription.currency)?;
            work.out.billed_quantity = Some(priced.billed_quantity);
            work.out.unit_amount = priced.unit_amount;
            work.out.tiers = priced.tiers;
            priced.amount
        }
        UsageType::Metered if context.policy.metered == Metered::Zero => return Ok(Some(Rule::MeteredUsage)),
        UsageType::Metered => match invoices::usage(context, subscription, item)? {
            None => return Ok(Some(Rule::MeteredUsage)),
            Some(billed) => {
                work.decide(Rule::MeteredUsageCounts);
                Exact::whole(billed)
            }
        },
        UsageType::Other(other) => return Err(NotComputable::UsageType(other.to_string())),
    };
    work.factor = amount::monthly_factor(recurring)?;
    work.left = amount;
    work.out.amount = Some(amount);
    work.out.factor = Some(work.factor);
    Ok(None)
}

/// Item discounts first, then the subscription's; the customer's only where the subscription has none of its own
/// (MRR.md §1).
fn subtract_discounts<'a>(context: &Context<'a>, subscription: &'a Subscription, works: &mut [Work<'a>]) {
    let currency = subscription.currency;
    for work in works.iter_mut() {
        for applied in &work.item.discounts {
            discount::apply(context, currency, applied, Scope::Item, std::slice::from_mut(work));
        }
    }
    for applied in &subscription.discounts {
        discount::apply(context, currency, applied, Scope::Subscription, works);
    }
    let of_customer = context.customer.and_then(|customer| customer.discount.as_ref());
    if let Some(applied) = of_customer.filter(|_| subscription.discounts.is_empty()) {
        discount::apply(context, currency, applied, Scope::Customer, works);
    }
}

/// Row tax of MRR.md §2.
fn take_out_tax<'a>(context: &Context<'a>, subscription: &Subscription, work: &mut Work<'a>) {
    if !work.item.price.tax_inclusive || context.policy.inclusive_tax == InclusiveTax::Keep {
        return;
    }
    let before = work.left;
    let Some(found) = invoices::inclusive_rate(context.invoices, subscription, work.item) else {
        let rule = TaxRule::InclusiveTaxUnknown;
        work.out.tax = Some(TaxStep { rule, invoice_id: None, rate: None, before, after: before });
        return;
    };
    match Exact::ONE.plus(found.rate).and_then(|gross| before.over(gross)) {
        Err(overflow) => work.fail(&overflow.into()),
        Ok(after) => {
            let (rule, invoice_id) = (TaxRule::TakenOut, Some(&found.invoice.id));
            work.out.tax = Some(TaxStep { rule, invoice_id, rate: Some(found.rate), before, after });
            work.left = after;
        }
    }
}

/// Sums the items and rounds once (MRR.md §3).
fn add_up<'a>(subscription: &'a Subscription, verdict: Verdict, items: Vec<ItemMrr<'a>>) -> SubscriptionMrr<'a> {
    let currency = subscription.currency;
    let sums = rounded(&items);
    let (exact, mrr, arr) = sums.unwrap_or((Exact::ZERO, 0, 0));
    let counted = sums.is_ok() && items.iter().any(|item| item.counted);
    let failed = items.iter().find(|item| item.rule == Rule::NotComputable);
    let decided = match (&sums, failed.or(items.first())) {
        (Err(overflow), _) => Verdict::not_computable(&NotComputable::from(*overflow)),
        // It would count, but no item does: the item's rule is the reason.
        (Ok(_), Some(item)) if verdict.counts && !counted => {
            Verdict { counts: false, rule: item.rule, why: item.why.clone() }
        }
        (Ok(_), None) if verdict.counts => Verdict::zero(Rule::Free),
        (Ok(_), _) => verdict,
    };
    SubscriptionMrr {
        subscription_id: &subscription.id,
        customer_id: &subscription.customer,
        status: &subscription.status,
        counted,
        rule: decided.rule,
        why: decided.why,
        items,
        exact,
        mrr: Money::new(mrr, currency),
        arr: Money::new(arr, currency),
        scheduled_churn: cancel_scheduled(subscription).then(|| ScheduledChurn { ends_at: subscription.ends_at() }),
    }
}

fn rounded(items: &[ItemMrr<'_>]) -> Result<(Exact, i64, i64), Overflow> {
    let exact = items.iter().try_fold(Exact::ZERO, |sum, item| sum.plus(item.monthly))?;
    let yearly = exact.times(Exact::whole(MONTHS_A_YEAR))?;
    Ok((exact, exact.round_half_even()?, yearly.round_half_even()?))
}

impl Verdict {
    fn counts(rule: Rule) -> Self {
        Self { counts: true, rule, why: Cow::Borrowed(rule.sentence()) }
    }

    fn zero(rule: Rule) -> Self {
        Self { counts: false, ..Self::counts(rule) }
    }

    fn not_computable(reason: &NotComputable) -> Self {
        Self { counts: false, rule: Rule::NotComputable, why: because(reason) }
    }
}

fn because(reason: &NotComputable) -> Cow<'static, str> {
    Cow::Owned(format!("It cannot be worked out: {reason}."))
}

impl<'a> Work<'a> {
    fn new(context: &Context<'a>, item: &'a SubscriptionItem, verdict: &Verdict) -> Self {
        let catalogue = context.catalogue;
        let known = || catalogue.price(&item.price.id);
        let product_id = item.price.product.as_ref().or_else(|| known()?.product.as_ref());
        let product_name = product_id.and_then(|id| catalogue.product_name(id));
        let out = ItemMrr {
            item_id: &item.id,
            price_id: &item.price.id,
            product_name: product_name.or_else(|| known()?.nickname.as_deref()),
            product_id,
            counted: verdict.counts,
            rule: verdict.rule,
            why: verdict.why.clone(),
            interval: None,
            interval_count: None,
            quantity: item.quantity,
            billed_quantity: None,
            unit_amount: None,
            tiers_mode: item.price.tiers_mode.as_ref(),
            tiers: Vec::new(),
            amount: None,
            discounts: Vec::new(),
            tax: None,
            factor: None,
            monthly: Exact::ZERO,
        };
        Self { item, left: Exact::ZERO, factor: Exact::ZERO, out }
    }

    /// Names the rule that decided, leaving whether it counts as it is.
    fn decide(&mut self, rule: Rule) {
        if self.out.counted {
            self.out.rule = rule;
            self.out.why = Cow::Borrowed(rule.sentence());
        }
    }

    fn exclude(&mut self, rule: Rule) {
        self.decide(rule);
        self.out.counted = false;
    }

    /// Leaves the item out because it cannot be worked out.
    pub(super) fn fail(&mut self, reason: &NotComputable) {
        self.out.counted = false;
        self.out.rule = Rule::NotComputable;
        self.out.why = because(reason);
    }

    /// True once something about the item could not be worked out.
    pub(super) fn failed(&self) -> bool {
        self.out.rule == Rule::NotComputable
    }

    /// From a period to a month, which ends the explanation.
    fn close(mut self) -> ItemMrr<'a> {
        if self.out.counted {
            match self.left.times(self.factor) {
                Err(overflow) => self.fail(&overflow.into()),
                Ok(monthly) if monthly.is_zero() => self.exclude(Rule::Free),
                Ok(monthly) => self.out.monthly = monthly,
            }
        }
        self.out
    }
}
