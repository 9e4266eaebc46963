//! Events → JSON lines on the virtio serial port `org.nixvm.events`, where the host opened one.

use std::fs::OpenOptions;
use std::io::Write;

use tokio::sync::broadcast::error::RecvError;

use crate::board::Board;

/// The port's device file, by its name on the host's side.
pub const PATH: &str = "/dev/virtio-ports/org.nixvm.events";

/// Writes every event from now on to the port, in a task of its own.
///
/// A host that does not read makes the writes wait, and nothing else.
pub fn follow(board: &Board) -> tokio::task::JoinHandle<()> {
    let mut records = board.records();
    let (send, lines) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        // udev may make the device file only after the first events.
        let mut port = None;
        for line in lines {
            if port.is_none() {
                port = OpenOptions::new().write(true).open(PATH).ok();
            }
            if let Some(file) = &mut port
                && file.write_all(line.as_bytes()).is_err()
            {
                port = None;
            }
        }
    });
    tokio::spawn(async move {
        loop {
            match records.recv().await {
                Ok(record) => {
                    let Ok(line) = serde_json::to_string(&record) else { continue };
                    if send.send(line + "\n").is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    })
}
