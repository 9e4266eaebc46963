//! A method call → whether its sender may make it.
//!
//! The bus's policy file says the same. It can be missing, or the bus can be another one than
//! expected: what erases a disk does not depend on it.

use zbus::Connection;
use zbus::fdo::{self, ConnectionCredentials};
use zbus::message::Header;

/// Who may call methods.
#[derive(Clone, Copy)]
pub(super) struct Callers {
    /// The user.
    pub(super) uid: u32,
}

impl Callers {
    /// Only root.
    pub(super) const ROOT: Self = Self { uid: 0 };

    /// Lets only those pass who may call methods.
    ///
    /// # Errors
    /// [`fdo::Error::AccessDenied`]: somebody else, or nobody knows who.
    pub(super) async fn check(
        self,
        connection: &Connection,
        header: &Header<'_>,
    ) -> fdo::Result<()> {
        let why = match user(connection, header).await {
            Ok(Some(uid)) if uid == self.uid => return Ok(()),
            Ok(_) => "only root may steer the installer".to_owned(),
            Err(error) => format!("nobody can tell who asks: {error}"),
        };
        Err(fdo::Error::AccessDenied(why))
    }
}

/// The user at the other end: as the bus knows it, or the kernel where there is no bus between.
async fn user(connection: &Connection, header: &Header<'_>) -> zbus::Result<Option<u32>> {
    if !connection.is_bus() {
        return Ok(connection.peer_creds().await?.unix_user_id());
    }
    let sender = header.sender().ok_or(zbus::Error::MissingField)?;
    let reply = connection
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "GetConnectionCredentials",
            &sender,
        )
        .await?;
    Ok(reply.body().deserialize::<ConnectionCredentials>()?.unix_user_id())
}
