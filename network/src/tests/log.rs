//! What a test writes to the log, if it runs on one thread.

thread_local! {
    static WRITTEN: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// What was written to the log by this thread, from when it first asked.
pub(super) struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The log of the process, which is set up once: what one thread alone listens to can be switched off by others.
    pub(super) fn open() -> Self {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Self).finish();
        // Another test may have done it.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Self
    }

    pub(super) fn count(&self, text: &str) -> usize {
        WRITTEN.with_borrow(|written| String::from_utf8_lossy(written).matches(text).count())
    }
}
