//! Reads and clients by number → load on a bus, for the lab's scenario of that name.
//!
//! `bus-load READS CLIENTS` reads a property of the installer so many times, and meanwhile lets so
//! many clients connect, call, and vanish without waiting for the answer. Prints what it did as JSON.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nixvm_agent::dbus::{Bus, NAME, PATH};

const PROPERTIES: Option<&str> = Some("org.freedesktop.DBus.Properties");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let mut number =
        || numbers.next().context("usage: bus-load READS CLIENTS")?.context("no number");
    let (reads, clients) = (number()?, number()?);
    let started = Instant::now();
    let (read, vanished) = tokio::join!(read(reads), vanish(clients));
    let seconds = started.elapsed().as_secs_f64();
    let done = serde_json::json!({ "reads": read?, "clients": vanished?, "seconds": seconds });
    Ok(writeln!(std::io::stdout(), "{done}")?)
}

async fn read(reads: u32) -> Result<u32> {
    let connection = Bus::System.builder().build().await?;
    for _ in 0..reads {
        let reply =
            connection.call_method(Some(NAME), PATH, PROPERTIES, "Get", &(NAME, "BytesDone"));
        reply.await?;
    }
    Ok(reads)
}

async fn vanish(clients: u32) -> Result<u32> {
    for _ in 0..clients {
        let connection = Bus::System.builder().build().await?;
        let call = connection.call_method(Some(NAME), PATH, PROPERTIES, "GetAll", &NAME);
        // Long enough to send it, not to hear of it.
        let _too_early = tokio::time::timeout(Duration::from_micros(1), call).await;
        connection.close().await?;
    }
    Ok(clients)
}
