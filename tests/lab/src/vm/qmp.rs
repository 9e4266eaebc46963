//! QEMU's machine protocol: commands → their results, one at a time over a Unix socket.
//!
//! The format is that of QEMU's "QMP Interoperability Reference": a line of JSON each way, events in
//! between, which the lab passes over.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A connection to a running QEMU.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Takes up the protocol on `socket`, on which QEMU listens.
    ///
    /// # Errors
    /// There is no answer.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = super::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut qmp = Self { reader: BufReader::new(stream.try_clone()?), writer: stream };
        qmp.read().context("QEMU does not greet")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns its result.
    ///
    /// # Errors
    /// QEMU refuses it, or has ended.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string();
        self.writer
            .write_all((line + "\n").as_bytes())
            .with_context(|| format!("cannot send {command} to QEMU"))?;
        loop {
            let mut answer =
                self.read().with_context(|| format!("QEMU does not answer {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    /// Waits for an event with data that satisfies `test`.
    ///
    /// # Errors
    /// It does not come, or QEMU has ended.
    pub fn wait_event(&mut self, name: &str, test: impl Fn(&Value) -> bool) -> Result<()> {
        loop {
            let message = self.read().with_context(|| format!("QEMU reports no {name}"))?;
            if message["event"] == name && test(&message["data"]) {
                return Ok(());
            }
        }
    }

    /// Runs a command of the human monitor.
    ///
    /// # Errors
    /// As [`Qmp::execute`]; what the monitor says is returned, whatever it means.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let said = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Presses keys one after the other, by QEMU's names for them.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        for key in keys {
            let codes: Vec<_> =
                key.split('-').map(|code| json!({ "type": "qcode", "data": code })).collect();
            self.execute("send-key", json!({ "keys": codes, "hold-time": 50 }))?;
            // QEMU drops a key that is sent while the last one is still held.
            std::thread::sleep(Duration::from_millis(120));
        }
        Ok(())
    }

    /// Types a text on an American keyboard.
    ///
    /// # Errors
    /// As [`Qmp::execute`], or the text has a character without a key.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        for character in text.chars() {
            let name = key_name(character)
                .with_context(|| format!("no key is known for {character:?}"))?;
            self.press(&[&name])?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            bail!("QEMU closed the connection");
        }
        Ok(serde_json::from_str(&line)?)
    }
}

fn key_name(character: char) -> Option<String> {
    let plain = match character {
        'a'..='z' | '0'..='9' => return Some(character.to_string()),
        'A'..='Z' => return Some(format!("shift-{}", character.to_ascii_lowercase())),
        ' ' => "spc",
        '\n' => "ret",
        '-' => "minus",
        '_' => "shift-minus",
        '.' => "dot",
        '/' => "slash",
        ';' => "semicolon",
        ':' => "shift-semicolon",
        _ => return None,
    };
    Some(plain.to_owned())
}
