//! A line typed on the terminal without being shown.
//!
//! The terminal is silent while the line is typed, and does not turn Ctrl-C into a signal: a process that a signal ends
//! would leave the terminal silent. Ctrl-C ends the line in place of that, and is seen when the terminal is as it was.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;
/// Bytes of a line at most: that many a terminal collects before it hands them over.
const LINE_BYTES_MAX: usize = 4096;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TypingError {
    /// Ctrl-C was typed.
    #[error("interrupted; nothing was done")]
    Interrupted,
    /// The input ended before the line did.
    #[error("cannot read the password: the input ended within the line")]
    Ended,
    /// The line holds something that is no text, such as an arrow key.
    #[error("cannot read the password: the line holds what is no text")]
    NoText,
    /// The terminal refused.
    #[error("cannot read the password: {0}")]
    Io(#[from] io::Error),
}

/// Asks on the terminal of this process.
pub(crate) fn ask(question: &str) -> Result<Zeroizing<String>, TypingError> {
    ask_on(&File::options().read(true).write(true).open("/dev/tty")?, question)
}

fn ask_on(mut terminal: &File, question: &str) -> Result<Zeroizing<String>, TypingError> {
    let before = tcgetattr(terminal).map_err(io::Error::from)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    silent.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
    silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
    tcsetattr(terminal, OptionalActions::Now, &silent).map_err(io::Error::from)?;
    let mut buffer = Zeroizing::new([0u8; LINE_BYTES_MAX]);
    let length = terminal.write_all(question.as_bytes()).and_then(|()| terminal.read(buffer.as_mut_slice()));
    // Before anything else can fail.
    let restored = tcsetattr(terminal, OptionalActions::Now, &before);
    let typed = length.map(|length| buffer.get(..length).unwrap_or_default());
    restored.map_err(io::Error::from)?;
    let line = line_of(typed?);
    if matches!(line, Err(TypingError::Interrupted | TypingError::Ended)) {
        terminal.write_all(b"\n")?;
    }
    line
}

fn line_of(typed: &[u8]) -> Result<Zeroizing<String>, TypingError> {
    if typed.contains(&INTERRUPT) {
        return Err(TypingError::Interrupted);
    }
    let line = typed.strip_suffix(b"\n").ok_or(TypingError::Ended)?;
    match str::from_utf8(line) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\t') => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(TypingError::NoText),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    const QUESTION: &str = "Password: ";

    /// Types something once the question stands there. What is read, and what the terminal has shown.
    fn typed(keys: &[u8]) -> (Result<Zeroizing<String>, TypingError>, String) {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&user).expect("ours");
        unlockpt(&user).expect("ours");
        let name = ptsname(&user, Vec::new()).expect("it has a name");
        let mut options = File::options();
        options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
        let terminal = options.open(std::ffi::OsStr::from_bytes(name.as_bytes())).expect("ours");
        let before = tcgetattr(&terminal).expect("a terminal");
        assert!(before.local_modes.contains(LocalModes::ECHO | LocalModes::ISIG));
        let mut user = File::from(user);
        let shown_until = |user: &mut File, end: &str| {
            let (mut shown, mut byte) = (Vec::new(), [0u8]);
            while !shown.ends_with(end.as_bytes()) {
                assert_eq!(user.read(&mut byte).expect("open"), 1);
                shown.extend(byte);
            }
            String::from_utf8(shown).expect("text")
        };
        let (line, shown) = std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask_on(&terminal, QUESTION));
            shown_until(&mut user, QUESTION);
            user.write_all(keys).expect("open");
            let shown = shown_until(&mut user, "\n");
            (asking.join().expect("no panic"), shown)
        });
        let after = tcgetattr(&terminal).expect("a terminal");
        assert_eq!(after.local_modes, before.local_modes, "the terminal is as it was");
        assert_eq!(
            after.special_codes[SpecialCodeIndex::VEOL],
            before.special_codes[SpecialCodeIndex::VEOL],
            "Ctrl-C is what it was"
        );
        (line, shown)
    }

    #[test]
    fn a_line_is_read_and_not_shown() {
        for (keys, expected) in [("secret\n", "secret"), ("with space é\t\n", "with space é\t"), ("\n", "")] {
            let (line, shown) = typed(keys.as_bytes());
            assert_eq!(line.expect("a line").as_str(), expected);
            assert_eq!(shown.trim_end(), "");
        }
    }

    #[test]
    fn an_interrupted_line_leaves_the_terminal_as_it_was() {
        for keys in [&b"\x03"[..], b"sec\x03", b"sec\x03ret\n"] {
            assert!(matches!(typed(keys).0, Err(TypingError::Interrupted)), "{keys:?}");
        }
    }

    #[test]
    fn what_is_no_whole_line_of_text_is_refused() {
        assert!(matches!(typed(b"\x04").0, Err(TypingError::Ended)));
        assert!(matches!(typed(b"sec\x04").0, Err(TypingError::Ended)));
        for keys in [&b"sec\x1b[Aret\n"[..], b"\xff\n", b"\x1a\n"] {
            assert!(matches!(typed(keys).0, Err(TypingError::NoText)), "{keys:?}");
        }
    }
}
