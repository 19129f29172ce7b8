//! Bech32 (BIP 173): the spelling of keys, with a checksum that finds typing errors.

/// The 32 letters.
const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Letters of the checksum.
const CHECKSUM: usize = 6;

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let mut sum: u32 = 1;
    for value in values {
        let top = sum >> 25;
        sum = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        for (bit, generator) in GENERATORS.iter().enumerate() {
            if (top >> bit) & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum
}

fn prefix_values(prefix: &str) -> impl Iterator<Item = u8> {
    let (high, low) = (prefix.bytes().map(|byte| byte >> 5), prefix.bytes().map(|byte| byte & 31));
    high.chain([0]).chain(low).collect::<Vec<_>>().into_iter()
}

/// Spells 32 bytes in lower case.
pub(super) fn encode(prefix: &str, bytes: &[u8; 32]) -> String {
    let mut values = Vec::with_capacity(52);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push((held >> bits & 31) as u8);
        }
    }
    values.push((held << (5 - bits) & 31) as u8);
    let sum = polymod(prefix_values(prefix).chain(values.iter().copied()).chain([0; CHECKSUM])) ^ 1;
    values.extend((0..CHECKSUM).map(|at| (sum >> (5 * (CHECKSUM - 1 - at)) & 31) as u8));
    let letters: String = values.iter().map(|value| char::from(LETTERS[usize::from(*value)])).collect();
    format!("{prefix}1{letters}")
}

/// Reads 32 bytes; the prefix is given in lower case, the text may be all in upper case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let is_mixed =
        text.bytes().any(|byte| byte.is_ascii_lowercase()) && text.bytes().any(|byte| byte.is_ascii_uppercase());
    let lower = text.to_ascii_lowercase();
    let letters = lower.strip_prefix(prefix)?.strip_prefix('1').filter(|_| !is_mixed)?;
    let value = |letter: u8| LETTERS.iter().position(|known| *known == letter).and_then(|at| u8::try_from(at).ok());
    let values: Vec<u8> = letters.bytes().map(value).collect::<Option<_>>()?;
    if values.len() != 52 + CHECKSUM || polymod(prefix_values(prefix).chain(values.iter().copied())) != 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(32);
    let (mut held, mut bits) = (0_u32, 0);
    for value in &values[..52] {
        held = (held << 5 | u32::from(*value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 255) as u8);
        }
    }
    // What is left over must be nothing.
    (held & ((1 << bits) - 1) == 0).then_some(())?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_can_be_read_and_typing_errors_are_found() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 * 7);
        let text = encode("age", &bytes);
        assert_eq!(decode("age", &text), Some(bytes));
        assert_eq!(decode("age", &text.to_ascii_uppercase()), Some(bytes));
        assert_eq!(decode("agf", &text), None);
        for at in 4..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'q' { b'p' } else { b'q' };
            assert_eq!(decode("age", std::str::from_utf8(&wrong).unwrap()), None, "letter {at}");
        }
    }
}
