//! The text that `nix-store --load-db` reads → what the store paths of a closure have to be.
//!
//! Of each path: the path, its NAR's SHA-256, its NAR's size in bytes, its deriver or an empty line,
//! the number of its references, and these; one a line. The format is that of `decodeValidPathInfo`
//! in Nix's libstore/store-api.cc; nixpkgs' closureInfo and `nix-store --dump-db` write it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};

use crate::nar_hash::NarHash;
use crate::store_path::StorePath;

/// Store paths with what is registered of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration(BTreeMap<StorePath, Entry>);

/// What is registered of a store path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// SHA-256 of its NAR.
    pub hash: NarHash,
    /// Size of its NAR in bytes.
    pub size: u64,
    /// What made it, if that is known.
    pub deriver: Option<StorePath>,
    /// What it refers to, perhaps itself.
    pub references: Vec<StorePath>,
}

impl Registration {
    /// Parses the text.
    ///
    /// # Errors
    /// It is not of this format, or names a path twice; the error has the line's number.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { lines: text.lines(), number: 0, names: HashSet::new() };
        let mut entries = BTreeMap::new();
        while let Some((path, entry)) =
            reader.entry().with_context(|| format!("line {} is not readable", reader.number))?
        {
            ensure!(
                entries.insert(path.clone(), entry).is_none(),
                "{path} is listed twice, again before line {}",
                reader.number
            );
        }
        Ok(Self(entries))
    }

    /// Adds a path, or changes what is registered of it.
    pub fn insert(&mut self, path: StorePath, entry: Entry) {
        self.0.insert(path, entry);
    }

    /// The part that `roots` refer to, directly or not, with themselves.
    ///
    /// # Errors
    /// A path of it is missing here: such a system would not run.
    ///
    /// ```
    /// use nixvm_copy::{Registration, StorePath};
    ///
    /// let a = "/nix/store/00000000000000000000000000000000-a";
    /// let b = "/nix/store/11111111111111111111111111111111-b";
    /// let hash = "0".repeat(64);
    /// // `a` refers to `b`; neither has a deriver.
    /// let text = format!("{a}\n{hash}\n120\n\n1\n{b}\n{b}\n{hash}\n96\n\n0\n");
    /// let registration = Registration::parse(&text)?;
    /// assert_eq!(registration.total_bytes(), 216);
    /// assert_eq!(registration.closure(&[StorePath::parse(a)?])?.len(), 2);
    /// assert_eq!(registration.closure(&[StorePath::parse(b)?])?.len(), 1);
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    pub fn closure(&self, roots: &[StorePath]) -> Result<Self> {
        let mut closure = BTreeMap::new();
        let mut open = roots.to_vec();
        while let Some(path) = open.pop() {
            if closure.contains_key(&path) {
                continue;
            }
            let entry = self.0.get(&path).with_context(|| format!("{path} is not registered"))?;
            open.extend(entry.references.iter().cloned());
            closure.insert(path, entry.clone());
        }
        Ok(Self(closure))
    }

    /// What is left without the paths in `known`.
    pub fn without(&self, known: &HashSet<StorePath>) -> Self {
        let left = self.0.iter().filter(|(path, _)| !known.contains(*path));
        Self(left.map(|(path, entry)| (path.clone(), entry.clone())).collect())
    }

    /// The paths, in the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = (&StorePath, &Entry)> {
        self.0.iter()
    }

    /// What is registered of `path`.
    pub fn get(&self, path: &StorePath) -> Option<&Entry> {
        self.0.get(path)
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all NARs together; an impossible sum is the greatest number.
    pub fn total_bytes(&self) -> u64 {
        self.0.values().fold(0, |sum, entry| sum.saturating_add(entry.size))
    }

    /// The text again, for `nix-store --load-db`.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (path, entry) in &self.0 {
            let deriver = entry.deriver.as_ref().map(StorePath::to_string).unwrap_or_default();
            let Entry { hash, size, references, .. } = entry;
            let count = references.len();
            let _infallible = write!(text, "{path}\n{hash}\n{size}\n{deriver}\n{count}\n");
            for reference in references {
                let _infallible = writeln!(text, "{reference}");
            }
        }
        text
    }
}

struct Reader<'a> {
    lines: std::str::Lines<'a>,
    number: usize,
    /// Each name is kept once, however many paths refer to it.
    names: HashSet<StorePath>,
}

impl<'a> Reader<'a> {
    fn entry(&mut self) -> Result<Option<(StorePath, Entry)>> {
        let Some(path) = self.lines.next() else { return Ok(None) };
        self.number += 1;
        let path = self.path(path)?;
        let hash = self.line()?.parse()?;
        let size = self.line()?.parse().context("the NAR's size is no number")?;
        let deriver = match self.line()? {
            "" => None,
            path => Some(StorePath::parse(path)?),
        };
        let count: usize = self.line()?.parse().context("the count of references is no number")?;
        let mut references = Vec::new();
        for _ in 0..count {
            let line = self.line()?;
            references.push(self.path(line)?);
        }
        Ok(Some((path, Entry { hash, size, deriver, references })))
    }

    fn line(&mut self) -> Result<&'a str> {
        self.number += 1;
        self.lines.next().context("the text ends within an entry")
    }

    fn path(&mut self, line: &str) -> Result<StorePath> {
        let path = StorePath::parse(line)?;
        if let Some(known) = self.names.get(&path) {
            return Ok(known.clone());
        }
        self.names.insert(path.clone());
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/nix/store/00000000000000000000000000000000-a";
    const B: &str = "/nix/store/11111111111111111111111111111111-b";
    const C: &str = "/nix/store/22222222222222222222222222222222-c";
    const DERIVER: &str = "/nix/store/33333333333333333333333333333333-a.drv";
    const HASH: &str = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";

    fn text() -> String {
        format!(
            "{A}\n{HASH}\n120\n{DERIVER}\n2\n{A}\n{B}\n{B}\n{HASH}\n96\n\n0\n{C}\n{HASH}\n8\n\n0\n"
        )
    }

    fn path(text: &str) -> StorePath {
        StorePath::parse(text).unwrap()
    }

    #[test]
    fn text_is_read_and_written_alike() {
        let registration = Registration::parse(&text()).unwrap();
        assert_eq!(registration.len(), 3);
        assert_eq!(registration.total_bytes(), 224);
        assert_eq!(registration.to_text(), text());
        assert!(Registration::parse("").unwrap().is_empty());
    }

    #[test]
    fn closure_has_what_is_referred_to_and_nothing_else() {
        let registration = Registration::parse(&text()).unwrap();
        let closure = registration.closure(&[path(A)]).unwrap();
        let names: Vec<_> = closure.entries().map(|(path, _)| path.to_string()).collect();
        assert_eq!(names, [A, B]);
        assert!(registration.closure(&[]).unwrap().is_empty());
        let left = closure.without(&HashSet::from([path(A)]));
        assert_eq!(left.entries().map(|(p, _)| p.to_string()).collect::<Vec<_>>(), [B]);
        let error = closure.closure(&[path(C)]).unwrap_err().to_string();
        assert_eq!(error, format!("{C} is not registered"));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let refused = |from: &str, to: &str| {
            let text = text().replacen(from, to, 1);
            format!("{:#}", Registration::parse(&text).unwrap_err())
        };
        assert!(refused(B, "/nix/store/../../etc/passwd").starts_with("line 7 is not readable"));
        assert!(refused("120", "-1").starts_with("line 3 "));
        assert!(refused("\n2\n", "\n9999999999\n").contains("line"));
        assert!(refused(HASH, "md5:1").starts_with("line 2 "));
        assert!(refused(C, A).contains("listed twice"));
        let cut = &text()[..text().len() - 3];
        assert!(format!("{:#}", Registration::parse(cut).unwrap_err()).contains("ends within"));
    }
}
