//! The wire to the simulated Stripe, which can be held: what Stripe has answered by then arrives when it is let go, and
//! is old by then.

use super::calls::Calls;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A wire; it ends when it is dropped.
pub(super) struct Wire {
    pub(super) base: String,
    held: watch::Sender<Held>,
    carrier: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
}

impl Wire {
    /// A wire to an address.
    pub(super) async fn to(address: SocketAddr, calls: Calls) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (held, hold) = watch::channel(Held::No);
        let carrier = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(address).await else { return };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let (calls, hold) = (calls.clone(), hold.clone());
                connections.spawn(ask(from_client, to_server, calls));
                connections.spawn(carry(from_server, to_client, hold));
            }
        });
        Ok(Self { base, held, carrier })
    }

    pub(super) fn hold(&self) {
        self.held.send_replace(Held::Yes);
    }

    pub(super) fn let_go(&self) {
        self.held.send_replace(Held::No);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// Carries requests: each comes in one piece, and is a call.
async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, calls: Calls) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let Some(some) = bytes.get(..count) else { return };
        if calls.pass(to.write_all(some)).await.is_err() {
            return;
        }
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut hold: watch::Receiver<Held>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        // The sender is gone when the wire is, and then nobody waits.
        drop(hold.wait_for(|held| *held == Held::No).await);
        let Some(some) = bytes.get(..count) else { return };
        if to.write_all(some).await.is_err() {
            return;
        }
    }
}
