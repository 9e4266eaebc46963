//! An answers file → what `nixvm-agent check-answers` says of it.

use std::path::Path;

use nixvm_answers::{Problems, document};

/// What an answers file says, as an answers file without its secret.
///
/// # Errors
/// All that is wrong with it, for the terminal.
pub fn check_answers(file: &Path) -> Result<String, Problems> {
    document::check(file)
}
