//! Which addresses of the network a webhook may go to: public ones. Pure, so that it can be tried with every range there is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of IPv4 that are no place for a webhook: IANA's special-purpose registry, and what a cloud keeps for itself.
const V4: &[(&str, Ipv4Addr, u8)] = &[
    ("this network", Ipv4Addr::new(0, 0, 0, 0), 8),
    ("private", Ipv4Addr::new(10, 0, 0, 0), 8),
    ("shared by a carrier (CGNAT)", Ipv4Addr::new(100, 64, 0, 0), 10),
    ("loopback", Ipv4Addr::new(127, 0, 0, 0), 8),
    // Azure's, which answers only from inside; the other clouds' lie in the ranges below.
    ("a cloud's own", Ipv4Addr::new(168, 63, 129, 16), 32),
    ("link-local, where clouds keep their metadata", Ipv4Addr::new(169, 254, 0, 0), 16),
    ("private", Ipv4Addr::new(172, 16, 0, 0), 12),
    ("IETF protocols", Ipv4Addr::new(192, 0, 0, 0), 24),
    ("documentation", Ipv4Addr::new(192, 0, 2, 0), 24),
    ("AS112", Ipv4Addr::new(192, 31, 196, 0), 24),
    ("AMT", Ipv4Addr::new(192, 52, 193, 0), 24),
    ("6to4 relays", Ipv4Addr::new(192, 88, 99, 0), 24),
    ("private", Ipv4Addr::new(192, 168, 0, 0), 16),
    ("AS112", Ipv4Addr::new(192, 175, 48, 0), 24),
    ("benchmarks", Ipv4Addr::new(198, 18, 0, 0), 15),
    ("documentation", Ipv4Addr::new(198, 51, 100, 0), 24),
    ("documentation", Ipv4Addr::new(203, 0, 113, 0), 24),
    ("multicast", Ipv4Addr::new(224, 0, 0, 0), 4),
    ("reserved, and broadcast", Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Ranges inside of 2000::/3, IPv6's only public one, that are not.
const V6: &[(&str, Ipv6Addr, u8)] = &[
    // Teredo, benchmarks, ORCHID: some of them carry an IPv4 address.
    ("IETF protocols", Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    ("documentation", Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    ("6to4, which carries an IPv4 address", Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    ("AS112", Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    ("documentation", Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Why an address is no place for a webhook; `None` for a public one.
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => V4.iter().find(|(_, net, bits)| in_v4(address, *net, *bits)).map(|(name, ..)| *name),
        IpAddr::V6(address) if !in_v6(address, Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3) => {
            // Among them ::1, unique-local and link-local ones, and every form that has an IPv4 address inside
            // (::ffff:0:0/96, 64:ff9b::/96, 64:ff9b:1::/48).
            Some("not in IPv6's public range")
        }
        IpAddr::V6(address) => V6.iter().find(|(_, net, bits)| in_v6(address, *net, *bits)).map(|(name, ..)| *name),
    }
}

/// Whether a webhook may go there. `allow_private`: the machine itself and private networks too, as tests and a local stack
/// need; never what is a cloud's own.
pub fn admits(address: IpAddr, allow_private: bool) -> bool {
    let own = match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    special(address).is_none() || (allow_private && own)
}

fn in_v4(address: Ipv4Addr, net: Ipv4Addr, bits: u8) -> bool {
    let shift = 32 - u32::from(bits);
    address.to_bits().checked_shr(shift) == net.to_bits().checked_shr(shift)
}

fn in_v6(address: Ipv6Addr, net: Ipv6Addr, bits: u8) -> bool {
    let shift = 128 - u32::from(bits);
    address.to_bits().checked_shr(shift) == net.to_bits().checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    /// The registries of IANA (iana-ipv4-special-registry, iana-ipv6-special-registry, multicast), first and last address.
    const REGISTERED: &[(&str, &str)] = &[
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.31.196.0", "192.31.196.255"),
        ("192.52.193.0", "192.52.193.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("192.175.48.0", "192.175.48.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "239.255.255.255"),
        ("240.0.0.0", "255.255.255.255"),
        ("::", "::"),
        ("::1", "::1"),
        ("::ffff:0:0", "::ffff:ffff:ffff"),
        ("64:ff9b::", "64:ff9b::ffff:ffff"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        ("100::", "100::ffff:ffff:ffff:ffff"),
        ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:1::1", "2001:1::3"),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
        ("2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff"),
        ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];

    #[test]
    fn no_address_of_a_special_range_is_admitted() {
        for (first, last) in REGISTERED {
            assert!(special(ip(first)).is_some() && special(ip(last)).is_some(), "{first} to {last}");
        }
        for metadata in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe:a9fe::1",
            "::169.254.169.254",
        ] {
            assert!(!admits(ip(metadata), false) && !admits(ip(metadata), true), "{metadata}");
        }
    }

    #[test]
    fn what_lies_beside_a_special_range_is_public() {
        for public in [
            "1.0.0.0",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "3ffe:ffff::1",
        ] {
            assert_eq!(special(ip(public)), None, "{public}");
        }
    }

    #[test]
    fn only_the_machine_itself_and_private_networks_can_be_allowed() {
        for own in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "::1"] {
            assert!(admits(ip(own), true) && !admits(ip(own), false), "{own}");
        }
        for never in [
            "0.0.0.0",
            "169.254.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fc00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!admits(ip(never), true), "{never}");
        }
    }

    proptest! {
        #[test]
        fn every_address_inside_a_registered_range_is_refused(at in 0..REGISTERED.len(), part in 0.0f64..=1.0) {
            let (first, last) = REGISTERED[at];
            let inside = match (ip(first), ip(last)) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    let (first, last) = (first.to_bits(), last.to_bits());
                    IpAddr::V4(Ipv4Addr::from_bits(first + (f64::from(last - first) * part) as u32))
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    let (first, last) = (first.to_bits(), last.to_bits());
                    IpAddr::V6(Ipv6Addr::from_bits(first + ((last - first) / 1000) * (part * 1000.0) as u128))
                }
                _ => unreachable!("a range is of one family"),
            };
            prop_assert!(special(inside).is_some(), "{inside}");
        }

        #[test]
        fn no_ipv6_form_brings_a_private_ipv4_address_in(bits: u32) {
            let [a, b, c, d] = Ipv4Addr::from_bits(bits).octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for form in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, high, low),
            ] {
                prop_assert!(special(IpAddr::V6(form)).is_some(), "{form}");
            }
        }

        #[test]
        fn an_ipv4_address_is_public_or_in_a_registered_range(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let registered = REGISTERED.iter().any(|(first, last)| matches!((ip(first), ip(last)),
                (IpAddr::V4(first), IpAddr::V4(last)) if (first..=last).contains(&address)));
            prop_assert_eq!(special(IpAddr::V4(address)).is_some(), registered || address == Ipv4Addr::new(168, 63, 129, 16));
        }
    }
}
