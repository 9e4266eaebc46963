//! Password hashes → whether libxcrypt can verify them, asked through perl's `crypt`.

use std::io::Write;
use std::process::{Command, Stdio};

use nixvm_answers::password::PasswordHash;

use crate::skipped;

const Y: &str = "j7eBBA.ylNoKratIBy/uEF5lOQPHEN3oJmhOGbkLja5";
const SCRYPT: &str = "SVag6WQMxhlpydgVtI621uOJHjoXVdl9uQYpmzg/6L3";
const BCRYPT: &str = "rNHD0WvKD6q0dEPXARfwfNFIRVkev.q";
const SHA512: &str =
    "bMZhavMXjlywpv65HrucY/NQFZe1bTtp3R9CVxxO4sE8dNEEGoTFjWTWu8e9Rv5Vu4g9ZuZSza7pRtnpj7MLw1";

/// Hashes that libxcrypt can verify and that are refused, with the reason.
fn on_purpose(hash: &str) -> bool {
    // Parameters which no tool writes.
    hash.contains("y$j9T.0$") || hash.contains("y$j9T/.$")
        // A salt with signs that crypt(5) does not have in its alphabet.
        || hash.starts_with("$7$BU..../....Q$i$")
        // Weak, and nixpkgs builds libxcrypt without it.
        || hash.starts_with("$2x$")
}

/// Whether crypt(3) of some password could ever be `hash`: what it makes with `hash` as its setting
/// begins with the same setting and is as long.
fn verifiable(hash: &str, made: &str) -> bool {
    let setting = match hash.get(..2) {
        Some("$2") => hash.len() - 31,
        _ => hash.rfind('$').map_or(0, |at| at + 1),
    };
    !made.starts_with('*') && made.len() == hash.len() && made.get(..setting) == hash.get(..setting)
}

/// What crypt(3) makes of a password with each of these settings; none where there is no libxcrypt.
fn crypt(settings: &[String]) -> Option<Vec<String>> {
    let script = "while (<STDIN>) { chomp; my $r = crypt('correct horse', $_); \
                  print defined $r ? $r : '*', \"\\n\"; }";
    let mut perl = Command::new("perl")
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    perl.stdin.take()?.write_all(settings.join("\n").as_bytes()).unwrap();
    let output = perl.wait_with_output().unwrap();
    let made: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let knows_yescrypt = made.first().is_some_and(|first| first.starts_with("$y$"));
    knows_yescrypt.then_some(made)
}

fn candidates() -> Vec<String> {
    let mut all = Vec::new();
    // Cheap parameters, since each is computed.
    for cost in [
        "j75", "j7T", "j8.", "j3T", "j/T", "j.T", "j/.5", "j", "j7", "j.5", "j7x", "jzT", ".75",
        "/75", "075", "k75", "jkT", "j75.", "j75/", "j751", "j9T.0", "j9T/.", "",
    ] {
        all.push(format!("$y${cost}$LClMHtvsWc/ydt8RO/ana.${Y}"));
        all.push(format!("$gy${cost}$LClMHtvsWc/ydt8RO/ana.${Y}"));
    }
    let long = |length: usize| "L".repeat(length);
    for salt in [
        "",
        "a",
        "a/",
        "a1",
        "a2",
        "ab",
        "ab/",
        "abD",
        "abE",
        "abcd",
        "abcde",
        "abcde/",
        "ab-d",
        "ab d",
        "ab=d",
        "ab+d",
        "ab,d",
        "abc\u{e9}",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([long(84), long(85), long(86), long(87), long(88), long(85) + "/", long(85) + "0"])
    {
        all.push(format!("$y$j75${salt}${Y}"));
    }
    for setting in [
        "BU..../....",
        "BU..../....a",
        "BU..../....Qi/M=",
        "BU..../....Q-i",
        "BU..../....Q$i",
        "..U....",
        "./U..../....",
        "B....../....",
        ".U..../....",
        "/U..../....",
        "BU....0....",
        "BU.........",
        "0U..../....Qi",
        "4U..../....Qi",
        "zU..../....",
        "BU..../...",
    ] {
        all.push(format!("$7${setting}${SCRYPT}"));
    }
    all.push(format!("$7$6U..../....{}${SCRYPT}", long(86)));
    for scheme in ["2a", "2b", "2y", "2x", "2", "2c"] {
        all.push(format!("${scheme}$05$brngTNzGAqoFji5Ue.9ife{BCRYPT}"));
    }
    for cost in ["03", "04", "32", "4", "ab", "5$", "+5", " 5", "005"] {
        all.push(format!("$2b${cost}$brngTNzGAqoFji5Ue.9ife{BCRYPT}"));
    }
    for last in "./eOuafA-=".chars() {
        all.push(format!("$2b$04$brngTNzGAqoFji5Ue.9if{last}{BCRYPT}"));
    }
    for salt in [
        "",
        "a",
        "a-b",
        "a=b",
        "a+b",
        "a b",
        "a!b",
        "a*b",
        "a;b",
        "a:b",
        "a\\b",
        "a~b",
        "a\u{7f}b",
        "a\u{1}b",
        "\u{e9}",
        "a,b",
        "a\"b",
        "a'b",
        "a#b",
        "a@b",
        "a/b",
        "rounds=5000",
        "rounds=",
        "rounds=10",
        "rounds=abc",
        "rounds=1000$ab",
        "rounds=999$ab",
        "rounds=01000$ab",
        "rounds=5000$ab",
        "rounds=5000$",
        "rounds=+5000$ab",
        "rounds= 5000$ab",
        "rounds=9999999999$ab",
        "rounds=5000x$ab",
        "Rounds=5000$ab",
        "abc$def",
        "aaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaa",
    ] {
        all.push(format!("$6${salt}${SHA512}"));
    }
    all
}

#[test]
fn a_hash_is_taken_exactly_if_libxcrypt_can_verify_it() {
    let hashes = candidates();
    let Some(made) = crypt(&hashes) else { return skipped("there is no perl with libxcrypt here") };
    assert_eq!(made.len(), hashes.len());
    let schema: serde_json::Value = serde_json::from_str(&nixvm_answers::schema::schema()).unwrap();
    let pattern = schema["properties"]["password-hash"].clone();
    let schema = jsonschema::validator_for(&pattern).unwrap();
    let (mut wrong, mut taken) = (Vec::new(), 0);
    for (hash, made) in hashes.iter().zip(&made) {
        let libxcrypt = verifiable(hash, made);
        taken += usize::from(libxcrypt);
        let ours = hash.parse::<PasswordHash>().is_ok();
        let by_schema = schema.is_valid(&hash.as_str().into());
        if ours != libxcrypt && !on_purpose(hash) || ours && !by_schema {
            wrong
                .push(format!("libxcrypt {libxcrypt}, nixvm {ours}, schema {by_schema}: {hash:?}"));
        }
        // What crypt(3) makes is what a user will give.
        if libxcrypt && !on_purpose(hash) && made.parse::<PasswordHash>().is_err() {
            wrong.push(format!("made by libxcrypt and refused: {made:?}"));
        }
    }
    assert!(taken > 40 && hashes.len() - taken > 60, "{taken} of {}", hashes.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
