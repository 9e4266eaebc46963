//! Text in YAML → a tree of [`Node`]s with positions, of bounded depth and size.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::problem::Position;
use crate::value::Invalid;

/// Collections within each other, aliases included: no configuration comes near.
const DEEPEST: usize = 64;

/// Values, keys and collections of a document. An alias counts once, and copies nothing.
const MOST_NODES: usize = 50_000;

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
    /// Collections within each other, this one included.
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar {
        text: String,
        /// Without quotes: only then it may mean null, true or false.
        plain: bool,
        /// It is not marked as something that is no text, as `!!binary` does.
        readable: bool,
    },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

impl Node {
    /// Left empty, or one of YAML's words for that.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true, .. }
            if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()))
    }

    /// Whether it is one of the words that YAML 1.1, which cloud-init reads, takes for false.
    pub(super) fn is_false(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true, .. }
            if ["false", "no", "off"].contains(&text.to_ascii_lowercase().as_str()))
    }
}

/// A collection that has not ended yet.
enum Open {
    Sequence { at: Position, anchor: usize, items: Vec<Rc<Node>> },
    Mapping { at: Position, anchor: usize, key: Option<Rc<Node>>, pairs: Vec<Pair> },
}

type Pair = (Rc<Node>, Rc<Node>);

/// Reads the one document in `text`; none if there is nothing but comments in it.
///
/// # Errors
/// The first thing that is not YAML, or is beyond the bounds, and where. Nothing of the text is
/// quoted.
pub(super) fn parse(text: &str) -> Result<Option<Rc<Node>>, (Position, Invalid)> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    let mut root = None;
    let mut nodes = 0;
    // The parser may put what is missing at the end on a line that does not exist.
    let end = Position::of(text, usize::MAX);
    let position = |marker: Marker| position(marker).min(end);
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let message = format!("this is not YAML: {}", error.info().escape_debug());
            (position(*error.marker()), Invalid::new(message))
        })?;
        let at = position(span.start);
        let refuse = |message: String| Err((at, Invalid::new(message)));
        let (node, anchor) = match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if root.is_some() => {
                return refuse("a second document begins here, and only one is read".to_owned());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let readable = tag.is_none_or(|tag| is_text(&tag));
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain, readable };
                (Rc::new(Node { at, value, depth: 0 }), anchor)
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => (Rc::clone(node), 0),
                None => return refuse("this alias is within what it stands for".to_owned()),
            },
            Event::SequenceStart(anchor, _) => {
                open.push(Open::Sequence { at, anchor, items: Vec::new() });
                if open.len() > DEEPEST {
                    return refuse(too_deep());
                }
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open::Mapping { at, anchor, key: None, pairs: Vec::new() });
                if open.len() > DEEPEST {
                    return refuse(too_deep());
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(ended) => closed(ended),
                None => continue,
            },
            _ => continue,
        };
        nodes += 1;
        if nodes > MOST_NODES {
            return refuse(format!("it has more than {MOST_NODES} values"));
        }
        if node.depth + open.len() > DEEPEST {
            return refuse(too_deep());
        }
        if anchor != 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { key, pairs, .. }) => match key.take() {
                None => *key = Some(node),
                Some(key) => pairs.push((key, node)),
            },
        }
    }
    Ok(root.filter(|node| !node.is_null()))
}

fn closed(open: Open) -> (Rc<Node>, usize) {
    let deepest = |nodes: &mut dyn Iterator<Item = &Rc<Node>>| {
        1 + nodes.map(|node| node.depth).max().unwrap_or_default()
    };
    match open {
        Open::Sequence { at, anchor, items } => {
            let depth = deepest(&mut items.iter());
            (Rc::new(Node { at, value: Value::Sequence(items), depth }), anchor)
        }
        Open::Mapping { at, anchor, pairs, .. } => {
            let depth = deepest(&mut pairs.iter().flat_map(|(key, value)| [key, value]));
            (Rc::new(Node { at, value: Value::Mapping(pairs), depth }), anchor)
        }
    }
}

fn too_deep() -> String {
    format!("more than {DEEPEST} collections are within each other")
}

/// `!!str`, or the `!` that says the same.
fn is_text(tag: &Tag) -> bool {
    tag.suffix == "str" && tag.is_yaml_core_schema() || tag.handle.is_empty() && tag.suffix == "!"
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let (at, what) = parse(text).unwrap_err();
        format!("{}:{}: {what}", at.line, at.column)
    }

    #[test]
    fn aliases_stand_for_what_they_name_and_copy_nothing() {
        let root = parse("a: &x [1, 2]\nb: *x\n").unwrap().unwrap();
        let Value::Mapping(pairs) = &root.value else { panic!("{root:?}") };
        assert!(Rc::ptr_eq(&pairs[0].1, &pairs[1].1));
    }

    #[test]
    fn a_bomb_of_aliases_takes_no_more_room_than_its_text() {
        let mut bomb = "a0: &a0 [lol]\n".to_owned();
        for level in 1..60 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(parse(&bomb).unwrap().is_some());
        for level in 60..70 {
            bomb.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(error(&bomb).contains("more than 64 collections"), "{}", error(&bomb));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        for (text, expected) in [
            ("[".repeat(100_000), "within each other"),
            ("- ".repeat(1000), "within each other"),
            ("{a: ".repeat(1000), "within each other"),
            ("- a\n".repeat(MOST_NODES + 1), "more than 50000 values"),
            ("a: &a [*a]\n".to_owned(), "not YAML: "),
            ("a: *b\n".to_owned(), "not YAML: "),
        ] {
            let error = error(&text);
            let said = error.contains(expected) || error.contains("alias is within");
            assert!(said || error.contains("recursion"), "{error}");
        }
    }

    #[test]
    fn nothing_one_or_two_documents() {
        assert!(parse("").unwrap().is_none());
        assert!(parse("# a comment\n---\n...\n").unwrap().is_none());
        assert!(parse("--- {a: 1}\n...\n").unwrap().is_some());
        assert!(error("a: 1\n---\nb: 2\n").starts_with("2:1: a second document"));
    }

    #[test]
    fn mistakes_have_their_line() {
        assert!(error("a: {b: |-\n x").starts_with("2:"), "{}", error("a: {b: |-\n x"));
        assert!(error("a: 1\nb: [1\nc: 2\n").contains("this is not YAML: "));
        assert!(error("a: 1\nb: 'x\n").starts_with("2:4: "), "{}", error("a: 1\nb: 'x\n"));
    }
}
