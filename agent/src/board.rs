//! Events, from wherever they happen → the status, and everybody who listens.
//!
//! Publishing never waits: a slow reader loses records (and can tell by their numbers), the install
//! does not lose time.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, watch};

use crate::event::{Event, Record, VERSION};
use crate::status::Status;

/// Records that a slow reader may be behind before it loses some.
const BACKLOG: usize = 4096;

/// Where events are published.
#[derive(Clone)]
pub struct Board {
    status: watch::Sender<Status>,
    records: broadcast::Sender<Record>,
    publisher: Arc<Mutex<Publisher>>,
}

/// What is told of every record, in order and before anybody else.
pub type Sink = Box<dyn FnMut(&Record) + Send>;

struct Publisher {
    sequence: u64,
    sinks: Vec<Sink>,
}

impl Board {
    /// A board that hands every record to `sinks`, which must not wait for anything.
    pub fn new(sinks: Vec<Sink>) -> Self {
        Self {
            status: watch::Sender::new(Status::default()),
            records: broadcast::Sender::new(BACKLOG),
            publisher: Arc::new(Mutex::new(Publisher { sequence: 0, sinks })),
        }
    }

    /// Publishes an event.
    pub fn publish(&self, event: Event) {
        // The lock keeps status, sinks and readers in one order; nothing under it can panic half-way
        // through a change that would matter.
        let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        publisher.sequence += 1;
        let record = Record {
            version: VERSION,
            sequence: publisher.sequence,
            uptime_ms: uptime_ms(),
            event,
        };
        self.status.send_modify(|status| status.apply(&record.event));
        for sink in &mut publisher.sinks {
            sink(&record);
        }
        let _nobody_listens = self.records.send(record);
    }

    /// The status, now and at each change.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The records from now on.
    pub fn records(&self) -> broadcast::Receiver<Record> {
        self.records.subscribe()
    }
}

/// Milliseconds since the machine was started, including while it was suspended.
pub fn uptime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) =
        (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1000 + nanoseconds / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::State;

    fn waiting() -> Event {
        Event::State { from: State::Preflight, to: State::WaitingForDisk, message: "m".into() }
    }

    #[test]
    fn status_sinks_and_readers_see_the_same() {
        let (send, seen) = std::sync::mpsc::channel();
        let board = Board::new(vec![Box::new(move |record| send.send(record.clone()).unwrap())]);
        let mut reader = board.records();
        board.publish(waiting());
        board.publish(Event::Countdown { seconds_left: 3 });
        let records = [reader.try_recv().unwrap(), reader.try_recv().unwrap()];
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), records);
        assert_eq!(records.map(|r| r.sequence), [1, 2]);
        let status = board.status().borrow().clone();
        assert_eq!((status.state, status.countdown), (State::WaitingForDisk, Some(3)));
    }

    #[test]
    fn a_reader_that_sleeps_stops_nobody_and_can_tell_what_it_missed() {
        let board = Board::new(Vec::new());
        let mut reader = board.records();
        for _ in 0..BACKLOG * 2 {
            board.publish(waiting());
        }
        assert!(matches!(reader.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
        assert!(reader.try_recv().unwrap().sequence > 1);
    }
}
