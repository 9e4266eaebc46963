//! Any bytes, as an answers file, as a kernel command line and as an answers area.
//!
//! `cargo +nightly fuzz run answers -- -max_total_time=600` in agent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nixvm_answers::{Problems, Source, SourceAnswers, area, command_line, document};

fuzz_target!(|bytes: &[u8]| {
    check(document::parse(bytes, Source::Iso), bytes);
    let text = String::from_utf8_lossy(bytes);
    check(command_line::parse(&text), text.as_bytes());
    if let Ok(text) = area::decode(bytes) {
        assert_eq!(area::encode(text).as_deref(), Ok(bytes));
    }
});

/// What is taken shows no secret; what is refused says why, where, and in printable signs.
fn check(result: Result<SourceAnswers, Problems>, bytes: &[u8]) {
    match result {
        Ok(given) => {
            let shown = format!("{given:?} {}", serde_json::to_string(&given.answers).unwrap());
            if let Some(hash) = &given.answers.password_hash {
                assert!(!shown.contains(hash.reveal()));
            }
            if let Some(rule) = &given.answers.disk {
                assert!(!rule.is_empty());
            }
        }
        Err(problems) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(problems.iter().count() > 0);
            for problem in &problems {
                assert!(!problem.message.is_empty());
                let said =
                    problem.message.chars().chain(problem.hint.iter().flat_map(|h| h.chars()));
                assert!(!said.into_iter().any(char::is_control), "{problem}");
                if let Some(position) = problem.position {
                    assert!(position.column >= 1 && (1..=lines).contains(&position.line));
                }
            }
        }
    }
}
