//! What the agent may cost, and what it does without when it costs more.
//!
//! People remove an agent that costs, and a service manager that kills one for it starts it again in
//! a loop. So the agent watches itself and gives up what it can, one step at a time: looks become
//! rare, then the kernel's events are let go; memory is answered by dropping what can be read again.
//! A step back follows a calm time, which grows each time that it was too early.
//! Pure: what was used and when are arguments.
//! Holds: each step gets a minute of its own before the next one.

use std::collections::VecDeque;
use std::time::Duration;

/// The span over which CPU is counted.
pub(crate) const SPAN: Duration = Duration::from_secs(60);
/// Shortest time between two checks.
pub(crate) const CHECK_GAP: Duration = Duration::from_secs(5);
/// How long it must be calm before a step back, at first and at most.
const CALM_MIN: Duration = Duration::from_secs(300);
const CALM_MAX: Duration = Duration::from_secs(3_600);

/// Caps on what an agent may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// CPU in a minute, the kernel's programs included: 2 % of one core is 1.2 s.
    pub cpu_a_minute: Duration,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            cpu_a_minute: SPAN / 50,
            memory_bytes: 64 << 20,
        }
    }
}

/// What has been used since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU of the process and of its programs in the kernel.
    pub(crate) cpu: Duration,
    /// Resident memory now, in bytes; nothing where it cannot be told.
    pub(crate) memory_bytes: Option<u64>,
}

/// Tells what the agent uses.
pub(crate) trait Meter {
    /// Now. `kernel` is what programs in the kernel have used beside the process.
    fn usage(&mut self, kernel: Duration) -> Usage;
}

/// What is done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Nothing.
    Free,
    /// Looks are rare.
    Slow,
    /// And the kernel's events are let go.
    Detached,
}

/// Which cap was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    Cpu { last_minute: Duration },
    Memory { bytes: u64 },
}

/// What to do after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Fine,
    /// Drop what can be read again.
    DropCaches(Reached),
    /// Do without more.
    Tighten(Step, Reached),
    /// It has been calm: do without less.
    Loosen(Step),
}

/// One agent's budget.
#[derive(Debug)]
pub(crate) struct Budget {
    caps: Caps,
    step: Step,
    /// (when, CPU until then), over the last [`SPAN`].
    samples: VecDeque<(Duration, Duration)>,
    /// Since when nothing was near a cap.
    calm_since: Duration,
    calm: Duration,
    caches_dropped_at: Option<Duration>,
}

impl Budget {
    pub(crate) fn new(caps: Caps) -> Self {
        Self {
            caps,
            step: Step::Free,
            samples: VecDeque::new(),
            calm_since: Duration::ZERO,
            calm: CALM_MIN,
            caches_dropped_at: None,
        }
    }

    /// What is done without now.
    pub(crate) fn step(&self) -> Step {
        self.step
    }

    /// Whether it is time for a check.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let last = self.samples.back();
        last.is_none_or(|(at, _)| now >= *at + CHECK_GAP)
    }

    /// Looks at what has been used until `now`.
    pub(crate) fn check(&mut self, now: Duration, usage: Usage) -> Verdict {
        self.samples.push_back((now, usage.cpu));
        while self.samples.len() > 1 && self.samples.front().is_some_and(|(at, _)| *at + SPAN < now)
        {
            self.samples.pop_front();
        }
        let before = self.samples.front().map_or(usage.cpu, |(_, cpu)| *cpu);
        let last_minute = usage.cpu.saturating_sub(before);
        let memory = usage.memory_bytes.unwrap_or(0);
        let is_calm =
            last_minute <= self.caps.cpu_a_minute / 2 && memory <= self.caps.memory_bytes / 4 * 3;
        if !is_calm {
            self.calm_since = now;
        }
        if last_minute > self.caps.cpu_a_minute {
            return self.tighten(Reached::Cpu { last_minute });
        }
        if memory > self.caps.memory_bytes {
            return self.too_much_memory(now, memory);
        }
        self.loosen(now)
    }

    fn too_much_memory(&mut self, now: Duration, bytes: u64) -> Verdict {
        let reached = Reached::Memory { bytes };
        match self.caches_dropped_at {
            Some(at) if now < at + SPAN => Verdict::Fine,
            Some(at) if now < at + SPAN * 2 => {
                self.caches_dropped_at = None;
                self.tighten(reached)
            }
            _ => {
                self.caches_dropped_at = Some(now);
                Verdict::DropCaches(reached)
            }
        }
    }

    fn tighten(&mut self, reached: Reached) -> Verdict {
        let next = match self.step {
            Step::Free => Step::Slow,
            Step::Slow => Step::Detached,
            Step::Detached => return Verdict::Fine,
        };
        self.step = next;
        // What was used before says nothing about this step.
        let newest = self.samples.pop_back();
        self.samples.clear();
        self.samples.extend(newest);
        Verdict::Tighten(next, reached)
    }

    fn loosen(&mut self, now: Duration) -> Verdict {
        if self.step == Step::Free || now < self.calm_since + self.calm {
            return Verdict::Fine;
        }
        self.step = match self.step {
            Step::Detached => Step::Slow,
            Step::Slow | Step::Free => Step::Free,
        };
        self.calm_since = now;
        self.calm = (self.calm * 2).min(CALM_MAX);
        Verdict::Loosen(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A budget of the default caps under a meter that a test turns.
    struct Rig {
        budget: Budget,
        now: Duration,
        usage: Usage,
    }

    impl Rig {
        fn new() -> Self {
            Self {
                budget: Budget::new(Caps::default()),
                now: Duration::ZERO,
                usage: Usage {
                    cpu: Duration::ZERO,
                    memory_bytes: Some(6 * MIB),
                },
            }
        }

        /// Lets time pass at a cost of so many thousandths of a core; what was said that is not fine.
        fn run(&mut self, span: Duration, thousandths: u32) -> Vec<Verdict> {
            let mut said = Vec::new();
            let end = self.now + span;
            while self.now < end {
                assert!(self.budget.is_due(self.now));
                said.push(self.budget.check(self.now, self.usage));
                assert!(!self.budget.is_due(self.now), "one check a time");
                self.now += CHECK_GAP;
                self.usage.cpu += CHECK_GAP * thousandths / 1_000;
            }
            said.retain(|verdict| *verdict != Verdict::Fine);
            said
        }
    }

    fn steps(said: &[Verdict]) -> Vec<Step> {
        let step = |verdict: &Verdict| match verdict {
            Verdict::Tighten(step, _) | Verdict::Loosen(step) => *step,
            other => panic!("{other:?}"),
        };
        said.iter().map(step).collect()
    }

    #[test]
    fn a_cost_below_the_cap_and_a_burst_within_a_minute_are_fine() {
        let mut rig = Rig::new();
        assert_eq!(rig.run(SPAN * 10, 19), []);
        rig.usage.cpu += Duration::from_millis(30);
        assert_eq!(rig.run(SPAN * 10, 1), []);
    }

    #[test]
    fn beyond_the_cap_it_slows_down_and_then_detaches_each_after_its_own_minute() {
        let mut rig = Rig::new();
        let said = rig.run(SPAN * 5, 25);
        assert_eq!(steps(&said), [Step::Slow, Step::Detached]);
        let Some(Verdict::Tighten(_, Reached::Cpu { last_minute })) = said.first() else {
            panic!("{said:?}")
        };
        assert!(
            *last_minute > Duration::from_millis(1_200),
            "{last_minute:?}"
        );
        assert_eq!(rig.budget.step(), Step::Detached);
    }

    #[test]
    fn calm_leads_back_step_by_step_and_more_slowly_each_time() {
        let mut rig = Rig::new();
        rig.run(SPAN * 5, 25);
        let from = rig.now;
        assert_eq!(steps(&rig.run(CALM_MIN + SPAN * 2, 1)), [Step::Slow]);
        assert!(rig.now - from >= CALM_MIN);
        assert_eq!(rig.run(CALM_MIN, 1), [], "twice as long now");
        assert_eq!(steps(&rig.run(CALM_MIN * 2, 1)), [Step::Free]);
        assert_eq!(rig.run(CALM_MAX * 2, 1), []);
    }

    #[test]
    fn half_of_the_cap_is_not_calm() {
        let mut rig = Rig::new();
        rig.run(SPAN * 5, 25);
        assert_eq!(rig.run(CALM_MAX, 12), []);
    }

    #[test]
    fn too_much_memory_drops_caches_first_and_then_what_costs_more() {
        let mut rig = Rig::new();
        rig.usage.memory_bytes = Some(65 * MIB);
        let said = rig.run(SPAN * 4, 1);
        let reached = Reached::Memory { bytes: 65 * MIB };
        assert_eq!(
            said.get(..2),
            Some(
                &[
                    Verdict::DropCaches(reached),
                    Verdict::Tighten(Step::Slow, reached)
                ][..]
            )
        );
        rig.usage.memory_bytes = Some(64 * MIB);
        assert_eq!(rig.run(SPAN * 4, 1), [], "the cap itself is allowed");
    }

    #[test]
    fn a_peak_that_dropping_caches_ends_costs_nothing_else() {
        let mut rig = Rig::new();
        rig.usage.memory_bytes = Some(65 * MIB);
        assert_eq!(rig.run(CHECK_GAP, 1).len(), 1);
        rig.usage.memory_bytes = Some(10 * MIB);
        assert_eq!(rig.run(SPAN * 10, 1), []);
        assert_eq!(rig.budget.step(), Step::Free);
    }
}
