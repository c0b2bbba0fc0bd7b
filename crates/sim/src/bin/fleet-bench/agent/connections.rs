//! Connections over loopback that come and go: what makes a program on every change of TCP's states
//! run.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use portolan_sim::bench::machine::own_cpu;

/// How long a slice of a paced load is.
const SLICE: Duration = Duration::from_millis(10);

/// Connects to itself.
pub(crate) struct Connections {
    listener: TcpListener,
    port: u16,
    made: u16,
}

/// What connections have cost.
pub(crate) struct Made {
    pub(crate) count: u32,
    pub(crate) time: Duration,
    /// CPU of this process, both ends.
    pub(crate) cpu: Duration,
}

impl Made {
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.count) / self.time.as_secs_f64()
    }

    pub(crate) fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(self.count)
    }
}

impl Connections {
    pub(crate) fn new() -> io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            port,
            made: 0,
        })
    }

    /// As many as that, one after the other, as fast as it goes.
    pub(crate) fn make(&mut self, count: u32) -> io::Result<Made> {
        let (start, cpu) = (Instant::now(), own_cpu());
        for _ in 0..count {
            self.one()?;
        }
        Ok(Made {
            count,
            time: start.elapsed(),
            cpu: own_cpu().saturating_sub(cpu),
        })
    }

    /// So many a second for that long; fewer where the machine does not give more.
    pub(crate) fn pace(&mut self, a_second: u32, span: Duration) -> io::Result<Made> {
        let (start, cpu) = (Instant::now(), own_cpu());
        let mut count = 0;
        while start.elapsed() < span {
            let due = start.elapsed().as_secs_f64() * f64::from(a_second);
            while f64::from(count) < due && start.elapsed() < span {
                self.one()?;
                count += 1;
            }
            // A load keeps its pace; nothing is waited for.
            std::thread::sleep(SLICE);
        }
        Ok(Made {
            count,
            time: start.elapsed(),
            cpu: own_cpu().saturating_sub(cpu),
        })
    }

    fn one(&mut self) -> io::Result<()> {
        // Another address each time: between two the ports would run out, as each rests for a time.
        let [high, low] = self.made.to_be_bytes();
        self.made = self.made.wrapping_add(1);
        let near = TcpStream::connect((Ipv4Addr::new(127, 90, high, low), self.port))?;
        let (far, _) = self.listener.accept()?;
        drop(near);
        drop(far);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_made_and_counted() {
        let mut connections = Connections::new().unwrap();
        let made = connections.make(50).unwrap();
        assert_eq!(made.count, 50);
        assert!(made.rate() > 0.0 && made.cpu_micros() > 0.0);
        let paced = connections.pace(1_000, Duration::from_millis(50)).unwrap();
        assert!((1..=51).contains(&paced.count), "{}", paced.count);
    }
}
