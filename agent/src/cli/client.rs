//! A connection to the running installer.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use zbus::fdo;
use zbus::proxy::CacheProperties;
use zbus::{Connection, ObjectPath, Variant, proxy};

use super::code::{Code, Failure};
use crate::dbus;
use crate::event::Status;
use crate::event::{Record, State};

/// Longer than the installer takes to look at all disks, which is what a request may wait for.
const PATIENCE: Duration = Duration::from_secs(150);

/// Reading waits for nothing.
const READING: Duration = Duration::from_secs(10);

/// What is said of an installer that hangs.
const SILENT: &str = "the installer does not answer";

/// A method's options by name.
pub(super) type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// `org.nixvm.Installer1`, as far as the client uses it.
#[proxy(
    interface = "org.nixvm.Installer1",
    default_service = "org.nixvm.Installer1",
    default_path = "/org/nixvm/Installer1"
)]
pub(super) trait Installer {
    fn select_disk(&self, disk: &ObjectPath<'_>, options: Options<'_>) -> zbus::Result<()>;
    fn set_answers(&self, toml: &str, options: Options<'_>) -> zbus::Result<()>;
    fn confirm(&self, token: &str, options: Options<'_>) -> zbus::Result<()>;
    fn cancel(&self) -> zbus::Result<()>;
    fn retry(&self) -> zbus::Result<()>;
    fn finish(&self, action: &str, options: Options<'_>) -> zbus::Result<()>;
    #[zbus(signal)]
    fn event(&self, json: String) -> zbus::Result<()>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn snapshot(&self) -> zbus::Result<String>;
}

/// A connection to the running installer.
pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) installer: InstallerProxy<'static>,
}

/// What the installer knows, and the line that said so.
pub(super) struct Snapshot {
    pub(super) json: String,
    pub(super) record: Record,
    pub(super) status: Status,
}

impl Client {
    /// Connects to the system bus.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn connect() -> Result<Self> {
        let builder = dbus::Bus::System.builder().method_timeout(PATIENCE);
        let connection = builder.build().await.map_err(|error| {
            Failure::new(Code::Unreachable, format!("the system bus can't be reached: {error}"))
        })?;
        let installer = InstallerProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .map_err(explain)?;
        Ok(Self { connection, installer })
    }

    /// All that the installer knows now.
    ///
    /// # Errors
    /// There is no installer.
    pub(super) async fn snapshot(&self) -> Result<Snapshot> {
        let silent = || Failure::new(Code::Unreachable, SILENT);
        let json = tokio::time::timeout(READING, self.installer.snapshot());
        let json = json.await.map_err(|_| silent())?.map_err(explain)?;
        let record: Record =
            serde_json::from_str(&json).context("the installer is of another version")?;
        let mut status = Status::default();
        status.take(&record);
        Ok(Snapshot { json, record, status })
    }
}

impl Client {
    /// All that the installer knows, once it is known what follows: as long as the installer finds
    /// something out, that is awaited.
    ///
    /// # Errors
    /// There is no installer.
    pub(super) async fn decided(&self) -> Result<Snapshot> {
        // First listen, then look.
        let mut events = self.installer.receive_event().await.map_err(explain)?;
        let decided = async {
            loop {
                let now = self.snapshot().await?;
                let status = &now.status;
                let undecided = status.state == State::Preflight
                    // The plan is the next record.
                    || (status.state.can_confirm() && status.token.is_empty());
                if !undecided || events.next().await.is_none() {
                    return Ok(now);
                }
            }
        };
        match tokio::time::timeout(PATIENCE, decided).await {
            Ok(snapshot) => snapshot,
            Err(_) => self.snapshot().await,
        }
    }
}

impl Snapshot {
    /// The end of the last attempt as a record, unless something else has begun since.
    pub(super) fn attempt_ended(&self) -> Option<Record> {
        let event = self.status.attempt_ended()?;
        Some(Record { event, ..self.record.clone() })
    }
}

/// What D-Bus says, for people.
pub(super) fn explain(error: zbus::Error) -> anyhow::Error {
    let failure = match &error {
        zbus::Error::MethodError(name, Some(message), _) if name.starts_with(dbus::NAME) => {
            Failure::new(Code::RequestRefused, message)
        }
        zbus::Error::FDO(fdo) => match &**fdo {
            fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => Failure::new(
                Code::Unreachable,
                "the installer is not running; `systemctl status nixvm-agent` says why",
            ),
            fdo::Error::AccessDenied(_) => {
                Failure::new(Code::PermissionDenied, "only root may control the installer")
            }
            fdo::Error::InvalidArgs(message) => Failure::new(Code::RequestRefused, message),
            fdo::Error::NoReply(_) | fdo::Error::Disconnected(_) => {
                Failure::new(Code::Unreachable, SILENT)
            }
            other => Failure::new(Code::Failed, other.to_string()),
        },
        zbus::Error::InputOutput(io) if io.kind() == std::io::ErrorKind::TimedOut => {
            Failure::new(Code::Unreachable, SILENT)
        }
        other => Failure::new(Code::Unreachable, format!("the bus can't be reached: {other}")),
    };
    failure.into()
}
