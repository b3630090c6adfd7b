//! Output of both programs: help, exit statuses, error reports, colors, byte sizes and progress.

mod color;
#[cfg(feature = "cli")]
pub mod help;
mod pace;
mod report;
mod size;

pub use self::color::{Color, ParseColorError, Tone, paint, unpainted};
pub use self::pace::Pace;
pub use self::report::{
    Advice, ErrorDocument, Exit, Explain, Failure, KNOWN, Known, Report, known,
};
pub use self::size::{ByteSize, ParseSizeError, count};
