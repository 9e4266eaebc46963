//! What consoles and programs hand to a running install: requests to the session, with their replies, the
//! account's secrets, and the passphrase of an encrypted disk.

pub mod account;
pub mod passphrase;
pub mod request;
