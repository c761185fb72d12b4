//! A run on its way: the pieces of its JSON, side by side in the bytes of an item.
//!
//! Rule: the bytes say where each piece ends, so that a batch is put together without reading JSON, in either form. They
//! go to the spool: the numbers of the kinds and the order of the pieces never change their meaning.

use charm_telemetry_core::delivery::Item;

/// A run that LangSmith has not seen.
const POST: u8 = 1;

/// More of a run that LangSmith has seen.
const PATCH: u8 = 2;

/// Whether LangSmith has seen the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// It has not.
    Post,
    /// It has.
    Patch,
}

/// The pieces of a run. Each is JSON but the first; an absent one is empty, which no JSON is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunParts<'a> {
    pub(crate) operation: Operation,
    /// The run's id, as text.
    pub(crate) id: &'a str,
    /// An object with everything that has no piece of its own.
    pub(crate) main: &'a str,
    pub(crate) inputs: &'a str,
    pub(crate) outputs: &'a str,
    pub(crate) events: &'a str,
    pub(crate) extra: &'a str,
    pub(crate) error: &'a str,
}

/// The bytes are none that this release knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run was written by another release, or is damaged")]
pub(crate) struct UnknownItem;

impl Operation {
    /// The word in the name of a part.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Patch => "patch",
        }
    }
}

impl<'a> RunParts<'a> {
    /// The pieces after the first two, under LangSmith's names, in the order in which its SDKs send them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let fields = [
            ("inputs", self.inputs),
            ("outputs", self.outputs),
            ("events", self.events),
            ("extra", self.extra),
            ("error", self.error),
        ];
        fields.into_iter().filter(|(_, json)| !json.is_empty())
    }

    /// As an item.
    pub(crate) fn to_item(self) -> Item {
        let pieces = [self.id, self.main, self.inputs, self.outputs, self.events, self.extra, self.error];
        let mut bytes = Vec::with_capacity(pieces.iter().map(|piece| piece.len() + 4).sum());
        for piece in pieces {
            // A run is bounded far below this: see `encode::MAX_RUN_BYTES`.
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(piece.as_bytes());
        }
        let kind = match self.operation {
            Operation::Post => POST,
            Operation::Patch => PATCH,
        };
        Item::of_kind(kind, bytes)
    }

    /// From an item.
    pub(crate) fn of_item(item: &'a Item) -> Result<Self, UnknownItem> {
        let operation = match item.kind() {
            POST => Operation::Post,
            PATCH => Operation::Patch,
            _ => return Err(UnknownItem),
        };
        let mut rest = item.bytes();
        let mut piece = || take_piece(&mut rest).ok_or(UnknownItem);
        let (id, main, inputs, outputs) = (piece()?, piece()?, piece()?, piece()?);
        let (events, extra, error) = (piece()?, piece()?, piece()?);
        let whole = rest.is_empty() && !id.is_empty() && main.ends_with('}');
        whole
            .then_some(Self { operation, id, main, inputs, outputs, events, extra, error })
            .ok_or(UnknownItem)
    }

    /// All runs of a batch. The end of a run whose beginning is in the same batch becomes one post with it: an update costs
    /// as much of the quota as a creation.
    pub(crate) fn of_items(items: &'a [Item]) -> Result<Vec<Self>, UnknownItem> {
        let mut runs: Vec<Self> = Vec::with_capacity(items.len());
        for item in items {
            let run = Self::of_item(item)?;
            let begun = (run.operation == Operation::Patch)
                .then(|| {
                    runs.iter_mut().find(|begun| begun.operation == Operation::Post && begun.id == run.id)
                })
                .flatten();
            match begun {
                Some(begun) => {
                    let inputs = if run.inputs.is_empty() { begun.inputs } else { run.inputs };
                    *begun = Self { operation: Operation::Post, inputs, ..run };
                }
                None => runs.push(run),
            }
        }
        Ok(runs)
    }
}

fn take_piece<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (piece, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    std::str::from_utf8(piece).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_read_as_it_was_written_and_a_damaged_one_is_refused() {
        let parts = RunParts {
            operation: Operation::Post,
            id: "x",
            main: "{}",
            inputs: "{\"a\":1}",
            outputs: "",
            events: "[]",
            extra: "{}",
            error: "\"no\"",
        };
        let item = parts.to_item();
        assert_eq!(RunParts::of_item(&item), Ok(parts));
        for end in 0..item.len() {
            assert!(RunParts::of_item(&Item::of_kind(1, item.bytes()[..end].to_vec())).is_err(), "{end}");
        }
        assert!(RunParts::of_item(&Item::of_kind(9, item.bytes().to_vec())).is_err());
    }
}
