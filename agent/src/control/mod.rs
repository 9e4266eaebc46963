//! What consoles and programs hand to a running install: requests to the session, with their replies,
//! and the account's secrets.

pub mod account;
pub mod request;
