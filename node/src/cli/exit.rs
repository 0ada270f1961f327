//! Exit codes: what a script learns without reading a text.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the interface and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It failed for a reason without a number of its own, or `genesis diff` found differences.
    Failed,
    /// The arguments make no command.
    Usage,
    /// A transaction was rejected.
    Rejected,
    /// A transaction was included and failed in execution.
    Execution,
    /// It is not decided within the time given.
    Pending,
    /// What was asked for does not exist.
    NotFound,
    /// A key, its password or its permissions are wrong.
    Key,
    /// A node cannot be reached.
    Network,
    /// A node is reachable and not healthy.
    Unhealthy,
    /// A proof or a signature did not verify.
    Unverified,
    /// It may succeed later without any change.
    Temporary,
    /// A configuration or a genesis document is invalid. Supervisors should not restart the process.
    Configuration,
    /// The user interrupted it.
    Interrupted,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::Execution => 4,
            Self::Pending => 5,
            Self::NotFound => 6,
            Self::Key => 7,
            Self::Network => 8,
            Self::Unhealthy => 9,
            Self::Unverified => 10,
            Self::Temporary => 75,
            Self::Configuration => 78,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
