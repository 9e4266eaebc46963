//! The text of a derivation → what its outputs are, and whether they have to be fetched from
//! somewhere.
//!
//! The format is the ATerm of Nix's store (`Derivation::unparse` in Nix's `src/libstore/derivations.cc`):
//! `Derive([("out","/nix/store/…","sha256","…"),…],…`. It has not changed since it exists, which
//! can't be said of `nix derivation show`.

use anyhow::{Context, Result, bail};

/// An output of a derivation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// Its name, usually `out`.
    pub(super) name: String,
    /// Its store path; empty where that depends on the contents.
    pub(super) path: String,
    /// The hash of its contents is given: it comes from somewhere else, a download most likely.
    pub(super) fixed: bool,
}

/// Reads the outputs out of a derivation's text.
///
/// # Errors
/// It is no derivation.
pub(super) fn outputs(text: &str) -> Result<Vec<Output>> {
    let mut rest = text.strip_prefix("Derive([").context("it is no derivation")?;
    let mut found = Vec::new();
    loop {
        let mut fields = [const { String::new() }; 4];
        rest = rest.strip_prefix('(').context("an output does not begin")?;
        for (position, field) in fields.iter_mut().enumerate() {
            if position > 0 {
                rest = rest.strip_prefix(',').context("an output is too short")?;
            }
            (*field, rest) = string(rest)?;
        }
        rest = rest.strip_prefix(')').context("an output does not end")?;
        let [name, path, _, hash] = fields;
        found.push(Output { name, path, fixed: !hash.is_empty() });
        match rest.split_at_checked(1) {
            Some((",", more)) => rest = more,
            Some(("]", _)) => return Ok(found),
            _ => bail!("the outputs do not end"),
        }
    }
}

/// A quoted string at the start of `text`, and what follows it.
fn string(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"').context("a string does not begin")?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 2..])),
            '\\' => value.push(characters.next().context("a string does not end")?.1),
            other => value.push(other),
        }
    }
    bail!("a string does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_and_what_is_fetched_is_told_from_what_is_built() {
        let built = "Derive([(\"dev\",\"/nix/store/a-x-dev\",\"\",\"\"),(\"out\",\"/nix/store/b-x\",\
            \"\",\"\")],[(\"/nix/store/c.drv\",[\"out\"])],[],\"x86_64-linux\",\"/bin/sh\",[],[])";
        let found = outputs(built).unwrap();
        let names: Vec<_> = found.iter().map(|o| (o.name.as_str(), o.path.as_str())).collect();
        assert_eq!(names, [("dev", "/nix/store/a-x-dev"), ("out", "/nix/store/b-x")]);
        assert!(found.iter().all(|output| !output.fixed));
        let fetched =
            "Derive([(\"out\",\"/nix/store/d-src\",\"r:sha256\",\"0a\")],[],[],\"x\",\"y\",";
        assert!(outputs(fetched).unwrap()[0].fixed);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let whole = "Derive([(\"o\\\"ut\",\"/p\",\"\",\"\")],";
        assert_eq!(outputs(whole).unwrap()[0].name, "o\"ut");
        for end in 0..whole.len() - 1 {
            assert!(outputs(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
    }
}
