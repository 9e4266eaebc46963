//! Any bytes, as `user-data`, `meta-data` and `network-config` of cloud-init's NoCloud.
//!
//! `cargo +nightly fuzz run nocloud -- -max_total_time=600` in agent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nixvm_answers::{Answers, Problems, SourceAnswers, nocloud};

fuzz_target!(|bytes: &[u8]| {
    check(nocloud::user_data(bytes, "/dev/sr0"), bytes);
    // Most inputs lack the first line.
    let config = [b"#cloud-config\n", bytes].concat();
    check(nocloud::user_data(&config, "/dev/sr0"), &config);
    check(nocloud::meta_data(bytes, "/dev/sr0"), bytes);
    for start in [&b""[..], b"version: 1\nconfig: ", b"version: 2\nethernets: "] {
        let config = [start, bytes].concat();
        check(nocloud::network_config(&config, "/dev/sr0"), &config);
    }
});

/// What is taken says nothing of disks and shows no secret; what is refused says why, where, and in
/// printable signs.
fn check(result: Result<SourceAnswers, Problems>, bytes: &[u8]) {
    match result {
        Ok(given) => {
            let shown = format!("{given:?} {}", serde_json::to_string(&given.answers).unwrap());
            if let Some(hash) = &given.answers.password_hash {
                assert!(!shown.contains(hash.reveal()) || given.ignored.concat().contains('$'));
            }
            assert!(!given.ignored.concat().contains(char::is_control));
            let Answers { disk, erase, countdown, finish, network, .. } = given.answers;
            assert!(disk.is_none() && erase.is_none() && countdown.is_none());
            assert!(finish.is_none() && network.is_none_or(|network| network.policy.is_none()));
        }
        Err(problems) => {
            let lines = String::from_utf8_lossy(bytes).split(['\n', '\r']).count();
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
