use proptest::prelude::*;

use super::*;

/// A `struct inet_diag_msg` of a dual-stack listener on port 8080, bound to interface 3.
pub(crate) fn listener() -> Vec<u8> {
    let mut bytes = vec![AF_INET6, 10, 0, 0];
    bytes.extend(8080u16.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend([0; 32]);
    bytes.extend(3u32.to_ne_bytes());
    bytes.extend(0x5566_7788u32.to_ne_bytes());
    bytes.extend(0x1122_3344u32.to_ne_bytes());
    bytes.extend([0; 12]);
    bytes.extend(1000u32.to_ne_bytes());
    bytes.extend(4242u32.to_ne_bytes());
    bytes
}

pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(crate) fn framed(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn every_field_of_a_socket_is_read_from_its_place() {
    let mut bytes = listener();
    bytes.extend(attribute(5, &[9]));
    bytes.extend(attribute(INET_DIAG_SKV6ONLY, &[1]));
    bytes.extend(attribute(
        INET_DIAG_CGROUP_ID,
        &0x1_0000_0078u64.to_ne_bytes(),
    ));
    let expected = KernelSocket {
        id: SocketId::Cookie(0x1122_3344_5566_7788),
        transport: Transport::Tcp,
        address: "::".parse().unwrap(),
        port: 8080,
        v6only: Some(true),
        interface: 3,
        uid: 1000,
        inode: 4242,
        cgroup: 0x1_0000_0078,
    };
    assert_eq!(socket(&bytes, Transport::Tcp), Ok(Some(expected)));
}

#[test]
fn an_ipv4_socket_has_its_first_four_address_bytes_and_no_v6only() {
    let mut bytes = listener();
    bytes[0] = AF_INET;
    bytes[8..12].copy_from_slice(&[127, 0, 0, 53]);
    let socket = socket(&bytes, Transport::Tcp).unwrap().unwrap();
    assert_eq!(socket.address, IpAddr::from([127, 0, 0, 53]));
    assert_eq!((socket.v6only, socket.cgroup), (None, 0));
}

#[test]
fn sockets_in_other_states_are_no_open_ports_and_no_error() {
    for state in [1, 7, 13] {
        let mut bytes = listener();
        bytes[1] = state;
        assert_eq!(socket(&bytes, Transport::Tcp), Ok(None), "state {state}");
    }
}

#[test]
fn an_unknown_family_and_each_cut_are_malformed() {
    let mut other = listener();
    other[0] = 1;
    assert_eq!(socket(&other, Transport::Tcp), Err(Malformed));
    let mut whole = listener();
    whole.extend(attribute(INET_DIAG_SKV6ONLY, &[1]));
    for length in 0..whole.len() {
        let cut = socket(&whole[..length], Transport::Tcp);
        // Without its padding, or without its only attribute, the message is still one.
        let fits = length == DIAG_BYTES || length >= DIAG_BYTES + 5;
        assert_eq!(cut.is_ok(), fits, "cut to {length} bytes");
    }
}

#[test]
fn a_datagram_splits_into_its_messages() {
    let mut bytes = framed(SOCK_DIAG_BY_FAMILY, 2, 5, &[1, 2, 3]);
    bytes.extend(framed(NLMSG_DONE, NLM_F_DUMP_INTR, 5, &0i32.to_ne_bytes()));
    bytes.extend(framed(NLMSG_ERROR, 0, 6, &(-13i32).to_ne_bytes()));
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while let Some(message) = next(&mut rest) {
        messages.push(message.unwrap());
    }
    let framed = |sequence, interrupted, message| Framed {
        sequence,
        interrupted,
        message,
    };
    assert_eq!(
        messages,
        [
            framed(5, false, Message::Socket(&[1, 2, 3])),
            framed(5, true, Message::Done(0)),
            framed(6, false, Message::Done(-13)),
        ]
    );
}

#[test]
fn a_length_below_the_header_or_beyond_the_datagram_is_malformed() {
    for length in [0u32, 15, 21, u32::MAX] {
        let mut bytes = framed(SOCK_DIAG_BY_FAMILY, 0, 1, &[0; 4]);
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(
            next(&mut bytes.as_slice()),
            Some(Err(Malformed)),
            "{length}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic_or_run_for_ever(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        length in 0u32..80,
    ) {
        let mut bytes = bytes;
        if let Some(head) = bytes.get_mut(..4) {
            head.copy_from_slice(&length.to_ne_bytes());
        }
        let _whatever = socket(&bytes, Transport::Udp);
        let mut rest = bytes.as_slice();
        let mut steps = 0;
        while let Some(Ok(framed)) = next(&mut rest) {
            if let Message::Socket(payload) = framed.message {
                let _whatever = socket(payload, Transport::Tcp);
            }
            steps += 1;
            prop_assert!(steps <= bytes.len() / HEADER_BYTES + 1);
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 0usize..100, to in any::<u8>()) {
        let mut bytes = listener();
        bytes.extend(attribute(INET_DIAG_SKV6ONLY, &[0]));
        bytes.extend(attribute(INET_DIAG_CGROUP_ID, &[1; 8]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        let _whatever = socket(&bytes, Transport::Tcp);
    }
}
