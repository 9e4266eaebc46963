//! Events → JSON lines on the virtio serial port `org.nixvm.events`, where the host opened one.

use std::fs::OpenOptions;
use std::io::Write;

use tokio::sync::broadcast::error::RecvError;

use crate::board::Board;
use crate::command::Runner;

/// The port's device file, by its name on the host's side.
pub const PATH: &str = "/dev/virtio-ports/org.nixvm.events";

/// Writes every event from now on to the port, in a task of its own.
///
/// The agent starts before udev has made the device file; what happens meanwhile is kept. A host that
/// does not read makes this task wait, and nothing else.
pub fn follow(board: &Board) {
    let mut records = board.records();
    tokio::spawn(async move {
        let runner = Runner::default();
        let appears = runner.tool("udevadm").args(["wait", "--timeout=60", PATH]).run().await;
        let opened = OpenOptions::new().write(true).open(PATH);
        let (Ok(_), Ok(mut port)) = (appears, opened) else {
            tracing::info!("the host opened no port {PATH}");
            return;
        };
        let (send, lines) = std::sync::mpsc::channel::<String>();
        tokio::task::spawn_blocking(move || {
            for line in lines {
                if let Err(error) = port.write_all(line.as_bytes()) {
                    tracing::warn!("the event port can't be written any more: {error}");
                    return;
                }
            }
        });
        loop {
            match records.recv().await {
                Ok(record) => {
                    let Ok(line) = serde_json::to_string(&record) else { continue };
                    if send.send(line + "\n").is_err() {
                        return;
                    }
                }
                // The reader can tell by the sequence numbers.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}
