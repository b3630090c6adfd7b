use std::cell::RefCell;
use std::time::SystemTime;

use super::{Command, Content, HostError, HostPath, Look, Meta, Node, Output, Stat};

/// A machine that is asked each question by a command only once: who looks at a host as a whole asks
/// some of them several times, and `dkms status` alone may take half a second.
pub(crate) struct Recall<'l> {
    look: &'l dyn Look,
    told: RefCell<Vec<(Command, Option<Output>)>>,
}

impl<'l> Recall<'l> {
    pub(crate) fn new(look: &'l dyn Look) -> Self {
        Self { look, told: RefCell::default() }
    }
}

impl Look for Recall<'_> {
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError> {
        self.look.node(path)
    }

    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
        self.look.stat(path)
    }

    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
        self.look.read_up_to(path, max)
    }

    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
        self.look.list(path)
    }

    fn free_space(&self, path: &HostPath) -> Result<u64, HostError> {
        self.look.free_space(path)
    }

    fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
        if let Some((_, answer)) = self.told.borrow().iter().find(|(asked, _)| asked == command) {
            return Ok(answer.clone());
        }
        let answer = self.look.query(command)?;
        self.told.borrow_mut().push((command.clone(), answer.clone()));
        Ok(answer)
    }

    fn pieces(
        &self,
        path: &HostPath,
        lengths: &[u64],
    ) -> Result<Option<(Meta, Vec<Content>)>, HostError> {
        self.look.pieces(path, lengths)
    }

    fn now(&self) -> SystemTime {
        self.look.now()
    }
}
