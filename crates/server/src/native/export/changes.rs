//! The changes of an export, in the order of their ids.

use super::form::Form;
use super::stream::Rows;
use crate::app::App;
use crate::changes::AllChanges;
use crate::error::ApiError;
use crate::streamed::CHUNK_BYTES;

/// The columns, in their order.
pub(super) const COLUMNS: &[&str] = &[
    "id",
    "kind",
    "at",
    "observed_at",
    "host_id",
    "host_name",
    "enterprise_project_id",
    "category",
    "type",
    "laddr",
    "port",
    "path",
    "pid",
    "before",
    "after",
    "exposure",
    "netns",
    "container_id",
    "container_name",
    "opened_at",
    "closed_at",
    "open_ports",
    "count",
    "first_at",
];

pub(super) struct Changes {
    pub(super) all: AllChanges,
    pub(super) form: Form,
}

impl Rows for Changes {
    fn next_rows(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, ApiError> {
        let mut has_read = false;
        while out.len() < CHUNK_BYTES {
            if let Some(change) = self.all.pop() {
                self.form.row(COLUMNS, &change, out)?;
            } else if !self.all.may_have_more() {
                return Ok(false);
            } else if has_read {
                break;
            } else {
                self.all.read(app)?;
                has_read = true;
            }
        }
        Ok(true)
    }
}
