//! Where everything in a YAML text stands, and how it is written: quoted or not, tagged, aliased.
//! One rule: what is let through is bounded in depth and in size, aliases counted as often as they are used,
//! so that whoever walks it afterwards may recurse.

use std::collections::HashMap;

use super::events::{self, Events, Style};
use super::fault::Fault;
use super::node::Position;
use super::syntax;

/// How deep a manifest may be nested. The reference gives up at about three times that.
const DEEPEST: usize = 100;
/// How many values a manifest may have once every alias is written out.
const MOST_NODES: usize = 100_000;

/// A node's index in [`Marks::all`].
pub(crate) type Index = usize;

#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) tag: Option<String>,
    pub(crate) kind: Kind,
    /// Levels from here to the deepest leaf, and nodes altogether, aliases written out.
    height: usize,
    size: usize,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Scalar {
        plain: bool,
    },
    List(Vec<Index>),
    /// Keys and values in turn.
    Map(Vec<Index>),
    Alias(Index),
}

/// A stretch of the text that is a scalar, counted in bytes.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) style: Style,
}

/// All nodes of the one document.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    all: Vec<Mark>,
    root: Option<Index>,
    pub(crate) scalars: Vec<Span>,
    anchors: HashMap<String, (Index, Position)>,
    /// The collections that are still open, outermost first.
    open: Vec<Index>,
    /// How many are open when the outermost one with brackets is the last of them.
    brackets: Option<usize>,
    /// What the reference refuses although it can be read.
    pub(crate) faults: Vec<Fault>,
}

impl Marks {
    /// Reads the whole text.
    ///
    /// # Errors
    ///
    /// When the text cannot be read to its end, or must not be.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut marks = Self::default();
        let mut events = Events::new(text);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(error) => return Err(marks.with(syntax::explain(&error, text))),
            };
            let position = event.position;
            let read = match event.kind {
                events::Kind::StreamEnd => break,
                events::Kind::DocumentStart if marks.root.is_some() => Err(second_document(position)),
                events::Kind::Scalar { anchor, tag, text, style } => {
                    marks.scalars.push(Span { start: event.start, end: event.end, style });
                    if style == Style::Plain && marks.in_brackets() && text.contains('?') {
                        marks.faults.push(Fault::new(position, QUESTION_MARK));
                    }
                    marks.leaf(position, anchor, tag, Kind::Scalar { plain: style == Style::Plain })
                }
                events::Kind::Alias { anchor } => marks.alias(position, &anchor),
                events::Kind::ListStart { anchor, tag, brackets } => {
                    marks.enter(position, anchor, tag, Kind::List(vec![]), brackets)
                }
                events::Kind::MapStart { anchor, tag, brackets } => {
                    marks.enter(position, anchor, tag, Kind::Map(vec![]), brackets)
                }
                events::Kind::CollectionEnd => marks.leave(),
                events::Kind::DocumentStart | events::Kind::Other => Ok(()),
            };
            if let Err(fault) = read {
                return Err(marks.with(fault));
            }
        }
        if marks.faults.iter().any(|fault| fault.fatal) { Err(marks.faults) } else { Ok(marks) }
    }

    /// The document's only node, if there is a document.
    pub(crate) fn root(&self) -> Option<Index> {
        self.root
    }

    /// The node with its aliases followed.
    pub(crate) fn target(&self, index: Index) -> &Mark {
        match self.all[index].kind {
            Kind::Alias(target) => &self.all[target],
            _ => &self.all[index],
        }
    }

    /// The node as it stands, alias or not.
    pub(crate) fn get(&self, index: Index) -> &Mark {
        &self.all[index]
    }

    fn in_brackets(&self) -> bool {
        self.brackets.is_some()
    }

    fn with(mut self, fault: Fault) -> Vec<Fault> {
        self.faults.push(fault);
        self.faults
    }

    fn leaf(
        &mut self,
        position: Position,
        anchor: Option<String>,
        tag: Option<String>,
        kind: Kind,
    ) -> Result<(), Fault> {
        let index = self.add(position, tag, kind);
        self.name(anchor, index);
        self.close(index)
    }

    fn alias(&mut self, position: Position, anchor: &str) -> Result<(), Fault> {
        let Some(&(target, _)) = self.anchors.get(anchor) else {
            let known = self.anchors.keys().map(String::as_str);
            let hint = crate::suggest(anchor, known)
                .map_or_else(String::new, |near| format!("; did you mean `*{near}`?"));
            self.faults.push(Fault::fatal(position, format!("`*{anchor}` names no anchor above it{hint}")));
            return self.leaf(position, None, None, Kind::Scalar { plain: true });
        };
        if self.open.contains(&target) {
            return Err(Fault::fatal(
                position,
                format!("`*{anchor}` stands inside what it names; write the value out"),
            ));
        }
        let index = self.add(position, None, Kind::Alias(target));
        (self.all[index].height, self.all[index].size) = (self.all[target].height, self.all[target].size);
        self.close(index)
    }

    fn enter(
        &mut self,
        position: Position,
        anchor: Option<String>,
        tag: Option<String>,
        kind: Kind,
        brackets: bool,
    ) -> Result<(), Fault> {
        let index = self.add(position, tag, kind);
        self.name(anchor, index);
        self.open.push(index);
        if brackets && self.brackets.is_none() {
            self.brackets = Some(self.open.len());
        }
        if self.open.len() > DEEPEST { Err(too_deep(position)) } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<(), Fault> {
        let index = self.open.pop().expect("the parser closes only what it has opened");
        self.brackets = self.brackets.filter(|outermost| self.open.len() >= *outermost);
        self.close(index)
    }

    fn add(&mut self, position: Position, tag: Option<String>, kind: Kind) -> Index {
        self.all.push(Mark { position, tag, kind, height: 1, size: 1 });
        self.all.len() - 1
    }

    fn name(&mut self, anchor: Option<String>, index: Index) {
        let Some(anchor) = anchor else { return };
        let position = self.all[index].position;
        if let Some((_, first)) = self.anchors.get(&anchor) {
            let message =
                format!("anchor `&{anchor}` is already set on line {}; give it another name", first.line);
            self.faults.push(Fault::new(position, message));
        }
        self.anchors.insert(anchor, (index, position));
    }

    /// A node is complete: hands it to the collection around it, or makes it the root.
    fn close(&mut self, index: Index) -> Result<(), Fault> {
        let Some(&parent) = self.open.last() else {
            self.root = Some(index);
            return Ok(());
        };
        let (position, height, size) = {
            let mark = &self.all[index];
            (mark.position, mark.height + 1, mark.size)
        };
        let parent = &mut self.all[parent];
        if let Kind::List(children) | Kind::Map(children) = &mut parent.kind {
            children.push(index);
        }
        parent.height = parent.height.max(height);
        parent.size = parent.size.saturating_add(size);
        if parent.height > DEEPEST {
            return Err(too_deep(position));
        }
        if parent.size > MOST_NODES {
            return Err(Fault::fatal(
                position,
                format!("more than {MOST_NODES} values, aliases written out; make it smaller"),
            ));
        }
        Ok(())
    }
}

/// `serde_yaml` reads it, the reference does not.
const QUESTION_MARK: &str = "a text with `?` between brackets; put it in quotes";

fn too_deep(position: Position) -> Fault {
    Fault::fatal(position, format!("nested more than {DEEPEST} levels deep; make it flatter"))
}

fn second_document(position: Position) -> Fault {
    Fault::fatal(
        position,
        "a second document starts here; a manifest is one document, so remove `---` and what follows",
    )
}
