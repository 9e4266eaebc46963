//! [`Reading`]: what was read of a document so far, with its mistakes and what is ignored.

use std::collections::HashSet;
use std::rc::Rc;

use super::yaml::{Node, Value};
use crate::keys::Answers;
use crate::problem::{Position, Problem, Problems};
use crate::resolve::SourceAnswers;
use crate::source::Source;
use crate::ssh::AuthorizedKey;
use crate::value::Invalid;

#[derive(Default)]
pub(super) struct Reading {
    pub(super) answers: Answers,
    pub(super) ignored: Vec<String>,
    pub(super) wrong: Vec<(Position, Invalid)>,
}

impl Reading {
    /// The answers, if nothing is wrong.
    pub(super) fn finish(mut self, source: Source) -> Result<SourceAnswers, Problems> {
        self.wrong.sort_by_key(|(position, _)| *position);
        let problems = self.wrong.into_iter();
        let problems = problems
            .map(|(position, what)| Problem::value(source.clone(), Some(position), what))
            .collect();
        let (answers, ignored) = (self.answers, self.ignored);
        Problems::none_or(problems, SourceAnswers { source, answers, ignored })
    }

    /// Something is wrong at `node`.
    pub(super) fn refuse(&mut self, node: &Node, what: Invalid) {
        self.wrong.push((node.at, what));
    }

    /// `key`, below `path` if there is one, has no counterpart.
    pub(super) fn ignore(&mut self, path: &str, key: &str) {
        const LONGEST: usize = 48;
        let key: String = key.chars().take(LONGEST).flat_map(char::escape_debug).collect();
        let name = if path.is_empty() { key } else { format!("{path}.{key}") };
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// The keys and values of the mapping `node`, which is called `name`; keys without a value are
    /// left out.
    pub(super) fn entries<'n>(&mut self, name: &str, node: &'n Node) -> Vec<(&'n str, &'n Node)> {
        let Value::Mapping(pairs) = &node.value else {
            self.refuse(node, Invalid::new(format!("{name} has to be keys with values")));
            return Vec::new();
        };
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        for (key, value) in pairs {
            match &key.value {
                Value::Scalar { text, plain: true, .. } if text == "<<" => {
                    let what = Invalid::new("merged keys (<<) are not read");
                    self.refuse(key, what.hint("write the keys themselves here"));
                }
                Value::Scalar { text, .. } if !seen.insert(text) => {
                    self.refuse(key, Invalid::new("this key is given twice"));
                }
                Value::Scalar { text, .. } if !value.is_null() => entries.push((&**text, &**value)),
                Value::Scalar { .. } => {}
                _ => self.refuse(key, Invalid::new("a key has to be text")),
            }
        }
        entries
    }

    /// The items of the list `node`, which is called `name`.
    pub(super) fn items<'n>(&mut self, name: &str, node: &'n Node) -> &'n [Rc<Node>] {
        match &node.value {
            Value::Sequence(items) => items,
            _ => {
                self.refuse(node, Invalid::new(format!("{name} has to be a list")));
                &[]
            }
        }
    }

    /// The text of `node`, which is called `name`. The message does not say what it is instead: it
    /// may be a password.
    pub(super) fn text<'n>(&mut self, name: &str, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, readable: true, .. } => Some(text),
            _ => {
                self.refuse(node, Invalid::new(format!("{name} has to be text")));
                None
            }
        }
    }

    /// The text of `node` as a value.
    pub(super) fn value<T: std::str::FromStr<Err = Invalid>>(
        &mut self,
        name: &str,
        node: &Node,
    ) -> Option<T> {
        let parsed = self.text(name, node)?.parse();
        parsed.map_err(|what| self.refuse(node, what)).ok()
    }

    /// The texts of a list, or of one alone.
    pub(super) fn texts<'n>(&mut self, name: &str, node: &'n Node) -> Vec<(&'n str, &'n Node)> {
        let nodes: Vec<&Node> = match &node.value {
            Value::Sequence(items) => items.iter().map(|item| &**item).collect(),
            _ => vec![node],
        };
        nodes.into_iter().filter_map(|node| Some((self.text(name, node)?, node))).collect()
    }

    /// A list of SSH keys, or one alone.
    pub(super) fn keys(&mut self, name: &str, node: &Node) -> Vec<AuthorizedKey> {
        let mut keys = Vec::new();
        for (text, node) in self.texts(name, node) {
            match text.trim().parse() {
                Ok(key) => keys.push(key),
                Err(what) => self.refuse(node, what),
            }
        }
        keys
    }

    /// Adds keys that may log in, each once.
    pub(super) fn add_keys(&mut self, keys: Vec<AuthorizedKey>) {
        if keys.is_empty() {
            return;
        }
        let all = self.answers.ssh_authorized_keys.get_or_insert_default();
        for key in keys {
            if !all.contains(&key) {
                all.push(key);
            }
        }
    }

    /// Sets the host name to the first label of a name that may have a domain.
    pub(super) fn set_hostname(&mut self, name: &str, node: &Node) {
        let Some(text) = self.text(name, node) else { return };
        let label = text.split_once('.').map_or(text, |(label, _)| label);
        match label.parse() {
            Ok(hostname) => self.answers.hostname = Some(hostname),
            Err(what) => self.refuse(node, what),
        }
    }
}
