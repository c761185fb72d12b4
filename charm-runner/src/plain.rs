//! Text of an agent as a terminal may show it.
//!
//! Rule: nothing that an agent or its model says moves the cursor, clears the screen or changes its colours.

/// A text of several lines without control sequences. Of a line that overwrites itself (a progress bar) the last state is
/// kept.
pub(super) fn lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let line = line.trim_end_matches('\r');
        clean.push_str(&piece(line.rsplit('\r').next().unwrap_or(line)));
        clean.push_str(end);
    }
    clean
}

/// A piece of text without control sequences.
pub(super) fn piece(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(next) = characters.next() {
        match next {
            '\u{1b}' => skip_sequence(&mut characters),
            '\n' | '\t' => clean.push(next),
            control if control.is_control() => {}
            _ => clean.push(next),
        }
    }
    clean
}

/// What follows an escape character: `[..m` and its like, `]..` up to a bell or `ESC \`, else one character.
fn skip_sequence(characters: &mut std::str::Chars<'_>) {
    match characters.next() {
        Some('[') => {
            let _ = characters.find(|next| ('@'..='~').contains(next));
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(next) = characters.next() {
                if next == '\u{7}' || next == '\u{1b}' && characters.next() == Some('\\') {
                    return;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_left_out() {
        assert_eq!(piece("\u{1b}[1;31mred\u{1b}[0m\u{1b}[2J\u{7}!\u{9b}"), "red!");
        assert_eq!(piece("\u{1b}]0;title\u{7}a\u{1b}]8;;x\u{1b}\\b\u{1b}cd"), "abd");
        assert_eq!(piece("a\tb\nc\r\0d"), "a\tb\ncd");
    }

    #[test]
    fn of_a_progress_bar_the_last_state_is_kept() {
        assert_eq!(lines("10%\r20%\r100%\r\ndone\r\n"), "100%\ndone\n");
        assert_eq!(lines("no end"), "no end");
    }
}
