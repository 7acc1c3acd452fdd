//! Bubble Babble: a fingerprint in words that can be read out
//! (Antti Huima's "The Bubble Babble Binary Data Encoding").

use carrick_crypto::hash::HashAlg;

use crate::PublicKey;

const VOWELS: &[u8; 6] = b"aeiouy";
const CONSONANTS: &[u8; 17] = b"bcdfghklmnprstvzx";

/// `key`'s SHA-1 fingerprint in Bubble Babble, as `ssh-keygen -B` prints it.
/// A certificate's is that of the certified key.
pub fn bubblebabble(key: &PublicKey) -> String {
    encode(&HashAlg::Sha1.digest(&[&key.plain().to_blob()]))
}

fn vowel(n: usize) -> char {
    VOWELS.get(n % 6).map_or('a', |c| char::from(*c))
}

fn consonant(n: usize) -> char {
    CONSONANTS.get(n).map_or('x', |c| char::from(*c))
}

/// Two bytes make five letters and a dash, three of them vowels that also
/// carry a checksum; `x` stands around it all.
fn encode(data: &[u8]) -> String {
    let mut out = String::from("x");
    let mut sum = 1;
    let mut pairs = data.chunks_exact(2);
    for pair in &mut pairs {
        let (first, second) = match pair {
            [a, b] => (usize::from(*a), usize::from(*b)),
            _ => continue,
        };
        out.extend(tuple(first, sum));
        out.push(consonant(second >> 4));
        out.push('-');
        out.push(consonant(second & 15));
        sum = (sum * 5 + first * 7 + second) % 36;
    }
    match pairs.remainder() {
        [last] => out.extend(tuple(usize::from(*last), sum)),
        _ => out.extend([vowel(sum), consonant(16), vowel(sum / 6)]),
    }
    out.push('x');
    out
}

/// A byte as vowel, consonant, vowel.
fn tuple(byte: usize, sum: usize) -> [char; 3] {
    [
        vowel((byte >> 6) + sum),
        consonant((byte >> 2) & 15),
        vowel((byte & 3) + sum / 6),
    ]
}

#[cfg(test)]
mod tests {
    use super::encode;

    /// The examples of the paper.
    #[test]
    fn published_examples() {
        assert_eq!(encode(b""), "xexax");
        assert_eq!(encode(b"1234567890"), "xesef-disof-gytuf-katof-movif-baxux");
        assert_eq!(encode(b"Pineapple"), "xigak-nyryk-humil-bosek-sonax");
    }
}
