//! The customers of a generated business, several of them from the same company.

use super::AGE;
use super::dice::Dice;
use super::names::{self, Company};
use crate::business::Business;
use crate::calendar::DAY;
use crate::model::{Customer, Idx, Metadata, Unix};

/// Companies seen so far; newcomers join one of the latest now and then.
#[derive(Default)]
pub struct Companies {
    recent: Vec<Company>,
    count: u64,
}

impl Companies {
    const KEPT: usize = 50;

    fn next(&mut self, dice: &mut Dice) -> Company {
        if !self.recent.is_empty() && dice.chance(180) {
            return dice.pick(&self.recent).clone();
        }
        self.count += 1;
        let company = names::company(dice, self.count);
        if self.recent.len() == Self::KEPT {
            self.recent.remove(0);
        }
        self.recent.push(company.clone());
        company
    }
}

pub fn add(business: &mut Business, dice: &mut Dice, companies: &mut Companies, now: Unix) -> Idx {
    let company = companies.next(dice);
    let person = names::person(dice);
    let (email, metadata) = contact(dice, &company, &person.mailbox);
    let awkward = dice.chance(20);
    let name = match dice.below(20) {
        _ if awkward => Some(names::awkward(dice)),
        0 => None,
        1..=4 => Some(person.name.clone()),
        _ => Some(company.name.clone()),
    };
    business.customers.push(Customer {
        created: joined(dice, now),
        name,
        email,
        description: dice.chance(100).then(|| format!("Contact: {}", person.name)),
        country: "US",
        currency: None,
        delinquent: false,
        balance: 0,
        discount: None,
        metadata,
        test_clock: dice.chance(3),
        deleted: false,
        subscriptions: Vec::new(),
        invoices: Vec::new(),
        numbered: 0,
    })
}

/// An address at the company, at a mail service, or none; and metadata that names the domain.
fn contact(dice: &mut Dice, company: &Company, mailbox: &str) -> (Option<String>, Metadata) {
    let mut metadata = Metadata::new();
    let named = |metadata: &mut Metadata| {
        metadata.push(("domain".to_owned(), company.domain.clone()));
    };
    let email = match dice.below(100) {
        0..=2 => None,
        3..=13 => {
            let service = *dice.pick(names::PERSONAL);
            if dice.chance(150) {
                named(&mut metadata);
            }
            Some(format!("{mailbox}@{service}"))
        }
        14..=17 => {
            named(&mut metadata);
            Some(format!("{mailbox}@{}", company.domain))
        }
        // An address is written as its owner typed it.
        18 => Some(format!("{}@{}", mailbox.to_uppercase(), company.domain.to_uppercase())),
        _ => Some(format!("{mailbox}@{}", company.domain)),
    };
    if dice.chance(300) {
        metadata.push(("crm_id".to_owned(), format!("{:06}", dice.below(1_000_000))));
    }
    (email, metadata)
}

/// More customers joined lately than long ago.
fn joined(dice: &mut Dice, now: Unix) -> Unix {
    let (one, two) = (dice.between(0, AGE - DAY), dice.between(0, AGE - DAY));
    now - DAY / 2 - one.min(two)
}

/// A few customers without a running subscription are gone.
pub fn delete_some(business: &mut Business, dice: &mut Dice) {
    for place in 0..u32::try_from(business.customers.len()).unwrap_or(u32::MAX) {
        let customer = &business.customers[place];
        let ended =
            customer.subscriptions.iter().all(|&subscription| business.subscriptions[subscription].status.is_ended());
        let owes = customer.invoices.iter().any(|&invoice| {
            business.invoices[invoice].finalized_at.is_none()
                || business.invoices[invoice].status == crate::model::InvoiceStatus::Open
        });
        if ended && !owes && dice.chance(40) {
            business.customers[place].deleted = true;
        }
    }
}
