//! Disks that come while one is being chosen.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::*;
use crate::event::State;

/// A session that has found a blank disk just now, with no countdown.
fn begins_at_once(rule: &str) -> (Session, (watch::Sender<Attached>, InstallerHandle)) {
    let (mut session, others) = asking(&format!("erase = 'any'\ncountdown = 0\n{rule}"));
    session.arrivals = Arrivals::default();
    session.arrivals.note(&session.inventory.disks);
    (session, others)
}

#[tokio::test(start_paused = true)]
async fn the_largest_disk_is_seen_though_its_bus_is_slow() {
    let (mut session, (attached, _handle)) = begins_at_once("disk = 'largest'");
    let status = session.context.publisher.status();
    let started = tokio::time::Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        attached.send_replace(Attached::default());
        std::future::pending::<()>().await;
    });
    assert_eq!(session.step().await.unwrap(), None);
    assert_eq!((status.borrow().state, started.elapsed().as_secs()), (State::WaitingForDisk, 3));
    let mut larger = crate::disk::examples::disk("sda");
    larger.device.size_bytes *= 2;
    session.inventory.disks.push(larger);
    session.arrivals.note(&session.inventory.disks);
    // The clock starts again; another survey that finds the same does not change that.
    tokio::time::advance(Duration::from_secs(2)).await;
    session.arrivals.note(&session.inventory.disks);
    session.context.attached.mark_unchanged();
    assert_eq!(session.step().await.unwrap(), None);
    assert_eq!((status.borrow().state, started.elapsed().as_secs()), (State::WaitingForDisk, 8));
    session.arrivals.note(&session.inventory.disks);
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::Installing);
    assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, "sda");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_alone_at_first_is_not_the_only_one_at_once() {
    let (mut session, _others) = begins_at_once("");
    let status = session.context.publisher.status();
    assert_eq!(session.step().await.unwrap(), None);
    let message = status.borrow().message.clone();
    assert!(message.contains("no rule says which one is meant"), "{message}");
    session.inventory.disks.push(crate::disk::examples::disk("sda"));
    session.arrivals.note(&session.inventory.disks);
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::ChoosingDisk);
}
