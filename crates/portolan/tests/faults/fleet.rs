//! Hosts that report all the time, each through whichever server answers, and a record of what was
//! acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{AGENT, PATIENCE, PROJECT, client};

const WRITERS: usize = 6;
const HOSTS_A_WRITER: usize = 4;
/// Acknowledgements after which a fault is behind: each writer has at least one of after it.
const MORE: u64 = 200;
/// What each host's port of its `n`th report is: `FIRST_PORT + n`.
pub(crate) const FIRST_PORT: u64 = 1_024;
/// Reports of one host at most: ports end.
const REPORTS_MAX: u64 = 60_000;

/// The newest report of each host that was sent, and that was acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

pub(crate) struct Fleet {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    writers: Vec<JoinHandle<BTreeMap<String, Recorded>>>,
}

impl Fleet {
    pub(crate) fn start(urls: Vec<String>) -> Self {
        let (stop, acknowledged) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let writers = (0..WRITERS).map(|number| {
            let writer = Writer {
                urls: urls.clone(),
                random: fastrand::Rng::with_seed(number as u64),
                client: client(),
                stop: Arc::clone(&stop),
                acknowledged: Arc::clone(&acknowledged),
            };
            std::thread::spawn(move || writer.run(number))
        });
        Self {
            writers: writers.collect(),
            stop,
            acknowledged,
        }
    }

    /// Waits until that many more reports are acknowledged.
    pub(crate) fn wait_for_more(&self) {
        let enough = self.acknowledged.load(Ordering::Acquire) + MORE;
        let until = Instant::now() + PATIENCE;
        while self.acknowledged.load(Ordering::Acquire) < enough {
            assert!(Instant::now() < until, "no more reports are taken");
            assert!(
                self.writers.iter().all(|writer| !writer.is_finished()),
                "a writer has ended"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(self) -> BTreeMap<String, Recorded> {
        self.stop.store(true, Ordering::Release);
        let writers = self.writers.into_iter();
        writers.flat_map(|writer| writer.join().unwrap()).collect()
    }
}

struct Writer {
    urls: Vec<String>,
    random: fastrand::Rng,
    client: ureq::Agent,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, number: usize) -> BTreeMap<String, Recorded> {
        let mut recorded: BTreeMap<String, Recorded> = (0..HOSTS_A_WRITER)
            .map(|host| (format!("h-{number}-{host}"), Recorded::default()))
            .collect();
        loop {
            for (host, of_host) in &mut recorded {
                of_host.sent += 1;
                assert!(of_host.sent < REPORTS_MAX, "too many reports for ports");
                if !self.send(host, of_host.sent) {
                    return recorded;
                }
                of_host.acknowledged = of_host.sent;
                self.acknowledged.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Sends a report until some server takes it; false where that is no longer waited for.
    fn send(&mut self, host: &str, sequence: u64) -> bool {
        while !self.stop.load(Ordering::Acquire) {
            let url = &self.urls[self.random.usize(0..self.urls.len())];
            let sent = self
                .client
                .post(format!("{url}/portolan/v1/projects/{PROJECT}/reports"))
                .header("X-Auth-Token", AGENT)
                .content_type("application/json")
                .send(report(host, sequence).to_string());
            let answer = sent.ok().and_then(|mut answer| {
                let taken = answer.status() == 200;
                let body = answer.body_mut().read_json::<Value>().ok();
                body.filter(|_| taken)
            });
            match answer {
                Some(answer) => {
                    let result = &answer["results"][0];
                    // The newest report of a host is never stale, whichever server is asked.
                    assert_eq!(result["status"], "accepted", "{host} {sequence}: {result}");
                    return true;
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        false
    }
}

fn report(host: &str, sequence: u64) -> Value {
    json!({"reports": [{
        "host": {"host_id": host}, "generation": 1, "sequence": sequence,
        "observed_at": "2026-11-24T00:00:00Z", "coverage": {"privileged": true},
        "open_ports": [
            {"type": "TCP", "laddr": "10.0.0.1", "port": FIRST_PORT + sequence, "path": "/bin/now"},
            {"type": "TCP", "laddr": "10.0.0.1", "port": 22, "path": "/usr/sbin/sshd"},
        ],
    }]})
}
