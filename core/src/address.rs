//! IP addresses and blocks of them (CIDR).

/// An address, in its family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    /// IPv4.
    V4(u32),
    /// IPv6.
    V6(u128),
}

impl Address {
    /// Reads an address that fills `text`: dotted decimal without leading zeros, or RFC 4291
    /// section 2.2 (also with the last 32 bits in dotted decimal), without a zone.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if let Some(address) = parse_v4(text) {
            return Some(Self::V4(address));
        }
        parse_v6(text).map(Self::V6)
    }
}

/// The addresses that share a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Block {
    base: Address,
    /// Low bits in which members differ: 0 to 32, or to 128.
    free_bits: u8,
}

impl Block {
    /// Reads `address/prefix length`, or an address as the block of it alone, that fills `text`.
    /// The length has no leading zeros. Bits beyond the prefix are ignored.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let slash = text
            .iter()
            .position(|byte| *byte == b'/')
            .unwrap_or(text.len());
        let (address, length) = text.split_at_checked(slash)?;
        let base = Address::parse(address)?;
        let width: u8 = match base {
            Address::V4(_) => 32,
            Address::V6(_) => 128,
        };
        let length = match length {
            [] => width,
            [_, length @ ..] => decimal(length)?,
        };
        Some(Self {
            base,
            free_bits: width.checked_sub(length)?,
        })
    }

    /// Whether `address` is in this block. IPv4 addresses are in no IPv6 block, nor the reverse.
    pub(crate) fn contains(&self, address: Address) -> bool {
        // A shift by the full width leaves nothing to differ: `/0` holds its whole family.
        let free = u32::from(self.free_bits);
        match (self.base, address) {
            (Address::V4(base), Address::V4(address)) => {
                (base ^ address).checked_shr(free).unwrap_or(0) == 0
            }
            (Address::V6(base), Address::V6(address)) => {
                (base ^ address).checked_shr(free).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl Block {
    /// What makes this block, without the bits that are ignored: the same for two blocks of the same
    /// addresses.
    pub(crate) fn parts(&self) -> [u64; 4] {
        let (width, base) = match self.base {
            Address::V4(base) => (32, u128::from(base)),
            Address::V6(base) => (128, base),
        };
        let prefix = base.checked_shr(self.free_bits.into()).unwrap_or(0);
        [
            width,
            self.free_bits.into(),
            (prefix >> 64) as u64,
            prefix as u64,
        ]
    }
}

impl core::fmt::Display for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.base {
            Address::V4(base) => {
                let base = core::net::Ipv4Addr::from_bits(base);
                write!(f, "{base}/{}", 32 - self.free_bits.min(32))
            }
            Address::V6(base) => {
                let base = core::net::Ipv6Addr::from_bits(base);
                write!(f, "{base}/{}", 128 - self.free_bits.min(128))
            }
        }
    }
}

fn parse_v4(text: &[u8]) -> Option<u32> {
    let mut octets = text.split(|byte| *byte == b'.');
    let mut address = 0;
    for _ in 0..4 {
        address = address << 8 | u32::from(decimal(octets.next()?)?);
    }
    octets.next().is_none().then_some(address)
}

/// A number up to 255 without leading zeros.
fn decimal(text: &[u8]) -> Option<u8> {
    if text.is_empty() || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    text.iter().try_fold(0_u8, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn parse_v6(text: &[u8]) -> Option<u128> {
    /// Bits of an address.
    const WIDTH: u32 = 128;
    let mut address = 0_u128;
    let mut bits = 0;
    // How many bits stood before `::`.
    let mut gap = None;
    let mut rest = text;
    if let Some(after) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), after);
    }
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(rest.len());
        let (group, after) = rest.split_at_checked(end)?;
        let (value, width) = if let Some(value) = parse_group(group) {
            (value, 16)
        } else if after.is_empty() {
            (parse_v4(group)?, 32)
        } else {
            return None;
        };
        bits += width;
        if bits > WIDTH {
            return None;
        }
        address = address << width | u128::from(value);
        rest = match after {
            [] => after,
            [b':', b':', after @ ..] => {
                if gap.replace(bits).is_some() {
                    return None;
                }
                after
            }
            // A single colon ends nothing.
            [_] => return None,
            [_, after @ ..] => after,
        };
    }
    match gap {
        None => (bits == WIDTH).then_some(address),
        // `::` stands for at least one group.
        Some(_) if bits == WIDTH => None,
        Some(before) => {
            let after = bits - before;
            let low = address & ((1 << after) - 1);
            let high = (address >> after).checked_shl(WIDTH - before).unwrap_or(0);
            Some(high | low)
        }
    }
}

/// One to four hexadecimal digits.
fn parse_group(text: &[u8]) -> Option<u32> {
    if !(1..=4).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0, |group, byte| {
        Some(group << 4 | char::from(*byte).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests;
