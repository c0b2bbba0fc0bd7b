//! How many connections the process can hold: each is a file descriptor, and the usual limit of 1,024
//! is far below the cap. A store that cannot open a file ends the process, so connections must never
//! take the last descriptor.

use portolan_wire::caps;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and says how many connections fit below it.
pub(crate) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let most = fit(allowed);
    if most < caps::CONNECTIONS_MAX {
        tracing::warn!(
            connections = most,
            "fewer connections than usual, since the process may open few files: raise LimitNOFILE"
        );
    }
    most
}

/// Connections below a limit of descriptors; `None` is no limit. At least one, so that a server with
/// a limit that is too low still answers.
fn fit(allowed: Option<u64>) -> usize {
    let left = allowed.map(|allowed| allowed.saturating_sub(caps::DESCRIPTORS_RESERVED).max(1));
    left.and_then(|left| usize::try_from(left).ok())
        .map_or(caps::CONNECTIONS_MAX, |left| {
            left.min(caps::CONNECTIONS_MAX)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_store() {
        assert_eq!(fit(Some(1_024)), 768);
        assert_eq!(fit(Some(100)), 1);
        assert_eq!(fit(Some(1 << 20)), caps::CONNECTIONS_MAX);
        assert_eq!(fit(None), caps::CONNECTIONS_MAX);
    }
}
