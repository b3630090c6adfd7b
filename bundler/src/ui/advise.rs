use vgpu_manifest::ui::{Advice, Exit};

/// Attaches hints and exit statuses to errors.
pub(crate) trait Advise<T> {
    /// Adds a hint: a sentence that starts with a verb, without a period, literals in backticks.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;

    /// Sets the exit status.
    fn exit(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| advice(error).hint(hint).into())
    }

    fn exit(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| advice(error).exit(exit).into())
    }
}

/// Wraps an error so that the report can still recognize its type.
///
/// The plain conversion of `anyhow::Error` into a box hides the type from `downcast_ref`.
fn advice(error: impl Into<anyhow::Error>) -> Advice {
    Advice::of(error.into().reallocate_into_boxed_dyn_error_without_backtrace())
}
