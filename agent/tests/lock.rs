//! `nixvm-agent run` beside another one, as processes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A `/run` of its own, a process that holds the lock and says its PID, and the agent: with the lock
/// held, and after the holder was killed.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/nixvm
sh -c 'echo $$ > /run/nixvm/lock; echo $$; exec flock --no-fork /run/nixvm/lock sleep 60' &
read -r _ready
"$1" run 2>&1 || echo "exit $?"
echo --
kill -KILL $!
wait $! 2>/dev/null || true
"$1" run 2>&1 || echo "exit $?"
"#;

#[test]
fn second_installer_is_refused_until_the_first_is_dead() {
    let tools = ["unshare", "flock"];
    let has = |tool: &&str| Command::new(tool).arg("--version").output().is_ok();
    if !rustix::process::geteuid().is_root() || !tools.iter().all(has) {
        let line = "\nSKIPPED the second installer: it takes root, unshare and flock\n";
        let _closed = std::io::stderr().write_all(line.as_bytes());
        return;
    }
    let mut child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"])
        .arg(env!("CARGO_BIN_EXE_nixvm-agent"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let holder = lines.next().unwrap();
    // The lock is taken a moment after the PID is said.
    let locked = || {
        let text = std::fs::read_to_string("/proc/locks").unwrap();
        text.lines().any(|line| {
            line.contains("FLOCK") && line.split_whitespace().any(|field| field == holder)
        })
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !locked() {
        assert!(Instant::now() < deadline, "flock takes no lock");
        std::thread::yield_now();
    }
    writeln!(child.stdin.take().unwrap(), "ready").unwrap();
    let said: Vec<_> = lines.collect();
    assert!(child.wait().unwrap().success(), "{said:?}");
    let (beside, after) = said.split_at(said.iter().position(|line| line == "--").unwrap());
    assert!(beside[0].contains(&format!("with PID {holder}:")), "{beside:?}");
    assert_eq!(beside.last().unwrap(), "exit 1");
    // It gets further, and finds that this is no ISO.
    assert!(!after.concat().contains("another installer"), "{after:?}");
}
