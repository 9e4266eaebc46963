//! The account's password and keys → the target's `/etc/shadow` and `authorized_keys`.
//!
//! The account itself is made by the system's activation, which `nixos-enter` runs. What is secret
//! goes from memory into a file and nowhere else.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nixvm_answers::{generated_password, hashing};

use super::Attempt;
use crate::command::Cancelled;
use crate::control::account::Account;
use crate::disk::layout;
use crate::event::{Event, PasswordOrigin};

/// How long the step waits for a password that is being typed.
const TYPING: Duration = Duration::from_secs(180);

/// Runs the step.
///
/// # Errors
/// The activation made no such account, or its files can't be written.
pub(super) async fn run(attempt: &Attempt) -> Result<()> {
    let root = Path::new(layout::MOUNT_POINT);
    // Entering activates the system, which makes its accounts.
    attempt
        .runner
        .tool("nixos-enter")
        .args(["--root", layout::MOUNT_POINT, "--command", "true"])
        .run()
        .await
        .context("the new system can't be entered")?;
    let username = &attempt.plan.configuration.username;
    let user = User::find(&root.join("etc/passwd"), username)?;
    wait_for_typing(attempt).await?;
    let account = with_some_password(attempt)?;
    let password = account.password.as_ref().context("the account has no password")?;
    let path = root.join("etc/shadow");
    let text = fs::read_to_string(&path).context("cannot read the target's /etc/shadow")?;
    // One may have been typed since an earlier attempt generated one.
    let expired = account.expired && account.origin == PasswordOrigin::Generated;
    let text = with_password(&text, username, password.reveal(), expired)
        .with_context(|| format!("the target's /etc/shadow has no {username}"))?;
    replace(&path, &text)?;
    if !account.keys.is_empty() {
        write_keys(root, &user, &account.keys)?;
    }
    Ok(())
}

/// Waits while a password is being typed, but not without end.
async fn wait_for_typing(attempt: &Attempt) -> Result<()> {
    let mut account = attempt.account.subscribe();
    let typed = tokio::time::timeout(TYPING, account.wait_for(|account| account.typing.is_empty()));
    tokio::select! {
        _too_late = typed => Ok(()),
        () = attempt.runner.cancellation().cancelled() => Err(Cancelled.into()),
    }
}

/// The account, with a password that is generated now if there is none.
fn with_some_password(attempt: &Attempt) -> Result<Account> {
    if attempt.account.borrow().password.is_none() {
        generate_password(attempt)?;
    }
    let account = attempt.account.borrow().clone();
    attempt.publisher.publish(Event::Password { origin: account.origin });
    Ok(account)
}

fn generate_password(attempt: &Attempt) -> Result<()> {
    let invalid = |invalid: nixvm_answers::Invalid| anyhow::anyhow!(invalid.message);
    let generated = generated_password::generate().map_err(invalid)?;
    let hash = hashing::hash(&generated).map_err(invalid)?;
    // One may have been typed at this very moment: decided in one place, under one lock.
    attempt.account.send_if_modified(|account| {
        let missing = account.password.is_none();
        if missing {
            account.password = Some(hash);
            account.generated = Some(generated);
            // A password that a screen showed has to be changed, where the login can ask for that.
            account.expired = !attempt.manifest.graphical_login;
            account.origin = PasswordOrigin::Generated;
        }
        missing
    });
    Ok(())
}

/// A line of passwd(5).
struct User {
    uid: u32,
    gid: u32,
    home: String,
}

impl User {
    fn find(passwd: &Path, name: &str) -> Result<Self> {
        let text = fs::read_to_string(passwd)
            .context("the new system has no /etc/passwd after activation")?;
        text.lines()
            .find_map(|line| {
                let fields: Vec<_> = line.split(':').collect();
                let [login, _, uid, gid, _, home, _] = fields[..] else { return None };
                let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
                (login == name).then(|| Self { uid, gid, home: home.to_owned() })
            })
            .with_context(|| format!("the new system's activation made no account {name}"))
    }
}

/// The text of shadow(5) with another password for `name`; None if it has no such account.
///
/// A last change at day 0 makes login(1) ask for a new password.
fn with_password(shadow: &str, name: &str, hash: &str, expired: bool) -> Option<String> {
    let mut found = false;
    let lines: Vec<_> = shadow
        .lines()
        .map(|line| {
            let mut fields: Vec<_> = line.split(':').collect();
            if fields.first() != Some(&name) || fields.len() < 3 {
                return line.to_owned();
            }
            found = true;
            fields[1] = hash;
            if expired {
                fields[2] = "0";
            } else if matches!(fields[2], "" | "0") {
                fields[2] = "1";
            }
            fields.join(":")
        })
        .collect();
    found.then(|| lines.join("\n") + "\n")
}

/// Replaces a file by one with the same owner and mode, at once.
fn replace(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let about = || format!("cannot write {}", path.display());
    let old = path.metadata().with_context(about)?;
    let fresh = path.with_extension("nixvm");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(about)?;
    file.write_all(text.as_bytes()).with_context(about)?;
    chown(&fresh, Some(old.uid()), Some(old.gid())).with_context(about)?;
    fs::set_permissions(&fresh, old.permissions()).with_context(about)?;
    file.sync_all().with_context(about)?;
    fs::rename(&fresh, path).with_context(about)
}

fn write_keys(root: &Path, user: &User, keys: &[String]) -> Result<()> {
    let home = root.join(user.home.trim_start_matches('/'));
    let about = || format!("cannot write the account's SSH keys below {}", home.display());
    ensure!(home.starts_with(root), "the account's home is outside the system");
    let folder = home.join(".ssh");
    for (path, mode) in [(&home, 0o700), (&folder, 0o700)] {
        if !path.exists() {
            fs::DirBuilder::new().recursive(true).mode(mode).create(path).with_context(about)?;
            chown(path, Some(user.uid), Some(user.gid)).with_context(about)?;
        }
    }
    let file = folder.join("authorized_keys");
    fs::write(&file, keys.join("\n") + "\n").with_context(about)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).with_context(about)?;
    chown(&file, Some(user.uid), Some(user.gid)).with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHADOW: &str = "root:!:1::::::\nht:!:19000:0:99999:7:::\nhtx:!:1::::::\n";

    #[test]
    fn only_the_named_account_changes() {
        let text = with_password(SHADOW, "ht", "$6$x", false).unwrap();
        assert_eq!(text, SHADOW.replace("ht:!:", "ht:$6$x:"));
        assert_eq!(with_password(SHADOW, "nobody", "$6$x", false), None);
    }

    #[test]
    fn a_made_up_password_has_to_be_changed() {
        let text = with_password(SHADOW, "ht", "$6$x", true).unwrap();
        assert!(text.contains("\nht:$6$x:0:0:99999:7:::\n"));
        let given = with_password(&text, "ht", "$6$y", false).unwrap();
        assert!(given.contains("\nht:$6$y:1:0:99999:7:::\n"), "{given}");
    }

    #[test]
    fn a_file_is_replaced_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shadow");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
