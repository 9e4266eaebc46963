//! A source and a registration → the paths in the target's store, every one of them checked and
//! on the disk.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::checked::{Checked, Shared};
use crate::registration::{Entry, Registration};
use crate::source::{Place, Source, SourceReader};
use crate::store_path::StorePath;
use crate::write::{Store, Writer};
use crate::{Cancelled, Progress};

/// Time between two reports of progress, and two looks for a cancel.
const TICK: Duration = Duration::from_millis(200);

/// A path of so many NAR bytes is begun early: at the end, the other threads would wait for it.
const LARGE: u64 = 32 << 20;

/// More threads than this gain nothing on a virtual disk, and each takes 2 MiB.
const MAX_THREADS: usize = 8;

/// Copies all of `registration` from `source` into the store below the folder `root`, and waits until
/// it is on the disk. The paths must not be there yet.
///
/// `progress` is called about every 200 ms: bytes never decrease, and only the last call has all of
/// them. `cancelled` is asked about every 200 ms.
///
/// # Errors
/// [`Cancelled`]; a path is missing or is not what is registered, and then its name is said; or the
/// target can't be written to. Some paths may be there then, and none of them is registered.
pub fn copy(
    source: &Source,
    registration: &Registration,
    root: &Path,
    progress: &mut dyn FnMut(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<()> {
    let store = Store::open(root)?;
    let total = registration.total_bytes();
    let work = order(source, registration)?;
    let shared = Shared::default();
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    progress(Progress { done: 0, total });

    // Twice as many as there are processors: some wait for the medium.
    let count = 2 * thread::available_parallelism().map_or(1, usize::from);
    let count = count.min(MAX_THREADS).min(work.len());
    thread::scope(|scope| {
        let (ended, end) = channel();
        for _ in 0..count {
            let ended: Sender<()> = ended.clone();
            let (store, shared, work, next, failure) = (&store, &shared, &work, &next, &failure);
            let thread = thread::Builder::new().name("copy".to_owned());
            let started = thread.spawn_scoped(scope, move || {
                if let Err(error) = each(source, work, next, store, shared) {
                    shared.stop.store(true, Ordering::Relaxed);
                    // The first is the cause; the others were stopped.
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
                drop(ended);
            });
            if let Err(error) = started {
                shared.stop.store(true, Ordering::Relaxed);
                return Err(error).context("cannot start a thread");
            }
        }
        drop(ended);
        let mut last = 0;
        wait(&end, || {
            if cancelled() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            let done = shared.done.load(Ordering::Relaxed);
            // Not all, before it is on the disk.
            if done > last && done < total {
                last = done;
                progress(Progress { done, total });
            }
            false
        });
        Ok(())
    })?;
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    sync(&store, cancelled)?;
    if total > 0 {
        progress(Progress { done: total, total });
    }
    Ok(())
}

/// Calls `tick` now and then until all senders are gone, or it says true.
fn wait(end: &Receiver<()>, mut tick: impl FnMut() -> bool) {
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(TICK) {
        if tick() {
            break;
        }
    }
}

/// A store path that is to be copied.
struct Item<'a> {
    path: &'a StorePath,
    entry: &'a Entry,
    place: Place,
}

/// The paths in the order in which they are copied: large ones first, the others as they lie on the
/// medium.
fn order<'a>(source: &Source, registration: &'a Registration) -> Result<Vec<Item<'a>>> {
    let paths: Vec<_> = registration.entries().map(|(path, _)| path).collect();
    let places = source.find(&paths)?;
    let mut items: Vec<_> = registration
        .entries()
        .zip(places)
        .map(|((path, entry), place)| Item { path, entry, place })
        .collect();
    let large = |item: &Item| if item.entry.size < LARGE { 0 } else { item.entry.size };
    items.sort_by_key(|item| (std::cmp::Reverse(large(item)), item.place));
    Ok(items)
}

/// What each thread does.
fn each(
    source: &Source,
    work: &[Item],
    next: &AtomicUsize,
    store: &Store,
    shared: &Shared,
) -> Result<()> {
    let mut reader = source.reader()?;
    while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
        one(&mut reader, item, store, shared)
            .with_context(|| format!("cannot copy {}", item.path))?;
    }
    Ok(())
}

fn one(reader: &mut SourceReader, item: &Item, store: &Store, shared: &Shared) -> Result<()> {
    let mut checked = Checked::new(Writer::new(store), item.entry, shared);
    reader.walk(item.path, item.place, &mut checked)?;
    checked.finish()
}

/// Waits until the store's file system is on the disk. Nothing can interrupt that: after a cancel, a
/// thread is left that waits on.
fn sync(store: &Store, cancelled: &dyn Fn() -> bool) -> Result<()> {
    let folder = store.folder().try_clone_to_owned().context("cannot open the store again")?;
    let (ended, end) = channel();
    let thread = thread::Builder::new()
        .name("sync".to_owned())
        .spawn(move || {
            let result = rustix::fs::syncfs(&folder);
            drop(ended);
            result
        })
        .context("cannot start a thread")?;
    let mut stop = false;
    wait(&end, || {
        stop = cancelled();
        stop
    });
    if stop {
        return Err(Cancelled.into());
    }
    let result = thread.join().ok().context("waiting for the disk failed")?;
    result.with_context(|| format!("cannot write {} to the disk", store.path().display()))
}
