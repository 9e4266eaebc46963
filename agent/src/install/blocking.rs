//! Work that waits long for a disk → the same in a thread, so that a disk which does not answer holds
//! up neither a cancel nor anything else. What only opens a file, or writes a few, is not worth one.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use crate::command::Cancelled;

/// How long work has, after a cancel, to come to a place where it can end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `work` in a thread. It gets the token to look at between its parts.
///
/// # Errors
/// The work's own; or [`Cancelled`]: the thread may then still wait for the disk, and keeps what it has
/// open. It writes no more than what it waits for, if the work looks at the token before each write.
pub(super) async fn blocking<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
) -> Result<T> {
    blocking_for(PATIENCE, cancel, work).await
}

async fn blocking_for<T: Send + 'static>(
    patience: Duration,
    cancel: &CancellationToken,
    work: impl FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
) -> Result<T> {
    let token = cancel.clone();
    let mut thread = tokio::task::spawn_blocking(move || work(&token));
    let ended = tokio::select! {
        ended = &mut thread => ended,
        () = cancel.cancelled() => match tokio::time::timeout(patience, thread).await {
            Ok(ended) => ended,
            Err(_) => return Err(Cancelled.into()),
        },
    };
    ended.context("a thread of the install failed")?
}

/// Stops work that is cancelled.
///
/// # Errors
/// [`Cancelled`].
pub(super) fn go_on(cancel: &CancellationToken) -> Result<()> {
    if cancel.is_cancelled() { Err(Cancelled.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_cancel_does_not_wait_for_work_that_never_ends() {
        let cancel = CancellationToken::new();
        let (answer, disk) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let work = blocking_for(Duration::from_millis(10), &cancel, move |_| {
            begun.send(()).ok();
            disk.recv().ok();
            Ok(())
        });
        let cancelled = async {
            begins.await.unwrap();
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(work, cancelled);
        assert!(result.unwrap_err().is::<Cancelled>());
        // It still waits.
        answer.send(()).unwrap();
    }

    #[tokio::test]
    async fn work_that_looks_at_the_token_ends_by_itself() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let result: Result<()> = blocking(&cancel, |cancel| {
            loop {
                go_on(cancel)?;
            }
        })
        .await;
        assert!(result.unwrap_err().is::<Cancelled>());
        assert_eq!(blocking(&CancellationToken::new(), |_| Ok(7)).await.unwrap(), 7);
    }
}
