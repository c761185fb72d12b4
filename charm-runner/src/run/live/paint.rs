//! Colours, where they are wanted.
//!
//! Rule: `NO_COLOR` and a terminal that has none are respected; without colours the words say the same.

use anstyle::{AnsiColor, Style as Ansi};

/// Puts colours around words, or does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    colours: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Dim,
    Tool,
    Good,
    Bad,
}

impl Paint {
    /// As the terminal and its user want it.
    pub(super) fn for_terminal() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { colours: !set("NO_COLOR") && !dumb }
    }

    pub(super) fn paint(self, style: Style, words: &str) -> String {
        if !self.colours {
            return words.to_owned();
        }
        let ansi = style.ansi();
        format!("{ansi}{words}{ansi:#}")
    }
}

impl Style {
    fn ansi(self) -> Ansi {
        match self {
            Self::Dim => Ansi::new().dimmed(),
            Self::Tool => AnsiColor::Cyan.on_default(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }

    /// What stands before a summary of this kind.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Bad => "✗",
            _ => "✓",
        }
    }
}
