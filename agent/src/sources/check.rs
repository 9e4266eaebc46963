//! An answers file → the output of `nixvm-agent check-answers`.

use std::path::Path;

use nixvm_answers::{Problems, document};

/// The answers in a file, as an answers file without secrets; `-` is standard input.
///
/// # Errors
/// All that is wrong with it, for the terminal.
pub fn check_answers(file: &Path) -> Result<String, Problems> {
    document::check(file)
}
