//! What Billfold asks a key for, why, and what is missing without it.

use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::billing::LeftOut;
use billfold_core::connection::{Access, Connection, Permission};
use billfold_core::id::WorkspaceId;
use billfold_core::window::Listing;
use billfold_stripe::{Client, Disposition, Endpoint, StripeError};
use futures::future::try_join_all;

/// One thing that Billfold reads.
struct Wanted {
    endpoint: Endpoint,
    required: bool,
    why: &'static str,
}

/// What lowers lifetime value where the key may read it.
const LOWERS_LIFETIME_VALUE: [Endpoint; 3] = [Endpoint::Refunds, Endpoint::Disputes, Endpoint::CreditNotes];

const WANTED: [Wanted; 10] = [
    Wanted { endpoint: Endpoint::Customers, required: true, why: "Who pays; without it there are no accounts." },
    Wanted {
        endpoint: Endpoint::Subscriptions,
        required: true,
        why: "MRR, ARR and renewals are computed from subscriptions.",
    },
    Wanted { endpoint: Endpoint::Invoices, required: true, why: "Payment status, invoices and lifetime value." },
    Wanted {
        endpoint: Endpoint::Products,
        required: false,
        why: "Names of plans; without it plans are shown by their ids.",
    },
    Wanted {
        endpoint: Endpoint::Prices,
        required: false,
        why: "Tiers of tiered prices; without it tiered subscriptions have no MRR.",
    },
    Wanted {
        endpoint: Endpoint::Coupons,
        required: false,
        why: "Discounts; without it MRR of discounted subscriptions is not computable.",
    },
    Wanted { endpoint: Endpoint::CreditNotes, required: false, why: "Credits after payment lower lifetime value." },
    Wanted {
        endpoint: Endpoint::Charges,
        required: false,
        why: "Refunds lower lifetime value; a dispute says whose it is by its charge.",
    },
    Wanted {
        endpoint: Endpoint::Disputes,
        required: false,
        why: "Lost disputes lower lifetime value; open ones are a signal.",
    },
    Wanted {
        endpoint: Endpoint::Events,
        required: false,
        why: "Missed webhooks are found; without it only a re-sync finds them.",
    },
];

/// Everything that is asked for, before anybody knows whether a key may.
pub(crate) fn wanted() -> Vec<Permission> {
    WANTED.iter().map(|wanted| permission(wanted, Access::Unknown, None)).collect()
}

/// Probes everything, side by side.
///
/// # Errors
/// What stops a connection: a refused key, or a Stripe that does not answer.
pub(crate) async fn probe_all(client: &Client) -> Result<Vec<Permission>, StripeError> {
    try_join_all(WANTED.iter().map(|wanted| probe(client, wanted))).await
}

async fn probe(client: &Client, wanted: &Wanted) -> Result<Permission, StripeError> {
    let (access, name) = match client.probe(wanted.endpoint).await {
        billfold_stripe::Access::Granted { .. } => (Access::Granted, None),
        billfold_stripe::Access::Missing { permission, .. } => (Access::Missing, Some(permission)),
        billfold_stripe::Access::Unknown { cause } => match cause.disposition() {
            Disposition::StopNeedsUser => return Err(cause),
            Disposition::Retry { .. } if wanted.required => return Err(cause),
            _ => {
                tracing::warn!(resource = wanted.endpoint.label(), %cause, "a permission could not be probed");
                (Access::Unknown, None)
            }
        },
    };
    Ok(permission(wanted, access, name))
}

fn permission(wanted: &Wanted, access: Access, name: Option<String>) -> Permission {
    let resource = wanted.endpoint.label().to_owned();
    let fix = (access != Access::Granted).then(|| format!("Grant read access to {resource} in your restricted key"));
    Permission {
        permission: name.unwrap_or_else(|| wanted.endpoint.permission().to_owned()),
        resource,
        access,
        required: wanted.required,
        why: wanted.why.to_owned(),
        fix,
    }
}

/// Sets one permission to missing, after Stripe refused in the middle of something.
pub(crate) fn note_missing(permissions: &mut [Permission], endpoint: Endpoint) {
    for permission in permissions.iter_mut().filter(|p| p.permission == endpoint.permission()) {
        permission.access = Access::Missing;
        permission.fix = Some(format!("Grant read access to {} in your restricted key", permission.resource));
    }
}

/// Sets one permission to granted, after it was used.
fn note_granted(permissions: &mut [Permission], endpoint: Endpoint) {
    let missing = |p: &&mut Permission| p.permission == endpoint.permission() && p.access == Access::Missing;
    for permission in permissions.iter_mut().filter(missing) {
        (permission.access, permission.fix) = (Access::Granted, None);
    }
}

/// What lifetime value leaves out, because the key may not read it.
pub(crate) fn left_out_of_lifetime_value(permissions: &[Permission]) -> Vec<LeftOut> {
    let missing = permissions.iter().filter(|permission| permission.access == Access::Missing);
    let lowers =
        |permission: &&Permission| LOWERS_LIFETIME_VALUE.iter().any(|e| e.permission() == permission.permission);
    let left_out = missing.filter(lowers).map(|permission| LeftOut {
        resource: permission.resource.clone(),
        permission: permission.permission.clone(),
        why: permission.why.clone(),
        fix: permission.fix.clone().unwrap_or_default(),
    });
    left_out.collect()
}

impl App {
    /// Notes on the card which of the lists beside the stages the key may read, after a run has tried.
    pub(crate) async fn note_readable(&self, ws: &WorkspaceId, left_out: &[Listing]) -> Result<(), Refusal> {
        let beside = || Listing::ALL.into_iter().filter(|listing| listing.is_beside());
        let note = |connection: &mut Connection| {
            for listing in beside() {
                let endpoint = crate::sync::endpoint(listing);
                match left_out.contains(&listing) {
                    true => note_missing(&mut connection.permissions, endpoint),
                    false => note_granted(&mut connection.permissions, endpoint),
                }
            }
        };
        let mut noted = self.store().connection(ws).await?;
        let before = noted.permissions.clone();
        note(&mut noted);
        if noted.permissions != before {
            self.store().change_connection(ws, note).await?;
        }
        Ok(())
    }
}

/// True if nothing works without this permission.
pub(crate) fn is_required(endpoint: Endpoint) -> bool {
    WANTED.iter().any(|wanted| wanted.required && wanted.endpoint == endpoint)
}

/// The form in Stripe's dashboard with the right boxes ticked (FACTS.md §5.3).
pub(crate) fn prefilled_key_url(test_mode: bool) -> String {
    let path = if test_mode { "test/apikeys/create" } else { "apikeys/create" };
    let boxes: String =
        WANTED.iter().map(|wanted| format!("&permissions%5B%5D={}", wanted.endpoint.permission())).collect();
    format!("https://dashboard.stripe.com/{path}?name=Billfold{boxes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_ticks_reading_and_nothing_else() {
        let url = prefilled_key_url(false);
        assert!(url.starts_with(
            "https://dashboard.stripe.com/apikeys/create?name=Billfold&permissions%5B%5D=rak_customer_read"
        ));
        assert_eq!(url.matches("_read").count(), WANTED.len());
        assert!(!url.contains("_write"));
        assert!(prefilled_key_url(true).starts_with("https://dashboard.stripe.com/test/apikeys/create?"));
    }

    #[test]
    fn a_refusal_in_the_middle_is_noted_with_its_fix() {
        let mut all: Vec<_> = WANTED.iter().map(|wanted| permission(wanted, Access::Granted, None)).collect();
        note_missing(&mut all, Endpoint::Invoices);
        let missing: Vec<_> = all.iter().filter(|p| p.access == Access::Missing).collect();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].fix.as_deref(), Some("Grant read access to Invoices in your restricted key"));
        assert!(missing[0].required && is_required(Endpoint::Invoices) && !is_required(Endpoint::Products));
    }
}
