//! Refunds, disputes and credit notes: how they are booked, and some of each for a generated
//! business.

use super::dice::Dice;
use crate::business::Business;
use crate::calendar::DAY;
use crate::model::{CreditNote, Dispute, DisputeStatus, Idx, InvoiceStatus, Refund, RefundStatus, Unix};

/// Refunds, disputes and credit notes on some of the charges that went through.
pub fn some(business: &mut Business, dice: &mut Dice, now: Unix) {
    for place in 0..u32::try_from(business.charges.len()).unwrap_or(u32::MAX) {
        let charge = &business.charges[place];
        let at = charge.created + dice.between(3_600, 10 * DAY);
        if charge.failure.is_some() || charge.amount < 100 || at >= now {
            continue;
        }
        let amount = charge.amount;
        match dice.below(1_000) {
            0..8 => {
                refund(business, place, at, amount, Some("requested_by_customer"));
            }
            8..14 => {
                refund(business, place, at, amount / 3, None);
            }
            14..17 => {
                let status = *dice.pick(&[
                    DisputeStatus::NeedsResponse,
                    DisputeStatus::UnderReview,
                    DisputeStatus::Won,
                    DisputeStatus::Lost,
                ]);
                dispute(business, place, at, status);
            }
            17..25 => {
                let refunded = dice.chance(500);
                credit_after_payment(business, place, at, amount / 4, refunded);
            }
            _ => {}
        }
    }
}

pub fn refund(business: &mut Business, charge: Idx, at: Unix, amount: i64, reason: Option<&'static str>) -> Idx {
    business.charges[charge].refunded += amount;
    business.refunds.push(Refund { charge, created: at, amount, reason, status: RefundStatus::Succeeded })
}

pub fn dispute(business: &mut Business, charge: Idx, at: Unix, status: DisputeStatus) -> Idx {
    let row = &mut business.charges[charge];
    row.disputed = true;
    business.disputes.push(Dispute { charge, created: at, amount: row.amount, reason: "product_not_received", status })
}

/// A credit note on a paid invoice, paid out as a refund or outside Stripe.
fn credit_after_payment(business: &mut Business, charge: Idx, at: Unix, amount: i64, refunded: bool) -> Idx {
    let invoice = business.payments[business.charges[charge].payment].invoice;
    let refund = refunded.then(|| refund(business, charge, at, amount, None));
    business.invoices[invoice].credited_after_payment += amount;
    add_credit_note(business, invoice, at, amount, refund)
}

/// Writes the note; what it does to the invoice's amounts is the caller's.
pub fn add_credit_note(business: &mut Business, invoice: Idx, at: Unix, amount: i64, refund: Option<Idx>) -> Idx {
    let sequence = business.credit_notes.iter().filter(|(_, note)| note.invoice == invoice).count();
    business.credit_notes.push(CreditNote {
        invoice,
        created: at,
        sequence: u32::try_from(sequence).unwrap_or(u32::MAX) + 1,
        amount,
        pre_payment: business.invoices[invoice].status != InvoiceStatus::Paid,
        refund,
        reason: Some("order_change"),
        memo: None,
        voided_at: None,
    })
}
