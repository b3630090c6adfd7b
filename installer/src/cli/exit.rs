use std::process::ExitCode;

/// How a run ended, as its exit status says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: something could not be done.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: a bundle, key or policy is not trusted, or corrupt.
    Untrusted,
    /// 4: this host cannot become what the bundle asks for.
    Unsuitable,
    /// 5: the host is not any more as it was made.
    Drifted,
    /// 10: done, and a reboot is needed.
    Reboot,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Untrusted => 3,
            Self::Unsuitable => 4,
            Self::Drifted => 5,
            Self::Reboot => 10,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
