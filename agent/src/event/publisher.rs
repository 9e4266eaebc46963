//! Events, from wherever they happen → the status, and everybody who listens.
//!
//! Publishing never waits: a slow reader loses records (and can tell by their numbers), the install
//! does not lose time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::event::Status;
use crate::event::{Event, Record, VERSION};
use crate::format::clock::{now_utc, uptime_ms};

/// Records that a slow reader may be behind before it loses some.
const BACKLOG: usize = 4096;

/// Where events are published.
#[derive(Clone)]
pub struct Publisher {
    status: watch::Sender<Status>,
    records: broadcast::Sender<Record>,
    inner: Arc<Mutex<Inner>>,
}

/// Called with every record, in order and before any reader, on the thread that publishes. The sinks
/// that may wait (`crate::sinks`) read through [`Publisher::reader`] instead.
pub type Callback = Box<dyn FnMut(&Record) + Send>;

struct Inner {
    sequence: u64,
    callbacks: Vec<Callback>,
    /// How far each [`Reader`] is.
    readers: Vec<watch::Receiver<u64>>,
}

impl Publisher {
    /// A publisher that hands every record to `callbacks`, which must not wait for anything.
    pub fn new(callbacks: Vec<Callback>) -> Self {
        let inner = Inner { sequence: 0, callbacks, readers: Vec::new() };
        Self {
            status: watch::Sender::new(Status::default()),
            records: broadcast::Sender::new(BACKLOG),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Publishes an event.
    pub fn publish(&self, event: Event) {
        self.publish_all([event]);
    }

    /// Publishes events of which no status shows only some.
    pub fn publish_all(&self, events: impl IntoIterator<Item = Event>) {
        // The lock keeps status, callbacks and readers in one order; nothing under it can panic half-way
        // through a change that would matter.
        let mut inner = self.lock();
        let records: Vec<_> = events
            .into_iter()
            .map(|event| {
                inner.sequence += 1;
                let (sequence, uptime_ms) = (inner.sequence, uptime_ms());
                Record { version: VERSION, sequence, uptime_ms, time: now_utc(), event }
            })
            .collect();
        if records.is_empty() {
            return;
        }
        self.status.send_modify(|status| records.iter().for_each(|record| status.take(record)));
        for record in records {
            for callback in &mut inner.callbacks {
                callback(&record);
            }
            let _no_receivers = self.records.send(record);
        }
    }

    /// The status, now and at each change.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The records from now on.
    pub fn records(&self) -> broadcast::Receiver<Record> {
        self.records.subscribe()
    }

    /// The records from now on, for a sink outside the process: [`Publisher::drained`] waits for
    /// it.
    pub fn reader(&self) -> Reader {
        let mut inner = self.lock();
        let done = watch::Sender::new(inner.sequence);
        inner.readers.push(done.subscribe());
        Reader { records: self.records(), last: inner.sequence, done }
    }

    /// Waits until every [`Reader`] has dealt with all records so far, but not for longer than
    /// `limit`. Returns whether they have.
    pub async fn drained(&self, limit: Duration) -> bool {
        let (sequence, readers) = {
            let inner = self.lock();
            (inner.sequence, inner.readers.clone())
        };
        let all = async {
            for mut reader in readers {
                // One that is gone is waited for no longer.
                let _gone = reader.wait_for(|done| *done >= sequence).await;
            }
        };
        tokio::time::timeout(limit, all).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A receiver of records whose progress is known: a sink outside the process.
pub struct Reader {
    records: broadcast::Receiver<Record>,
    last: u64,
    done: watch::Sender<u64>,
}

impl Reader {
    /// The next record; asking for it says that the one before has been dealt with. Records that came
    /// too fast are passed over. None: the publisher is gone.
    ///
    /// Nothing is lost if this is dropped before it is done.
    pub async fn next(&mut self) -> Option<Record> {
        self.done.send_replace(self.last);
        loop {
            let received = self.records.recv().await;
            if let Some(answer) = self.answer(received) {
                return answer;
            }
        }
    }

    /// Does something during which [`Publisher::drained`] need not wait for this reader: there is no place where it
    /// could carry a record.
    pub fn without_ack<T>(&self, work: impl FnOnce() -> T) -> T {
        self.done.send_replace(u64::MAX);
        let value = work();
        self.done.send_replace(self.last.saturating_sub(1));
        value
    }

    /// [`Reader::next`] for a thread of its own.
    pub fn blocking_next(&mut self) -> Option<Record> {
        self.done.send_replace(self.last);
        loop {
            let received = self.records.blocking_recv();
            if let Some(answer) = self.answer(received) {
                return answer;
            }
        }
    }

    fn answer(&mut self, received: Result<Record, RecvError>) -> Option<Option<Record>> {
        match received {
            Ok(record) => {
                self.last = record.sequence;
                Some(Some(record))
            }
            // Whoever reads it can tell by the numbers.
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::State;

    fn waiting() -> Event {
        Event::State { from: State::Preflight, to: State::WaitingForDisk, message: "m".into() }
    }

    #[test]
    fn status_callbacks_and_readers_see_the_same() {
        let (send, seen) = std::sync::mpsc::channel();
        let publisher =
            Publisher::new(vec![Box::new(move |record| send.send(record.clone()).unwrap())]);
        let mut reader = publisher.records();
        publisher.publish(waiting());
        publisher.publish(Event::Countdown { seconds_left: 3 });
        let records = [reader.try_recv().unwrap(), reader.try_recv().unwrap()];
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), records);
        assert_eq!(records.map(|r| r.sequence), [1, 2]);
        let status = publisher.status().borrow().clone();
        assert_eq!((status.state, status.countdown), (State::WaitingForDisk, Some(3)));
    }

    #[test]
    fn what_belongs_together_is_seen_together() {
        let publisher = Publisher::new(Vec::new());
        let mut status = publisher.status();
        publisher.publish_all([waiting(), Event::Countdown { seconds_left: 3 }]);
        let seen = status.borrow_and_update();
        assert_eq!((seen.state, seen.countdown), (State::WaitingForDisk, Some(3)));
        assert_eq!(seen.sequence, 2);
    }

    #[tokio::test]
    async fn readers_are_waited_for_but_not_for_ever() {
        let publisher = Publisher::new(Vec::new());
        publisher.publish(waiting());
        let mut reader = publisher.reader();
        assert!(publisher.drained(Duration::from_secs(60)).await, "nothing has come since");
        publisher.publish(waiting());
        assert!(!publisher.drained(Duration::ZERO).await, "it has not looked");
        assert_eq!(reader.next().await.map(|record| record.sequence), Some(2));
        assert!(!publisher.drained(Duration::ZERO).await, "it may not be done with it");
        let waiting = publisher.drained(Duration::from_secs(60));
        let (drained, _) = tokio::join!(waiting, async {
            tokio::time::timeout(Duration::from_millis(1), reader.next()).await
        });
        assert!(drained);
        publisher.publish(Event::Countdown { seconds_left: 3 });
        let done = reader.without_ack(|| *publisher.lock().readers[0].borrow());
        assert_eq!(done, u64::MAX, "it has nowhere to go");
        assert!(!publisher.drained(Duration::ZERO).await, "it has again");
        drop(reader);
        assert!(publisher.drained(Duration::from_secs(60)).await, "it is gone");
    }

    #[test]
    fn a_slow_reader_delays_nothing_and_sees_the_gap_in_the_numbers() {
        let publisher = Publisher::new(Vec::new());
        let mut reader = publisher.records();
        for _ in 0..BACKLOG * 2 {
            publisher.publish(waiting());
        }
        assert!(matches!(reader.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
        assert!(reader.try_recv().unwrap().sequence > 1);
    }
}
