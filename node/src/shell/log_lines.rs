//! Lines of the log on their way to standard error, by a thread of their own.
//!
//! Whoever says something never waits for whoever reads it: a pipe that nobody empties, or a disk that is full, costs
//! lines and not the node. What finds no room, or cannot be written, is counted, and the count is told as soon as
//! something can be written again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait at most.
const LINES_MAX: usize = 4_096;
/// Bytes of a line at most; the rest is cut.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// How long the end of the process waits for what was said last.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// What is handed to the thread.
enum Item {
    Line(Vec<u8>),
    /// Everything before it was dealt with.
    Flush(SyncSender<()>),
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct LogLines {
    items: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

/// The lines of this process, for [`flush`].
static LINES: OnceLock<LogLines> = OnceLock::new();

impl LogLines {
    /// Starts the thread, which writes to `out`.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (items, receiver) = sync_channel(LINES_MAX);
        let lines = Self { items, lost: Arc::default() };
        let lost = lines.lost.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver, &lost, out))?;
        Ok(lines)
    }

    /// Makes these the lines that [`flush`] waits for.
    pub(crate) fn install(&self) {
        // Whoever was first stays: one process has one log.
        let _first = LINES.set(self.clone());
    }

    /// Waits until what was said so far is written, for a second at most.
    fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        let deadline = FLUSH_MAX / 20;
        for _ in 0..20 {
            if self.items.try_send(Item::Flush(done.clone())).is_ok() {
                // An answer that does not come means that nobody reads the log.
                let _in_time = is_done.recv_timeout(FLUSH_MAX);
                return;
            }
            thread::sleep(deadline);
        }
    }
}

/// Waits until what was logged so far is written, for a second or two at most. For the end of the process.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

/// One line while it is put together. It leaves when this is dropped.
pub(crate) struct Line<'a> {
    lines: &'a LogLines,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LINE_BYTES_MAX.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.bytes);
        if line.is_empty() {
            return;
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if self.lines.items.try_send(Item::Line(line)).is_err() {
            self.lines.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, bytes: Vec::new() }
    }
}

fn write_all(items: &Receiver<Item>, lost: &AtomicU64, mut out: impl Write) {
    while let Ok(item) = items.recv() {
        match item {
            Item::Line(line) => {
                let gone = lost.swap(0, Ordering::Relaxed);
                let told = if gone == 0 { Ok(()) } else { writeln!(out, "{gone} lines of the log were lost") };
                if told.and_then(|()| out.write_all(&line)).is_err() {
                    lost.fetch_add(gone + 1, Ordering::Relaxed);
                }
            }
            Item::Flush(done) => {
                let _written = out.flush();
                // Whoever asked may have given up.
                let _told = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A place that takes nothing, and then what it gets.
    #[derive(Clone, Default)]
    struct Place(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Place {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").1.clone()).expect("text")
        }
    }

    impl Write for Place {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut place = self.0.lock().expect("no panic");
            if !place.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            place.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(lines: &LogLines, text: &str) {
        lines.make_writer().write_all(text.as_bytes()).expect("it never fails");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_later() {
        let place = Place::default();
        let lines = LogLines::start(place.clone()).expect("there is room for a thread");
        say(&lines, "one\n");
        say(&lines, "two\n");
        lines.flush();
        place.0.lock().expect("no panic").0 = true;
        say(&lines, "three");
        lines.flush();
        assert_eq!(place.text(), "2 lines of the log were lost\nthree\n");
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read() {
        /// A pipe that nobody empties until it is told to.
        struct Pipe(Receiver<()>, Place);
        impl Write for Pipe {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _open = self.0.recv();
                self.1.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let place = Place::default();
        place.0.lock().expect("no panic").0 = true;
        let (open, pipe) = sync_channel::<()>(1);
        let lines = LogLines::start(Pipe(pipe, place.clone())).expect("there is room for a thread");
        (0..LINES_MAX + 100).for_each(|number| say(&lines, &format!("{number}\n")));
        drop(open);
        lines.flush();
        say(&lines, "last\n");
        lines.flush();
        let text = place.text();
        assert!(text.contains(" lines of the log were lost\n"), "{text}");
        let first = text.lines().filter(|line| !line.ends_with("lost")).take(3).collect::<Vec<_>>();
        assert_eq!(first, ["0", "1", "2"], "what had room comes in its order");
        assert!(text.ends_with("last\n"));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let place = Place::default();
        place.0.lock().expect("no panic").0 = true;
        let lines = LogLines::start(place.clone()).expect("there is room for a thread");
        say(&lines, &"x".repeat(3 * LINE_BYTES_MAX));
        lines.flush();
        assert_eq!(place.text().len(), LINE_BYTES_MAX + 1);
    }
}
