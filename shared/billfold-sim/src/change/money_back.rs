//! Refunds, disputes and credit notes.

use super::{Change, ChangeError, Changing, Outcome, missing};
use crate::generate::money_back as book;
use crate::ids::Kind;
use crate::model::{DisputeStatus, Idx, InvoiceStatus, RefundStatus};
use crate::render::Target;

impl Changing<'_> {
    pub(super) fn money_back_change(&mut self, change: &Change) -> Outcome {
        let made = match change {
            Change::Refund { charge, amount } => {
                let charge = self.charge(charge)?;
                let refund = self.refund(charge, *amount)?;
                self.business().id(Kind::Refund, refund)
            }
            Change::FailRefund { refund } => {
                self.fail_refund(refund)?;
                return Ok(None);
            }
            Change::OpenDispute { charge } => {
                let charge = self.charge(charge)?;
                let dispute = self.open_dispute(charge)?;
                self.business().id(Kind::Dispute, dispute)
            }
            Change::CloseDispute { dispute, won } => {
                self.close_dispute(dispute, *won)?;
                return Ok(None);
            }
            Change::CreditNote { invoice, amount, refund } => {
                let invoice = self.invoice(invoice)?;
                let note = self.credit(invoice, *amount, *refund)?;
                self.business().id(Kind::CreditNote, note)
            }
            _ => return Err(ChangeError::Impossible("this moves no money back")),
        };
        Ok(Some(made))
    }

    fn refund(&mut self, charge: Idx, amount: i64) -> Result<Idx, ChangeError> {
        let row = &self.business().charges[charge];
        if row.failure.is_some() || amount <= 0 || amount > row.amount - row.refunded {
            return Err(ChangeError::Impossible("there is not that much to refund"));
        }
        let now = self.now;
        let reason = Some("requested_by_customer");
        let refund = book::refund(self.business_mut(), charge, now, amount, reason);
        self.emit("refund.created", Target::Refund(refund));
        self.emit("charge.refunded", Target::Charge(charge));
        Ok(refund)
    }

    /// What had gone back is there again.
    fn fail_refund(&mut self, id: &str) -> Result<(), ChangeError> {
        let place = self.business().find(Kind::Refund, id).ok_or_else(|| missing("refund", id))?;
        if !matches!(self.business().refunds[place].status, RefundStatus::Pending | RefundStatus::Succeeded) {
            return Err(ChangeError::Impossible("the refund is over already"));
        }
        self.update("refund.updated", Target::Refund(place), |business| {
            let refund = &mut business.refunds[place];
            refund.status = RefundStatus::Failed;
            business.charges[refund.charge].refunded -= refund.amount;
        });
        self.emit("refund.failed", Target::Refund(place));
        Ok(())
    }

    fn open_dispute(&mut self, charge: Idx) -> Result<Idx, ChangeError> {
        let row = &self.business().charges[charge];
        if row.failure.is_some() || row.disputed {
            return Err(ChangeError::Impossible("the charge cannot be disputed"));
        }
        let now = self.now;
        let status = DisputeStatus::NeedsResponse;
        let dispute = book::dispute(self.business_mut(), charge, now, status);
        self.emit("charge.dispute.created", Target::Dispute(dispute));
        self.emit("charge.dispute.funds_withdrawn", Target::Dispute(dispute));
        Ok(dispute)
    }

    fn close_dispute(&mut self, id: &str, won: bool) -> Result<(), ChangeError> {
        let place = self.business().find(Kind::Dispute, id).ok_or_else(|| missing("dispute", id))?;
        let status = if won { DisputeStatus::Won } else { DisputeStatus::Lost };
        self.update("charge.dispute.updated", Target::Dispute(place), |business| {
            business.disputes[place].status = status;
        });
        self.emit("charge.dispute.closed", Target::Dispute(place));
        if won {
            self.emit("charge.dispute.funds_reinstated", Target::Dispute(place));
        }
        Ok(())
    }

    fn credit(&mut self, invoice: Idx, amount: i64, refund: bool) -> Result<Idx, ChangeError> {
        let row = &self.business().invoices[invoice];
        let most = match row.status {
            InvoiceStatus::Open => row.amount_remaining(),
            InvoiceStatus::Paid => row.amount_paid - row.credited_after_payment,
            _ => 0,
        };
        if amount <= 0 || amount > most {
            return Err(ChangeError::Impossible("there is not that much to credit"));
        }
        let note = if row.status == InvoiceStatus::Open {
            self.credit_before_payment(invoice, amount)
        } else {
            self.credit_after_payment(invoice, amount, refund)?
        };
        self.emit("credit_note.created", Target::CreditNote(note));
        Ok(note)
    }

    /// Lowers what is due; an invoice with nothing left to pay is paid.
    fn credit_before_payment(&mut self, invoice: Idx, amount: i64) -> Idx {
        let now = self.now;
        let note = book::add_credit_note(self.business_mut(), invoice, now, amount, None);
        self.update("invoice.updated", Target::Invoice(invoice), |business| {
            let row = &mut business.invoices[invoice];
            row.credited_before_payment += amount;
            row.amount_due -= amount;
        });
        if self.business().invoices[invoice].amount_remaining() == 0 {
            self.pay(invoice);
        }
        note
    }

    fn credit_after_payment(&mut self, invoice: Idx, amount: i64, refund: bool) -> Result<Idx, ChangeError> {
        let paid_by = self.paid_by(invoice);
        let refund = match (refund, paid_by) {
            (false, _) => None,
            (true, Some(charge)) => Some(self.refund(charge, amount)?),
            (true, None) => return Err(ChangeError::Impossible("nothing was charged")),
        };
        let now = self.now;
        self.update("invoice.updated", Target::Invoice(invoice), |business| {
            business.invoices[invoice].credited_after_payment += amount;
        });
        Ok(book::add_credit_note(self.business_mut(), invoice, now, amount, refund))
    }

    fn paid_by(&self, invoice: Idx) -> Option<Idx> {
        let business = self.business();
        business.invoices[invoice]
            .payments
            .iter()
            .flat_map(|&payment| &business.payments[payment].charges)
            .copied()
            .find(|&charge| business.charges[charge].failure.is_none())
    }
}
