//! What can run in the fleet: programs, and the services that hold ports, most popular first.
//!
//! Two populations, because real fleets have two: about 400 products that everybody runs (Zipf
//! with exponent 1), and thousands of in-house ports with a handful of hosts each (exponent 1.5).
//! One curve for both would either give every fleet the same few hundred rows or give each host
//! mostly ports that no other host has.
//! Holds: made from the tables here and the constants below; the seed has no part in it.
//! Limit: made-up services stay below 32,768, where the kernel's ephemeral ports begin.

mod everywhere;
mod images;
mod products;

use std::collections::HashSet;

use portolan_wire::open_port::Transport;

use super::draws::Draws;
use super::weighted::Weighted;
pub(super) use everywhere::EVERYWHERE;
pub(super) use images::{IMAGES, Image};

/// Services of the first population, the named products among them.
const PRODUCTS: usize = 400;
/// Services of the second population.
const IN_HOUSE: usize = 40_000;
/// Share of the picked services that are in-house, in a thousandth.
const IN_HOUSE_PER_MILLE: u32 = 7;
/// First port that a made-up service may have, and how many there are below the ephemeral range
/// (net.ipv4.ip_local_port_range, 32768 by default).
const FIRST_PORT: u32 = 1_024;
const PORTS: u32 = 32_768 - FIRST_PORT;

/// An executable, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) user: &'static str,
    pub(super) unit: Option<&'static str>,
}

/// A port and the program that usually holds it, as a place in [`Catalogue::programs`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    pub(super) port: u16,
    pub(super) transport: Transport,
    pub(super) program: u16,
}

/// Everything that can run.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    /// Those of [`EVERYWHERE`] first and in its order, then those of products, then made-up ones.
    pub(super) programs: Vec<Program>,
    products: Vec<Service>,
    product_weights: Weighted,
    in_house: Vec<Service>,
    in_house_weights: Weighted,
}

impl Catalogue {
    pub(super) fn new() -> Self {
        let mut programs: Vec<Program> = EVERYWHERE
            .iter()
            .map(|e| Program {
                path: e.path.to_owned(),
                user: e.user,
                unit: Some(e.unit),
            })
            .collect();
        let mut products = products::named(&mut programs);
        let first_made_up = programs.len();
        programs.extend(products::made_up_programs());
        let mut made_up = MadeUp::new(&products, first_made_up..programs.len());
        products.extend(
            made_up
                .by_ref()
                .take(PRODUCTS.saturating_sub(products.len())),
        );
        let in_house: Vec<Service> = made_up.take(IN_HOUSE).collect();
        let product_weights: Vec<f64> = ranks(products.len()).map(|rank| 1.0 / rank).collect();
        let in_house_weights: Vec<f64> = ranks(in_house.len())
            .map(|rank| rank + PRODUCTS as f64)
            .map(|rank| 1.0 / (rank * rank.sqrt()))
            .collect();
        Self {
            programs,
            products,
            product_weights: Weighted::new(&product_weights),
            in_house,
            in_house_weights: Weighted::new(&in_house_weights),
        }
    }

    /// A service by its popularity.
    pub(super) fn pick(&self, draws: &mut Draws) -> Option<Service> {
        if draws.chance(IN_HOUSE_PER_MILLE) {
            return self.pick_in_house(draws);
        }
        self.products.get(self.product_weights.pick(draws)).copied()
    }

    /// A service that only few hosts have.
    pub(super) fn pick_in_house(&self, draws: &mut Draws) -> Option<Service> {
        self.in_house
            .get(self.in_house_weights.pick(draws))
            .copied()
    }

    /// A product, each as likely as another: where a service moves to during a day.
    pub(super) fn pick_evenly(&self, draws: &mut Draws) -> Option<Service> {
        draws.one_of(&self.products).copied()
    }

    /// Another program, `turn` places on: an upgrade that moved the executable.
    pub(super) fn other_program(&self, program: u16, turn: u32) -> u16 {
        let count = u32::try_from(self.programs.len()).unwrap_or(1);
        u16::try_from((u32::from(program) + turn) % count).unwrap_or(program)
    }
}

fn ranks(count: usize) -> impl Iterator<Item = f64> {
    (1..=count).map(|rank| rank as f64)
}

/// Services on ports that no table names, three TCP to one UDP, each (port, type) once.
struct MadeUp {
    next: u32,
    taken: HashSet<(u16, Transport)>,
    programs: std::ops::Range<usize>,
}

impl MadeUp {
    fn new(named: &[Service], programs: std::ops::Range<usize>) -> Self {
        let everywhere = EVERYWHERE
            .iter()
            .flat_map(|e| e.transports.iter().map(|transport| (e.port, *transport)));
        let taken = named
            .iter()
            .map(|s| (s.port, s.transport))
            .chain(everywhere)
            .collect();
        Self {
            next: 0,
            taken,
            programs,
        }
    }
}

impl Iterator for MadeUp {
    type Item = Service;

    fn next(&mut self) -> Option<Service> {
        loop {
            let turn = self.next;
            self.next += 1;
            let (transport, nth) = match turn % 4 {
                3 => (Transport::Udp, turn / 4),
                tcp => (Transport::Tcp, turn / 4 * 3 + tcp),
            };
            if nth >= PORTS {
                if turn >= PORTS * 4 {
                    return None;
                }
                continue;
            }
            // 12,289 has no factor in common with 31,744, so every port comes once.
            let port = FIRST_PORT + nth.wrapping_mul(12_289) % PORTS;
            let port = u16::try_from(port).ok()?;
            if self.taken.insert((port, transport)) {
                let program = self.programs.start + turn as usize % self.programs.len().max(1);
                return Some(Service {
                    port,
                    transport,
                    program: u16::try_from(program).ok()?,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_services_share_a_port_and_type() {
        let catalogue = Catalogue::new();
        assert_eq!(catalogue.products.len(), PRODUCTS);
        assert_eq!(catalogue.in_house.len(), IN_HOUSE);
        let mut seen = HashSet::new();
        for service in catalogue.products.iter().chain(&catalogue.in_house) {
            assert!(
                seen.insert((service.port, service.transport)),
                "{service:?} comes twice"
            );
        }
        assert!(
            catalogue
                .in_house
                .iter()
                .all(|s| (1_024..32_768).contains(&s.port))
        );
        for everywhere in EVERYWHERE {
            for transport in everywhere.transports {
                assert!(
                    !seen.contains(&(everywhere.port, *transport)),
                    "{everywhere:?}"
                );
            }
        }
    }

    #[test]
    fn a_few_hundred_programs_each_with_a_path_of_its_own() {
        let catalogue = Catalogue::new();
        let paths: HashSet<&str> = catalogue.programs.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths.len(), catalogue.programs.len());
        assert!((300..=500).contains(&paths.len()), "{}", paths.len());
        assert!(paths.iter().all(|path| path.starts_with('/')));
    }

    #[test]
    fn every_service_names_a_program() {
        let catalogue = Catalogue::new();
        let all = catalogue.products.iter().chain(&catalogue.in_house);
        assert!(
            all.clone()
                .all(|s| usize::from(s.program) < catalogue.programs.len())
        );
        assert_ne!(catalogue.other_program(3, 1), 3);
    }
}
