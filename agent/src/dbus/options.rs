//! The `a{sv}` at the end of a method's arguments → what is asked for by it.
//!
//! Methods can't be given more arguments later; options can be added. One that is not known is refused,
//! so that a client never takes an older agent for one that has followed it.

use std::collections::HashMap;

use zbus::OwnedVariant;
use zbus::fdo;

/// Options by name.
pub(super) type Options = HashMap<String, OwnedVariant>;

/// Of a method that knows no options.
///
/// # Errors
/// [`fdo::Error::InvalidArgs`]: there is one.
pub(super) fn none(options: &Options) -> fdo::Result<()> {
    known(options, &[])
}

/// Whether `merge` is set.
///
/// # Errors
/// [`fdo::Error::InvalidArgs`]: it is no boolean, or there is another option.
pub(super) fn merge(options: &Options) -> fdo::Result<bool> {
    known(options, &["merge"])?;
    let Some(value) = options.get("merge") else { return Ok(false) };
    bool::try_from(value)
        .map_err(|_| fdo::Error::InvalidArgs("the option merge is not a boolean".to_owned()))
}

fn known(options: &Options, names: &[&str]) -> fdo::Result<()> {
    match options.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(fdo::Error::InvalidArgs(format!("unknown option {name:?}"))),
    }
}
