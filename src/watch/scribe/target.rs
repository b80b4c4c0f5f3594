//! A file that is replaced as a whole, again and again: by a thread of its own, for a pipe that
//! nobody reads must hold up nothing else.

use std::path::Path;
use std::sync::{Condvar, Mutex};

use super::client::lock;
use crate::report::file;

/// The content that is to be written next.
#[derive(Debug, Default)]
pub(super) struct Target {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    content: Option<Vec<u8>>,
    ended: bool,
}

impl Target {
    /// Sets what is to be written. A content that has waited is left out.
    pub(super) fn set(&self, content: Vec<u8>) {
        lock(&self.state).content = Some(content);
        self.changed.notify_all();
    }

    /// Says that nothing follows.
    pub(super) fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Vec<u8>> {
        let idle = |state: &mut State| state.content.is_none() && !state.ended;
        let state = lock(&self.state);
        let mut state = match self.changed.wait_while(state, idle) {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
        state.content.take()
    }

    /// Writes to `path` until nothing follows. `tell` hears what goes wrong, again only after it
    /// went well; returned is what is wrong at the end.
    pub(super) fn serve(&self, path: &Path, tell: impl Fn(&str)) -> Option<String> {
        let mut wrong = None;
        while let Some(content) = self.next() {
            let written = file::replace(path, |out| out.write_all(&content));
            let now = written
                .err()
                .map(|error| format!("can't be written: {error}"));
            if let Some(text) = &now
                && wrong != now
            {
                tell(text);
            }
            wrong = now;
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;

    #[test]
    fn the_last_content_is_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        let target = Target::default();
        target.set(b"first".to_vec());
        target.set(b"second".to_vec());
        target.end();
        let told = target.serve(&path, |text| panic!("{text}"));
        assert_eq!(told, None);
        assert_eq!(fs::read(&path).expect("is there"), b"second");
    }

    #[test]
    fn what_is_wrong_is_told_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let missing = folder.path().join("missing");
        let target = Target::default();
        let told = RefCell::new(Vec::new());
        target.set(b"first".to_vec());
        let wrong = target.serve(&missing.join("report.json"), |text| {
            told.borrow_mut().push(text.to_owned());
            if told.borrow().len() == 1 {
                target.set(b"second".to_vec());
            }
            target.end();
        });
        let wrong = wrong.expect("still wrong");
        assert!(wrong.contains("No such file"), "{wrong}");
        assert_eq!(told.into_inner(), [wrong]);
    }
}
