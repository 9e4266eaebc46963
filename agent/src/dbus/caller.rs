//! A method call → whether its sender may make it.
//!
//! This is the only check: the bus's policy lets every user call, so that what is allowed to whom can
//! become finer here without a change of the policy.

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
    /// [`fdo::Error::AccessDenied`]: the caller is another user, or unknown.
    pub(super) async fn check(
        self,
        connection: &Connection,
        header: &Header<'_>,
    ) -> fdo::Result<()> {
        let why = match user(connection, header).await {
            Ok(Some(uid)) if uid == self.uid => return Ok(()),
            Ok(_) => "only root may control the installer".to_owned(),
            Err(error) => format!("the caller's identity is unknown: {error}"),
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
