//! The requests: what is asked for, as bytes.

use portolan_wire::open_port::Transport;

use crate::kernel_socket::{STATE_CLOSE, STATE_LISTEN};

/// `SOCK_DIAG_BY_FAMILY`, include/uapi/linux/sock_diag.h.
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`, include/uapi/linux/inet_diag.h: older, and the only request that dumps both
/// address families in one pass over the kernel's table.
pub(super) const TCPDIAG_GETSOCK: u16 = 18;

/// `NLM_F_REQUEST | NLM_F_DUMP`, include/uapi/linux/netlink.h.
const FLAGS: u16 = 0x001 | 0x300;
/// Bytes of a `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// `AF_INET`.
pub(super) const AF_INET: u8 = 2;
/// `AF_INET6`.
pub(super) const AF_INET6: u8 = 10;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// One dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// TCP in LISTEN, both families, in one pass (about half the price of two).
    TcpBothFamilies,
    /// The open ports of one transport and family.
    ByFamily(Transport, Family),
}

impl Query {
    /// The queries that together list a transport; the second list is for kernels that refuse the
    /// first.
    pub(crate) fn lists_of(transport: Transport) -> &'static [&'static [Query]] {
        const UDP: &[Query] = &[
            Query::ByFamily(Transport::Udp, Family::V4),
            Query::ByFamily(Transport::Udp, Family::V6),
        ];
        const TCP: &[Query] = &[
            Query::ByFamily(Transport::Tcp, Family::V4),
            Query::ByFamily(Transport::Tcp, Family::V6),
        ];
        match transport {
            Transport::Tcp => &[&[Query::TcpBothFamilies], TCP],
            Transport::Udp => &[UDP],
        }
    }

    /// The transport that is asked for.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::TcpBothFamilies => Transport::Tcp,
            Self::ByFamily(transport, _) => transport,
        }
    }

    /// The message to send, in the machine's byte order.
    pub(super) fn encode(self, sequence: u32) -> Vec<u8> {
        let state = match self.transport() {
            Transport::Tcp => STATE_LISTEN,
            Transport::Udp => STATE_CLOSE,
        };
        let states = 1u32 << state;
        // struct inet_diag_sockid: ports, addresses, interface and cookie, none of them given.
        let anything = [0u8; 48];
        let mut body = Vec::with_capacity(64);
        let kind = match self {
            Self::TcpBothFamilies => {
                // struct inet_diag_req: family, source and destination length, extensions,
                // sockid, states, database flags.
                body.extend([0, 0, 0, 0]);
                body.extend(anything);
                body.extend(states.to_ne_bytes());
                body.extend(0u32.to_ne_bytes());
                TCPDIAG_GETSOCK
            }
            Self::ByFamily(transport, family) => {
                // struct inet_diag_req_v2: family, protocol, extensions, padding, states, sockid.
                let family = match family {
                    Family::V4 => AF_INET,
                    Family::V6 => AF_INET6,
                };
                let protocol = match transport {
                    Transport::Tcp => 6,
                    Transport::Udp => 17,
                };
                body.extend([family, protocol, 0, 0]);
                body.extend(states.to_ne_bytes());
                body.extend(anything);
                SOCK_DIAG_BY_FAMILY
            }
        };
        let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
        // The body is at most 60 bytes, so the sum fits.
        message.extend((HEADER_BYTES as u32 + body.len() as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(FLAGS.to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(body);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_by_family_is_an_inet_diag_req_v2_for_one_state() {
        let message = Query::ByFamily(Transport::Udp, Family::V6).encode(7);
        assert_eq!(message.len(), 72);
        assert_eq!(message[..4], 72u32.to_ne_bytes());
        assert_eq!(message[4..6], 20u16.to_ne_bytes());
        assert_eq!(message[6..8], 0x301u16.to_ne_bytes());
        assert_eq!(message[8..12], 7u32.to_ne_bytes());
        assert_eq!(message[16..20], [10, 17, 0, 0]);
        assert_eq!(message[20..24], (1u32 << 7).to_ne_bytes());
        assert!(message[24..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_request_for_both_families_is_an_inet_diag_req() {
        let message = Query::TcpBothFamilies.encode(9);
        assert_eq!(message.len(), 76);
        assert_eq!(message[4..6], 18u16.to_ne_bytes());
        assert_eq!(message[16 + 52..16 + 56], (1u32 << 10).to_ne_bytes());
    }
}
