//! Records → the signals that tell of them, and the disks' objects.
//!
//! Properties are compared with what they were: a new one needs nothing here.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;
use zbus::fdo::Properties;
use zbus::object_server::{Interface, InterfaceRef};
use zbus::{Connection, OwnedVariant, Variant};

use super::disk::{self, Disk};
use super::installer::{Installer, UNSIGNALLED};
use super::{PATH, Service};
use crate::event::{DiskView, Event, Record};

/// Progress is signalled no more often than this; everything else at once.
const PACE: Duration = Duration::from_millis(200);

impl Service {
    /// Emits signals for every record until the connection is lost. Ok: the publisher is gone.
    pub(super) async fn follow(&mut self, connection: &Connection, mut disks: Disks) -> Result<()> {
        let object = connection.object_server().interface::<_, Installer>(PATH).await?;
        let mut told = properties(&object, UNSIGNALLED).await?;
        let mut due = None;
        let mut batch = Vec::new();
        loop {
            let mut pause = pin!(tokio::time::sleep_until(due.unwrap_or_else(Instant::now)));
            let record = tokio::select! {
                record = self.reader.next() => record,
                () = &mut pause, if due.is_some() => {
                    due = None;
                    tell(&object, &mut told).await?;
                    continue;
                }
                () = connection.closed() => bail!("the connection to the bus is lost"),
            };
            let Some(record) = record else { return Ok(()) };
            if record.sequence <= self.shown.borrow().sequence {
                continue;
            }
            batch.push(record);
            if lacks_verdict(&batch) {
                continue;
            }
            self.shown.send_modify(|shown| batch.iter().for_each(|record| shown.take(record)));
            let is_urgent = batch.iter().any(|r| !matches!(r.event, Event::Progress { .. }));
            for record in batch.drain(..) {
                if let Event::Disks { disks: now } = &record.event {
                    disks.follow(connection, now).await?;
                }
                let json = serde_json::to_string(&record).context("cannot write a record")?;
                Installer::event(object.signal_emitter(), &json).await?;
            }
            if is_urgent {
                due = None;
                tell(&object, &mut told).await?;
            } else {
                due.get_or_insert_with(|| Instant::now() + PACE);
            }
        }
    }
}

/// An end is never signalled without its verdict, which comes close behind.
fn lacks_verdict(batch: &[Record]) -> bool {
    let is_end = |record: &Record| matches!(&record.event, Event::State { to, .. } if to.is_end());
    let is_verdict = |record: &Record| matches!(record.event, Event::AttemptEnded { .. });
    batch.iter().any(is_end) && !batch.iter().any(is_verdict)
}

/// The disks that have an object.
#[derive(Default)]
pub(super) struct Disks {
    shown: BTreeMap<String, DiskView>,
}

impl Disks {
    /// Makes the objects be those of `now`.
    pub(super) async fn follow(&mut self, connection: &Connection, now: &[DiskView]) -> Result<()> {
        let server = connection.object_server();
        let is_gone = |name: &String| !now.iter().any(|disk| disk.name == *name);
        let gone: Vec<_> = self.shown.keys().filter(|name| is_gone(name)).cloned().collect();
        for name in gone {
            server.remove::<Disk, _>(disk::path_of(&name)).await?;
            self.shown.remove(&name);
        }
        for view in now {
            let path = disk::path_of(&view.name);
            match self.shown.insert(view.name.clone(), view.clone()) {
                None => {
                    server.at(path, Disk { view: view.clone() }).await?;
                }
                Some(before) if before != *view => {
                    let object = server.interface::<_, Disk>(path).await?;
                    let mut told = properties(&object, &[]).await?;
                    object.get_mut().await.view = view.clone();
                    tell(&object, &mut told).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// An object's properties, but for `except`.
async fn properties<I: Interface>(
    object: &InterfaceRef<I>,
    except: &[&str],
) -> Result<HashMap<String, OwnedVariant>> {
    let emitter = object.signal_emitter();
    let connection = emitter.connection();
    let interface = object.get().await;
    let mut all = interface.get_all(connection.object_server(), connection, None, emitter).await?;
    all.retain(|name, _| !except.contains(&name.as_str()));
    Ok(all)
}

/// Signals those properties that are not as they were `told`, all in one message.
async fn tell<I: Interface>(
    object: &InterfaceRef<I>,
    told: &mut HashMap<String, OwnedVariant>,
) -> Result<()> {
    let now = properties(object, UNSIGNALLED).await?;
    let changed: HashMap<&str, Variant<'_>> = now
        .iter()
        .filter(|(name, value)| told.get(*name) != Some(value))
        .map(|(name, value)| Ok((name.as_str(), Variant::try_from(value)?)))
        .collect::<zbus::Result<_>>()?;
    if !changed.is_empty() {
        let emitter = object.signal_emitter();
        Properties::properties_changed(emitter, I::name(), changed, (&[][..]).into()).await?;
    }
    *told = now;
    Ok(())
}
