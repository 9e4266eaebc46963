//! Lines of `authorized_keys` → whether a running sshd accepts the key of each.
//!
//! Each line has a key of its own, and a client offers them all: sshd answers an offer before the
//! client has to sign anything, so no private keys are needed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nixvm_answers::ssh::AuthorizedKey;

use crate::skipped;

const SSHD: &str = "/usr/sbin/sshd";

/// Identities that a client offers in one connection, OpenSSH's `SSH_MAX_IDENTITY_FILES`.
const AT_ONCE: usize = 100;

/// Stands for the line's own key: its type and its base 64.
const KEY: &str = "KEY";

/// Options and forms that sshd takes or refuses; [`KEY`] is the key.
const LINES: &str = include_str!("sshd-lines.txt");

/// Lines that sshd takes, and which are refused all the same, with the reason.
const REFUSED_ON_PURPOSE: &[&str] = &[
    // The second key would be lost without a word.
    "KEY KEY",
    "KEY ada@mac KEY",
    "KEY ada@mac ssh-ed25519 AAAA",
];

/// Bits of RSA keys that OpenSSH's client does not even read, by the code that its server uses.
const TOO_SHORT: [usize; 2] = [768, 1023];

struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A string of RFC 4251: its length and its bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

fn encoded(kind: &str, fields: &[&[u8]]) -> String {
    let blob: Vec<u8> =
        std::iter::once(kind.as_bytes()).chain(fields.iter().copied()).flat_map(string).collect();
    format!("{kind} {}", STANDARD.encode(blob))
}

/// A key of which there is no private half: every 32 bytes pass for a public key.
fn ed25519(number: usize) -> String {
    let halves = [number % 251 + 1, number / 251].map(|half| u8::try_from(half).unwrap());
    encoded("ssh-ed25519", &[&halves.repeat(16)])
}

/// An RSA key with a modulus of `bits`.
fn rsa(bits: usize) -> String {
    let mut modulus = vec![0x5a; bits.div_ceil(8)];
    modulus[0] = 1 << ((bits - 1) % 8);
    *modulus.last_mut().unwrap() |= 1;
    if modulus[0] & 0x80 != 0 {
        modulus.insert(0, 0);
    }
    encoded("ssh-rsa", &[&[1, 0, 1], &modulus])
}

fn start(folder: &Path, keys: &Path) -> Option<Server> {
    let host_key = folder.join("host");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&host_key)
        .stdin(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success()).then_some(())?;
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    // Free a moment ago: sshd can't be handed a socket that listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = [
        format!("Port={port}"),
        "ListenAddress=127.0.0.1".to_owned(),
        format!("HostKey={}", host_key.display()),
        format!("AuthorizedKeysFile={}", keys.display()),
        "StrictModes=no".to_owned(),
        // Without it, an account whose password is locked can't log in.
        "UsePAM=yes".to_owned(),
        "PermitRootLogin=prohibit-password".to_owned(),
        "MaxAuthTries=1000".to_owned(),
        "LoginGraceTime=0".to_owned(),
        "PidFile=none".to_owned(),
        "PerSourcePenalties=no".to_owned(),
    ];
    let mut command = Command::new(SSHD);
    command.args(["-D", "-e", "-f", "/dev/null"]).stdin(Stdio::null());
    let knows_penalties = Command::new(SSHD)
        .args(["-T", "-f", "/dev/null", "-o", "PerSourcePenalties=no"])
        .arg(format!("-oHostKey={}", host_key.display()))
        .output()
        .is_ok_and(|output| output.status.success());
    for option in &options {
        if knows_penalties || !option.starts_with("PerSource") {
            command.args(["-o", option]);
        }
    }
    let log = fs::File::create(folder.join("sshd.log")).unwrap();
    let process = command.stderr(log).spawn().unwrap();
    let mut server = Server { process, port };
    let until = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || fs::read_to_string(folder.join("sshd.log")).unwrap();
        assert!(server.process.try_wait().unwrap().is_none(), "sshd ended: {}", log());
        assert!(Instant::now() < until, "sshd does not listen: {}", log());
        std::thread::yield_now();
    }
    Some(server)
}

/// Which of these public keys the server accepts.
fn accepted(server: &Server, folder: &Path, keys: &[String]) -> Vec<bool> {
    let files: Vec<PathBuf> = (0..keys.len()).map(|at| folder.join(format!("id-{at}"))).collect();
    for (file, key) in files.iter().zip(keys) {
        fs::write(file.with_extension("pub"), format!("{key}\n")).unwrap();
    }
    let mut said = String::new();
    for files in files.chunks(AT_ONCE) {
        let mut client = Command::new("ssh");
        client.args(["-v", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
        client.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        client.args(["-o", "PubkeyAcceptedAlgorithms=+ssh-dss", "-p", &server.port.to_string()]);
        client.env_remove("SSH_AUTH_SOCK");
        for file in files {
            client.arg("-i").arg(file.with_extension("pub"));
        }
        let output = client.args(["127.0.0.1", "true"]).stdin(Stdio::null()).output().unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let offers = said.matches("Offering public key: ").count();
    assert_eq!(offers + TOO_SHORT.len(), keys.len(), "not all keys were offered:\n{said}");
    files
        .iter()
        .map(|file| format!("Server accepts key: {} ", file.with_extension("pub").display()))
        .map(|accepts| said.contains(&accepts))
        .collect()
}

#[test]
fn a_line_is_taken_exactly_if_sshd_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorized_keys");
    if !Path::new(SSHD).exists() {
        return skipped("there is no sshd here");
    }
    let Some(server) = start(folder.path(), &file) else {
        return skipped("there is no ssh-keygen here");
    };
    let patterns: Vec<String> = LINES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("## "))
        .map(|line| line.replace("<TAB>", "\t"))
        .collect();
    let mut keys: Vec<String> = (0..patterns.len()).map(ed25519).collect();
    let mut lines: Vec<String> = patterns
        .iter()
        .zip(&keys)
        .enumerate()
        .map(|(at, (pattern, key))| {
            // A second key on a line is another one.
            let other = ed25519(10_000 + at);
            let (kind, blob) = key.split_once(' ').unwrap();
            let line = pattern.replacen(KEY, key, 1).replace(KEY, &other);
            line.replace("KIND", kind).replace("BLOB", blob)
        })
        .collect();
    for key in [
        rsa(TOO_SHORT[0]),
        rsa(TOO_SHORT[1]),
        rsa(1024),
        rsa(2048),
        rsa(16_384),
        include_str!("../../answers/fixtures/dsa.pub").trim().to_owned(),
        include_str!("../../answers/fixtures/ecdsa.pub").trim().to_owned(),
        include_str!("../../answers/fixtures/rsa.pub").trim().to_owned(),
        include_str!("../../answers/fixtures/sk-ed25519.pub").trim().to_owned(),
    ] {
        lines.push(key.clone());
        keys.push(key);
    }
    fs::write(&file, format!("{}\n", lines.join("\n"))).unwrap();

    let verdicts = accepted(&server, folder.path(), &keys);
    let mut wrong = Vec::new();
    for (at, (line, sshd)) in lines.iter().zip(&verdicts).enumerate() {
        let ours = line.parse::<AuthorizedKey>();
        let on_purpose =
            patterns.get(at).is_some_and(|pattern| REFUSED_ON_PURPOSE.contains(&pattern.as_str()));
        if ours.is_ok() != *sshd && !on_purpose {
            wrong.push(format!("sshd takes it: {sshd}, nixvm: {ours:?}\n  {line:?}"));
        }
        assert!(!on_purpose || (*sshd && ours.is_err()), "no longer an exception: {line}");
    }
    let taken = verdicts.iter().filter(|taken| **taken).count();
    assert!(taken > 60 && verdicts.len() - taken > 60, "{taken} of {}", verdicts.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
