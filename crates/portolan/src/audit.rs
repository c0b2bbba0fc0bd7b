//! `portolan audit verify`: the audit log of a server, running or not.

use std::process::ExitCode;

use portolan_server::audit::verify;

use crate::cli::{AuditAction, AuditCommand};
use crate::output;

/// Exit code 1, with file and line, where the log is not as it was written.
pub(crate) fn audit(arguments: &AuditCommand) -> anyhow::Result<ExitCode> {
    let AuditAction::Verify(dir) = &arguments.action;
    let found = verify(&dir.data_dir)?;
    output::say(&format!(
        "{}: {} entries in {} files, each following from the one before; the last has hash {}",
        dir.data_dir.display(),
        found.entries,
        found.files,
        found.last_hash
    ));
    if found.torn_bytes > 0 {
        output::say(&format!(
            "{} bytes after the last entry are part of a line: it is being written now, or a crash cut it short",
            found.torn_bytes
        ));
    }
    Ok(ExitCode::SUCCESS)
}
