//! A small lexer that splits Rust source into what the compiler reads and what people read, so that a check for a word
//! in code is not misled by a comment or a string. It keeps every line where it was.
//!
//! It knows line comments, nested block comments, strings with escapes, raw strings, byte and C strings, characters
//! and lifetimes. It does not parse: the two questions about structure that the checks have (where are the test
//! modules, how long are the functions) are answered by counting brackets.

use std::ops::Range;

/// A source file in two layers of equal shape: each has the lines of the file, and spaces for what the other holds.
/// The contents of string and character literals are in neither.
#[derive(Debug)]
pub(crate) struct Source {
    /// The program, without comments and literals.
    pub(crate) code: String,
    /// The comments, with their markers.
    pub(crate) comments: String,
}

/// A function with a body, as found in code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name without the path of the module.
    pub(crate) name: String,
    /// The line of the `fn`, counted from 1.
    pub(crate) line: usize,
    /// How many lines it has, from the `fn` to the closing brace.
    pub(crate) lines: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    /// Splits a source file. Text that is no Rust gives some split, never a panic.
    pub(crate) fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let (mut code, mut comments) = (String::new(), String::new());
        let mut at = 0;
        while at < chars.len() {
            let (kind, end) = piece(&chars, at);
            for &character in &chars[at..end] {
                let (in_code, in_comments) = match (kind, character) {
                    (_, '\n') => ('\n', '\n'),
                    (Kind::Code, _) => (character, ' '),
                    (Kind::Comment, _) => (' ', character),
                    (Kind::Literal, _) => (' ', ' '),
                };
                code.push(in_code);
                comments.push(in_comments);
            }
            at = end;
        }
        Self { code, comments }
    }

    /// The code with every test module blanked out.
    pub(crate) fn production_code(&self) -> String {
        let mut kept = String::new();
        let mut at = 0;
        for module in test_modules(&self.code) {
            kept.push_str(&self.code[at..module.start]);
            kept.extend(self.code[module.clone()].chars().map(|c| if c == '\n' { c } else { ' ' }));
            at = module.end;
        }
        kept + &self.code[at..]
    }

    /// How many lines the file has outside its test modules.
    pub(crate) fn production_lines(&self) -> usize {
        let lines_of = |module: Range<usize>| self.code[module].lines().count();
        self.code.lines().count() - test_modules(&self.code).into_iter().map(lines_of).sum::<usize>()
    }
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// The identifiers, keywords and numbers of code with their byte offsets.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        at = start + code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
        Some((start, &code[start..at]))
    })
}

/// The byte offsets where a phrase stands in code without being a part of a longer word.
pub(crate) fn find_phrase<'a>(code: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(phrase).map(|(at, _)| at).filter(move |&at| {
        let joined =
            |inner: Option<char>, outer: Option<char>| inner.is_some_and(is_word) && outer.is_some_and(is_word);
        !joined(phrase.chars().next(), code[..at].chars().next_back())
            && !joined(phrase.chars().next_back(), code[at + phrase.len()..].chars().next())
    })
}

/// The functions with a body, in the order of their first lines. A function inside another counts for both.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let all: Vec<(usize, &str)> = words(code).collect();
    let mut found = Vec::new();
    for pair in all.windows(2) {
        let [(start, "fn"), (name_start, name)] = pair else { continue };
        let is_item = code[start + 2..*name_start].trim().is_empty();
        if let Some(end) = body_end(code, *name_start).filter(|_| is_item) {
            let lines = code[*start..end].lines().count();
            found.push(Function { name: (*name).to_owned(), line: line_of(code, *start), lines });
        }
    }
    found
}

/// Where the next piece starts after `at`, and of which kind the piece from `at` to there is.
fn piece(chars: &[char], at: usize) -> (Kind, usize) {
    let next = chars.get(at + 1);
    match (chars[at], next) {
        ('/', Some('/')) => (Kind::Comment, find_from(chars, at, |c| c == '\n')),
        ('/', Some('*')) => (Kind::Comment, block_comment_end(chars, at)),
        ('"', _) => (Kind::Literal, quoted_end(chars, at, '"')),
        ('\'', Some('\\')) => (Kind::Literal, quoted_end(chars, at, '\'')),
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => (Kind::Literal, at + 3),
        ('r' | 'b' | 'c', _) => match raw_string_end(chars, at) {
            Some(end) => (Kind::Literal, end),
            None => (Kind::Code, at + 1),
        },
        _ => (Kind::Code, at + 1),
    }
}

fn find_from(chars: &[char], at: usize, wanted: impl Fn(char) -> bool) -> usize {
    chars[at..].iter().position(|&c| wanted(c)).map_or(chars.len(), |distance| at + distance)
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a literal with escapes that starts and ends with the given quote.
fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose prefix (`r`, `br` or `cr`) starts here, or `None` if none does.
fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let follows_a_word = start > 0 && is_word(chars[start - 1]);
    let r = if chars[start] == 'r' { start } else { start + 1 };
    if follows_a_word || chars.get(r) != Some(&'r') {
        return None;
    }
    let quote = find_from(chars, r + 1, |c| c != '#');
    let hashes = quote - (r + 1);
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    Some((quote + 1..chars.len()).find(|&at| closes(at)).map_or(chars.len(), |at| at + 1 + hashes))
}

/// The byte ranges of the modules under `#[cfg(test)]`, from the attribute to the closing brace or semicolon.
fn test_modules(code: &str) -> Vec<Range<usize>> {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices(ATTRIBUTE) {
        let inside_the_last = found.last().is_some_and(|module| module.contains(&start));
        let item = skip_attributes(code, start + ATTRIBUTE.len());
        let is_module = words(&code[item..]).find(|(_, word)| !matches!(*word, "pub" | "crate" | "super" | "in"));
        if is_module.is_some_and(|(_, word)| word == "mod") && !inside_the_last {
            let semicolon = code[item..].find(';').map(|distance| item + distance + 1);
            let brace = code[item..].find('{').map(|distance| item + distance);
            let end = match (semicolon, brace) {
                (Some(semicolon), Some(brace)) if semicolon < brace => Some(semicolon),
                (_, Some(brace)) => closing(code, brace),
                (semicolon, None) => semicolon,
            };
            found.push(start..end.unwrap_or(code.len()));
        }
    }
    found
}

/// Where the item starts whose further attributes start at or after `at`.
fn skip_attributes(code: &str, mut at: usize) -> usize {
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        match code[at..].starts_with("#[").then(|| closing(code, at + 1)).flatten() {
            Some(end) => at = end,
            None => return at,
        }
    }
}

/// Where the body ends that belongs to the signature at `at`, or `None` for a signature without a body.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (distance, character) in code[at..].char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return closing(code, at + distance),
            _ => {}
        }
    }
    None
}

/// The offset after the bracket that closes the one at `open`.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (distance, character) in code[open..].char_indices() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(open + distance + 1);
        }
    }
    None
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests;
