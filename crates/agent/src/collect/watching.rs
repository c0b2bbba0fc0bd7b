//! The kernel's events while they can be had: attached, let go and attached again.
//!
//! Says in the log which way the agent works and why, when that changes.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use portolan_sockets::{Collector, Event, Watch};

use crate::causes::with_causes;

/// The events of this host, or none.
#[derive(Debug)]
pub(crate) struct Watching {
    watch: Option<Watch>,
    wanted: bool,
    /// What earlier watches have cost the kernel.
    kernel_before: Duration,
    /// Events that were lost, by any watch.
    lost: u64,
}

impl Watching {
    /// Attaches where `wanted` and allowed.
    pub(crate) fn start(wanted: bool, collector: &mut Collector) -> Self {
        let mut this = Self {
            watch: None,
            wanted,
            kernel_before: Duration::ZERO,
            lost: 0,
        };
        if wanted {
            this.attach(collector);
        } else {
            tracing::info!(
                mode = "poll",
                "open ports are found by looking alone, as told"
            );
        }
        this
    }

    /// Attaches again, if events are wanted.
    pub(crate) fn attach(&mut self, collector: &mut Collector) {
        if !self.wanted || self.watch.is_some() {
            return;
        }
        match Watch::attach() {
            Ok(watch) => {
                self.watch = Some(watch);
                self.share_holders(collector);
                tracing::info!(
                    mode = "events",
                    "the kernel tells when ports open and close"
                );
            }
            Err(error) => {
                // What is refused once is refused again.
                self.wanted = false;
                let error = with_causes(&error);
                tracing::warn!(
                    mode = "poll",
                    %error,
                    "the kernel's events cannot be had, so open ports are found by looking: one that \
                     lives shorter than the time between two looks is not seen"
                );
            }
        }
    }

    /// Lets a new collector ask the kernel for holders, too.
    pub(crate) fn share_holders(&self, collector: &mut Collector) {
        if let Some(watch) = &self.watch {
            collector.set_holders(Box::new(watch.holder_walk()));
        }
    }

    /// Lets the events go.
    pub(crate) fn detach(&mut self) {
        self.kernel_before = self.kernel();
        self.watch = None;
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.watch.is_some()
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(Watch::fd)
    }

    /// Hands out the events that wait; whether some were lost.
    pub(crate) fn drain(&mut self, each: impl FnMut(Event)) -> bool {
        let Some(watch) = &mut self.watch else {
            return false;
        };
        let lost = watch.drain(each);
        self.lose(lost);
        lost > 0
    }

    /// Counts events that nothing was made of.
    pub(crate) fn lose(&mut self, count: u64) {
        if count > 0 {
            tracing::debug!(
                events = count,
                "events of the kernel were lost; looking everywhere"
            );
        }
        self.lost = self.lost.saturating_add(count);
    }

    /// Events that were lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// CPU of the programs in the kernel since the start.
    pub(crate) fn kernel(&self) -> Duration {
        let now = self.watch.as_ref().map(|watch| watch.cost().time());
        self.kernel_before + now.unwrap_or_default()
    }
}
