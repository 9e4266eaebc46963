//! The status and its changes → D-Bus, and method calls → requests.
//!
//! Served on the system bus as [`NAME`]: [`installer`] is the one object, [`disk`] one for each disk,
//! [`changes`] sends the signals. The install never waits for any of it. Without a bus, or with one
//! that restarts, the installer goes on and the interface comes back by itself.

mod caller;
mod changes;
mod disk;
mod error;
mod installer;
mod options;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use zbus::connection::Builder;
use zbus::fdo::{ObjectManager, RequestNameFlags, RequestNameReply};
use zbus::{Address, Connection, ObjectPath};

use crate::control::request::InstallerHandle;
use crate::event::Status;
use crate::event::publisher::{Publisher, Reader};
use caller::Callers;
use installer::Installer;

pub use disk::path_of;

/// The well-known name.
pub const NAME: &str = "org.nixvm.Installer1";

/// The object.
pub const PATH: ObjectPath<'static> =
    ObjectPath::from_static_str_unchecked("/org/nixvm/Installer1");

/// Where the system's bus is (D-Bus specification, "System message bus"; in /run since systemd 209).
const SOCKET: &str = "unix:path=/run/dbus/system_bus_socket";

/// How long the bus may take to answer; a daemon that hangs is tried again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two tries to reach the bus.
const PAUSE: Duration = Duration::from_secs(1);

/// Which bus.
#[derive(Clone, Debug)]
pub enum Bus {
    /// The system's.
    System,
    /// The one at this address, of which only tests know.
    At(Address),
}

impl Bus {
    /// Begins a connection.
    pub fn builder(&self) -> Builder<'static> {
        match self {
            // zbus looks in /var/run, which need not lead to /run yet when the agent starts.
            Self::System if std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_none() => {
                Builder::address(SOCKET)
            }
            Self::System => Builder::system(),
            Self::At(address) => Builder::address(address.clone()),
        }
    }
}

/// Serves the interface, in a task of its own, for as long as the process lives.
pub fn serve(bus: Bus, publisher: &Publisher, handle: InstallerHandle) {
    let service = Service::new(publisher, handle, Callers::ROOT);
    tokio::spawn(service.run(bus));
}

struct Service {
    status: watch::Receiver<Status>,
    reader: Reader,
    /// What the properties say. Behind the publisher by what has not been signalled yet, so that no client
    /// reads a value and then hears of an older one.
    shown: watch::Sender<Status>,
    handle: InstallerHandle,
    callers: Callers,
}

impl Service {
    fn new(publisher: &Publisher, handle: InstallerHandle, callers: Callers) -> Self {
        Self {
            status: publisher.status(),
            reader: publisher.reader(),
            shown: watch::Sender::new(Status::default()),
            handle,
            callers,
        }
    }

    async fn run(mut self, bus: Bus) {
        let mut reported = String::new();
        loop {
            let why = match self.session(&bus).await {
                Ok(()) => return,
                Err(error) => format!("{error:#}"),
            };
            // Once for each reason, not once for each try.
            if why != reported {
                tracing::warn!("not on D-Bus: {why}; the install goes on");
                reported = why;
            }
            if self.meanwhile(tokio::time::sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }

    /// Serves until the connection is lost. Ok: the publisher is gone.
    async fn session(&mut self, bus: &Bus) -> Result<()> {
        let builder = self.objects(bus.builder().method_timeout(PATIENCE));
        let connecting = async {
            tokio::time::timeout(PATIENCE, builder.build())
                .await
                .context("the bus does not answer")?
                .context("the bus can't be reached")
        };
        let Some(connection) = self.meanwhile(connecting).await else { return Ok(()) };
        let connection = connection?;
        let disks = self.catch_up(&connection).await?;
        take_name(&connection).await?;
        self.follow(&connection, disks).await
    }

    /// Shows what is known now; records of what led there are not told any more.
    async fn catch_up(&self, connection: &Connection) -> Result<changes::Disks> {
        let now = self.status.borrow().clone();
        let mut disks = changes::Disks::default();
        disks.follow(connection, &now.disks).await?;
        self.shown.send_replace(now);
        Ok(disks)
    }

    /// The objects that are always there.
    fn objects<'a>(&self, builder: Builder<'a>) -> Builder<'a> {
        let (published, shown) = (self.status.clone(), self.shown.subscribe());
        builder
            .serve_at(PATH, Installer::new(published, shown, self.handle.clone(), self.callers))
            .serve_at(PATH, ObjectManager)
    }

    /// Waits for something while no client is connected. None: the publisher is gone.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                value = &mut future => return Some(value),
                record = self.reader.next() => record.map(drop)?,
            }
        }
    }
}

/// Takes the name, or waits in line for it: another agent that has it may end.
async fn take_name(connection: &Connection) -> Result<()> {
    let reply = connection
        .request_name_with_flags(NAME, RequestNameFlags::empty())
        .await
        .with_context(|| format!("the name {NAME} can't be had"))?;
    if reply == RequestNameReply::InQueue {
        tracing::warn!("another program owns {NAME}; it is taken over when that one ends");
    }
    Ok(())
}

/// A text as D-Bus can carry it: all but the character 0.
fn text(text: &str) -> String {
    text.replace('\0', "")
}
