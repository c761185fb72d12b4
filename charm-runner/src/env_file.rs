//! The `.env` file of a project, read as the Python library reads it that made such files common.
//!
//! Rule: what a value is never shows, whatever is wrong with its line.
//!
//! `NAME=value`, `export NAME=value`, comments, values in single quotes (`\'` and `\\` are escapes) and in double quotes
//! (all of C's), both over several lines, `${NAME}` and `${NAME:-default}`. A name alone sets nothing.

/// The words in the name of a variable whose value nobody should see.
const SECRET_WORDS: [&str; 9] =
    ["KEY", "TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS", "DSN"];

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EnvFile {
    /// In the order of the file.
    pub(crate) variables: Vec<(String, String)>,
    /// Line and column of what cannot be read.
    pub(crate) faults: Vec<(usize, usize)>,
}

impl EnvFile {
    /// Reads a text. `outer` knows the variables that are set besides.
    pub(crate) fn parse(text: &str, outer: impl Fn(&str) -> Option<String>) -> Self {
        let mut file = Self::default();
        let mut rest = Rest { text, at: 0 };
        while rest.next_statement() {
            let start = rest.at;
            match rest.statement() {
                Some((name, Some(value))) => {
                    let value = expand(&value, |name| {
                        let own = file.variables.iter().rev().find(|(own, _)| own == name);
                        own.map(|(_, value)| value.clone()).or_else(|| outer(name))
                    });
                    file.variables.push((name, value));
                }
                Some((_, None)) => {}
                None => {
                    file.faults.push(rest.place());
                    rest.at = start;
                    rest.skip_line();
                }
            }
        }
        file
    }
}

/// Whether a variable of this name holds a secret, by the words in its name. OpenTelemetry's of a client's key hold the path
/// of a file, which messages have to show.
pub(crate) fn sounds_secret(name: &str) -> bool {
    let is_path = name.starts_with("OTEL_EXPORTER_OTLP_") && name.ends_with("CLIENT_KEY");
    !is_path
        && name.split('_').any(|word| SECRET_WORDS.iter().any(|secret| word.eq_ignore_ascii_case(secret)))
}

/// What has not been read yet.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over empty lines and comments; `false` at the end.
    fn next_statement(&mut self) -> bool {
        loop {
            self.skip(char::is_whitespace);
            match self.left().chars().next() {
                None => return false,
                Some('#') => self.skip_line(),
                Some(_) => return true,
            }
        }
    }

    /// A name and its value; `None` if it is neither.
    fn statement(&mut self) -> Option<(String, Option<String>)> {
        if let Some(left) = self.left().strip_prefix("export")
            && left.starts_with(is_blank)
        {
            self.at += "export".len();
            self.skip(is_blank);
        }
        let name = if self.left().starts_with('\'') {
            self.quoted('\'')?
        } else {
            let name = self.left();
            let end = name.find(|next: char| next == '=' || next == '#' || next.is_whitespace());
            self.at += end.unwrap_or(name.len());
            name[..end.unwrap_or(name.len())].to_owned()
        };
        if name.is_empty() || name.contains('\0') {
            return None;
        }
        self.skip(is_blank);
        let value = if self.left().starts_with('=') {
            self.at += 1;
            self.skip(is_blank);
            Some(self.value()?)
        } else {
            None
        };
        self.skip(is_blank);
        let is_end = self.left().is_empty() || self.left().starts_with(['#', '\r', '\n']);
        is_end.then_some((name, value)).inspect(|_| self.skip_line())
    }

    fn value(&mut self) -> Option<String> {
        if let Some(quote @ ('\'' | '"')) = self.left().chars().next() {
            return self.quoted(quote);
        }
        let line = self.left();
        let line = &line[..line.find(['\r', '\n']).unwrap_or(line.len())];
        self.at += line.len();
        let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(char::is_whitespace));
        let value = comment.map_or(line, |(at, _)| &line[..at]);
        Some(value.trim_end().to_owned()).filter(|value| !value.contains('\0'))
    }

    /// A text in quotes. Stays where it began if the other quote is missing.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.left().char_indices().skip(1);
        while let Some((at, next)) = characters.next() {
            if next == quote {
                self.at += at + 1;
                return Some(value);
            }
            if next != '\\' {
                value.push(next);
                continue;
            }
            let (_, escaped) = characters.next()?;
            match unescape(escaped, quote) {
                Some(character) => value.push(character),
                None => value.extend(['\\', escaped]),
            }
        }
        None
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.at += self.left().len() - self.left().trim_start_matches(what).len();
    }

    fn skip_line(&mut self) {
        self.at += self.left().find('\n').map_or(self.left().len(), |end| end + 1);
    }

    /// Line and column, from 1.
    fn place(&self) -> (usize, usize) {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() && character != '\n' && character != '\r'
}

fn unescape(escaped: char, quote: char) -> Option<char> {
    match (escaped, quote) {
        ('\\' | '\'', _) => Some(escaped),
        ('"', '"') => Some('"'),
        ('a', '"') => Some('\u{7}'),
        ('b', '"') => Some('\u{8}'),
        ('f', '"') => Some('\u{c}'),
        ('n', '"') => Some('\n'),
        ('r', '"') => Some('\r'),
        ('t', '"') => Some('\t'),
        ('v', '"') => Some('\u{b}'),
        _ => None,
    }
}

/// Puts values in for `${NAME}` and `${NAME:-default}`.
fn expand(value: &str, get: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let inside = &rest[start + 2..start + length];
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        expanded.push_str(&rest[..start]);
        expanded.push_str(&get(name).unwrap_or_else(|| default.to_owned()));
        rest = &rest[start + length + 1..];
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let file = EnvFile::parse(text, |name| (name == "OUTER").then(|| "outside".to_owned()));
        let variables: Vec<_> =
            file.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!((variables.as_slice(), file.faults.as_slice()), (expected, &[][..]));
    }

    #[test]
    fn plain_values_end_before_a_comment_and_keep_dollars_and_quotes() {
        check(
            "# top\n\nA=one\r\nexport B = two words  # why\nC=pa$$w#rd\nD=it's\nE=",
            &[("A", "one"), ("B", "two words"), ("C", "pa$$w#rd"), ("D", "it's"), ("E", "")],
        );
    }

    #[test]
    fn quoted_values_keep_what_is_in_them_over_several_lines() {
        check(
            "A='x # \\'y\\n'\nB=\"a\\n\\\"b\\\" \\q\" # c\nC=\"-----BEGIN\nline\n-----END\"\n",
            &[("A", "x # 'y\\n"), ("B", "a\n\"b\" \\q"), ("C", "-----BEGIN\nline\n-----END")],
        );
    }

    #[test]
    fn variables_are_put_in() {
        check(
            "A=1\nB=${A}${OUTER}${NONE:-d}${NONE}$A\nC='${A}'\nD=${A",
            &[("A", "1"), ("B", "1outsided$A"), ("C", "1"), ("D", "${A")],
        );
    }

    #[test]
    fn a_name_alone_sets_nothing() {
        check("A\nexport B\nC=1", &[("C", "1")]);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_place_and_the_rest_is_read() {
        let file = EnvFile::parse("A=1\nB=\"open\nC='x' y\n=z\nD=2", |_| None);
        assert_eq!(file.faults, [(2, 3), (3, 7), (4, 1)]);
        assert_eq!(file.variables.last(), Some(&("D".to_owned(), "2".to_owned())));
    }

    #[test]
    fn names_tell_what_is_secret() {
        assert!(
            sounds_secret("OPENAI_API_KEY") && sounds_secret("db_password") && sounds_secret("SENTRY_DSN")
        );
        assert!(!sounds_secret("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY"), "it is the path of one");
        assert!(!sounds_secret("MONKEY") && !sounds_secret("MODEL") && !sounds_secret("KEYBOARD_LAYOUT"));
    }
}
