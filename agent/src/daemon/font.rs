//! The console's size → its font at twice the size, where letters would be too small to read.
//!
//! A kernel with several fonts takes a larger one by itself, from about 2560x1440 dots on. One with the
//! usual font alone, or a screen of 1920x1080, is left with letters of 8x16 dots.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::termios::tcgetwinsize;

use crate::command::Runner;

/// The console's font, while it is read and set again.
const FILE: &str = "/run/nixvm/font.psf";

/// Columns and lines from which on letters are small: half of them are still plenty.
const LARGE: (u16, u16) = (200, 60);

/// Doubles the font of a console that has very many columns. A failure is of no account: the screen
/// can be read as it is.
pub(super) async fn enlarge(console: &Path) {
    match is_large(console) {
        Ok(false) => {}
        Ok(true) => {
            if let Err(error) = double(console).await {
                tracing::info!("the font of {} stays as it is: {error:#}", console.display());
            }
        }
        Err(error) => tracing::info!("the font stays as it is: {error:#}"),
    }
}

fn is_large(console: &Path) -> Result<bool> {
    let size = File::open(console)
        .map_err(anyhow::Error::from)
        .and_then(|file| Ok(tcgetwinsize(&file)?))
        .with_context(|| format!("cannot read the size of {}", console.display()))?;
    Ok(size.ws_col >= LARGE.0 && size.ws_row >= LARGE.1)
}

/// The font that is there is read first: which font files there are differs between systems.
async fn double(console: &Path) -> Result<()> {
    let runner = Runner::default();
    let setfont = || runner.tool("setfont").arg("--console").arg(console);
    setfont().args(["-O", FILE]).run().await?;
    setfont().args(["-d", FILE]).run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_has_no_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = format!("{:#}", is_large(file.path()).unwrap_err());
        assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
    }
}
