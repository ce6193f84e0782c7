//! A caller with little time left gets an answer in time rather than a late one. The waits of
//! these tests would last minutes if the deadline were not heeded.

use std::sync::Arc;
use std::time::Duration;

use billfold_stripe::{
    Budget, Client, Disposition, Endpoint, Limits, ListRequest, Patience, StripeError, Transport, Trouble,
};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::scripted::{Act, KEY, Stripe, fast_budget};

const AGES: Duration = Duration::from_secs(3600);

fn products() -> ListRequest {
    ListRequest::new(Endpoint::Products)
}

fn trouble(error: StripeError) -> Trouble {
    match error {
        StripeError::Unavailable { trouble, .. } => trouble,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wait_that_would_end_too_late_is_not_begun() {
    let stripe = Stripe::plays([Act::error(500, "", "Oops")]).await;
    let patience = Patience { first_wait: AGES * 1000, longest_wait: AGES * 1000, ..Patience::default() };
    let client = stripe.client_with(Arc::new(fast_budget())).with_patience(patience);
    let client = client.with_deadline(Instant::now() + Duration::from_secs(60));
    let error = client.list(&products()).await.unwrap_err();
    assert!(matches!(trouble(error), Trouble::Status(500)));
    assert_eq!(stripe.asked().len(), 1);
}

#[tokio::test]
async fn a_turn_that_comes_too_late_is_not_waited_for() {
    let stripe = Stripe::plays([Act::page(&[], false)]).await;
    let budget = Arc::new(Budget::new(Limits { total_per_s: 0.1, endpoint_per_s: 0.1, share: 1.0 }, 0));
    let client = stripe.client_with(budget);
    client.list(&products()).await.unwrap();
    let hurried = client.clone().with_deadline(Instant::now() + Duration::from_millis(20));
    let error = hurried.list(&products()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry { after: Duration::ZERO });
    assert!(matches!(trouble(error), Trouble::OutOfTime));
    assert_eq!(stripe.asked().len(), 1);
}

#[tokio::test]
async fn a_silent_stripe_is_not_waited_for_past_the_deadline() {
    let stripe = Stripe::plays([Act::Silence]).await;
    let transport = Transport::new(stripe.base.clone()).unwrap().with_timeout(AGES);
    let key = SecretString::from(KEY.to_owned());
    let client = Client::new(transport, &key, Arc::new(fast_budget()), 1).unwrap();
    let client = client.with_deadline(Instant::now() + Duration::from_millis(30));
    let request = products();
    let answer = tokio::time::timeout(AGES / 60, client.list(&request)).await;
    let error = answer.expect("the deadline was not heeded").unwrap_err();
    assert!(matches!(trouble(error), Trouble::TimedOut | Trouble::OutOfTime));
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let stripe = Stripe::plays([Act::page(&[], false)]).await;
    let client = stripe.client().with_deadline(Instant::now());
    assert!(matches!(trouble(client.list(&products()).await.unwrap_err()), Trouble::OutOfTime));
    assert!(stripe.asked().is_empty());
}
