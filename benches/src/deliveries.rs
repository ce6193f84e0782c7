//! Stripe's side of the webhook benchmark, as a process of its own: a simulated Stripe, changes of its business made
//! beforehand, and their deliveries sent when they are asked for. It knows nothing of Billfold but an address.

use anyhow::{Context, bail};
use billfold_sim::model::{InvoiceStatus, SubscriptionStatus};
use billfold_sim::{Change, Delivery, Dice, Kind, Sim, Spec, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// When the simulated business stands.
const NOW: i64 = 1_790_000_000;
/// Between two changes, so that the order of versions can be told by time, as nearly always in life.
const APART_S: i64 = 2;
/// Changes that Stripe refuses before it is plain that something is wrong.
const REFUSED_MAX: u32 = 1_000_000;

/// What it can be told to do, a line each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Changes the business until so many deliveries wait for an address.
    Prepare { url: String, count: usize },
    /// Sends so many of them, some at once, as fast as they are taken.
    Send { count: usize, at_once: usize },
}

/// What waits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Prepared {
    pub now: i64,
    pub secret: String,
    pub bytes_mean: usize,
}

/// How the sending went; every latency in microseconds, sorted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sent {
    pub accepted: usize,
    /// How many were refused with which status.
    pub refused: BTreeMap<u16, usize>,
    pub seconds: f64,
    pub latencies_us: Vec<u64>,
    /// Requests that Stripe has answered so far.
    pub stripe_requests: u64,
}

/// Runs until its standard input ends.
pub async fn run(customers: u32) -> anyhow::Result<()> {
    let sim = Sim::generate(&Spec::new(11, customers, NOW));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(sim.clone().serve(listener));
    let hello = serde_json::json!({ "base": base, "api_key": sim.api_key(), "now": sim.now() });
    tell(&hello).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut waiting = VecDeque::new();
    let mut address = String::new();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            Order::Prepare { url, count } => {
                let (prepared, made) = prepare(&sim, &url, count)?;
                waiting = made;
                address = url;
                tell(&prepared).await?;
            }
            Order::Send { count, at_once } => {
                let some = waiting.drain(..count.min(waiting.len())).collect();
                let mut sent = send(&address, some, at_once).await?;
                sent.stripe_requests = sim.requests().total;
                tell(&sent).await?;
            }
        }
    }
    Ok(())
}

async fn tell(what: &impl Serialize) -> anyhow::Result<()> {
    let mut out = tokio::io::stdout();
    out.write_all(format!("{}\n", serde_json::to_string(what)?).as_bytes()).await?;
    Ok(out.flush().await?)
}

/// Changes the business. What comes of one change is a burst on one customer, as when an invoice is paid.
fn prepare(sim: &Sim, url: &str, count: usize) -> anyhow::Result<(Prepared, VecDeque<Delivery>)> {
    let made = sim.add_endpoint(url, &billfold_core::event::ENABLED_EVENTS, Some(Version::pinned()));
    let mut dice = Dice::new(5);
    let mut refused = 0;
    let mut deliveries = VecDeque::new();
    let mut waiting = 0;
    while waiting < count {
        sim.advance(APART_S);
        let changed = change(sim, &mut dice).is_some_and(|change| sim.apply(&change).is_ok());
        refused += u32::from(!changed);
        if refused > REFUSED_MAX {
            bail!("the business does not change any more");
        }
        waiting = sim.waiting_deliveries();
    }
    deliveries.extend(sim.take_deliveries());
    deliveries.truncate(count);
    let mut prepared = Prepared { now: sim.now(), secret: made.secret, ..Prepared::default() };
    for delivery in &deliveries {
        prepared.bytes_mean += delivery.body.len();
    }
    prepared.bytes_mean /= deliveries.len().max(1);
    Ok((prepared, deliveries))
}

/// What happens every day: customers are edited, seats are bought, invoices are paid or not.
pub fn change(sim: &Sim, dice: &mut Dice) -> Option<Change> {
    sim.read(|business| match dice.below(10) {
        0..3 => {
            let place = u32::try_from(dice.index(business.customers.len())).ok()?;
            let row = business.customers.get(place).filter(|row| !row.deleted && !row.test_clock)?;
            let name = Some(format!("{} {}", row.name.as_deref().unwrap_or("Customer"), dice.below(100)));
            Some(Change::UpdateCustomer { customer: business.id(Kind::Customer, place), name, email: None })
        }
        3..7 => {
            let place = u32::try_from(dice.index(business.subscriptions.len())).ok()?;
            let row = business.subscriptions.get(place)?;
            let fits = row.status == SubscriptionStatus::Active && !row.test_clock;
            let subscription = business.id(Kind::Subscription, place);
            let quantity = dice.below(60) + 1;
            let sold = row.items.first().is_some_and(|item| item.quantity.is_some());
            (fits && sold).then_some(Change::SetQuantity { subscription, item: None, quantity })
        }
        _ => {
            let place = u32::try_from(dice.index(business.invoices.len())).ok()?;
            let row = business.invoices.get(place)?;
            let fits = row.status == InvoiceStatus::Open && !row.test_clock;
            let invoice = business.id(Kind::Invoice, place);
            let paid = Change::PayInvoice { invoice: invoice.clone() };
            fits.then(|| if dice.chance(300) { paid } else { Change::FailPayment { invoice, retry: true } })
        }
    })
}

async fn send(url: &str, deliveries: VecDeque<Delivery>, at_once: usize) -> anyhow::Result<Sent> {
    let rest = url.strip_prefix("http://").context("an address of this machine")?;
    let (host, path) = rest.split_once('/').context("an address with a path")?;
    let waiting = Arc::new(Mutex::new(deliveries));
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..at_once {
        senders.spawn(one_sender(host.to_owned(), path.to_owned(), Arc::clone(&waiting)));
    }
    let mut sent = Sent::default();
    while let Some(ended) = senders.join_next().await {
        let (accepted, refused, latencies) = ended??;
        sent.accepted += accepted;
        for status in refused {
            *sent.refused.entry(status).or_default() += 1;
        }
        sent.latencies_us.extend(latencies.iter().map(|one| u64::try_from(one.as_micros()).unwrap_or(u64::MAX)));
    }
    sent.seconds = started.elapsed().as_secs_f64();
    sent.latencies_us.sort_unstable();
    Ok(sent)
}

/// One connection, one delivery after the other: as little work as possible, because the machine is shared.
async fn one_sender(
    host: String,
    path: String,
    waiting: Arc<Mutex<VecDeque<Delivery>>>,
) -> anyhow::Result<(usize, Vec<u16>, Vec<Duration>)> {
    let mut stream = TcpStream::connect(&host).await?;
    stream.set_nodelay(true)?;
    let (mut accepted, mut refused, mut latencies) = (0, Vec::new(), Vec::new());
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(delivery) = next else { return Ok((accepted, refused, latencies)) };
        let mut request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nstripe-signature: {}\r\n\
             content-length: {}\r\n\r\n",
            delivery.signature,
            delivery.body.len()
        )
        .into_bytes();
        request.extend_from_slice(&delivery.body);
        let began = Instant::now();
        stream.write_all(&request).await?;
        let status = answer(&mut stream).await?;
        latencies.push(began.elapsed());
        if status == 200 { accepted += 1 } else { refused.push(status) }
    }
}

/// Reads one answer; its status.
async fn answer(stream: &mut TcpStream) -> anyhow::Result<u16> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("the connection was closed");
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(Ok(0), |text| text.trim().parse())?;
        if bytes.len() < end + 4 + length {
            continue;
        }
        return head.split(' ').nth(1).context("no status")?.parse().context("a status that is no number");
    }
}
