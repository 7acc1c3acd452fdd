//! The picture that stands for a fingerprint ("drunken bishop"), exactly as
//! OpenSSH draws it.

use crate::{FingerprintHash, PublicKey};

const WIDTH: usize = 17;
const HEIGHT: usize = 9;
/// What a square shows after so many visits.
const VISITS: &[u8] = b" .o+=*BOX@%&#/^";
const START: u8 = b'S';
const END: u8 = b'E';

/// Draws `key`'s fingerprint under `hash`: eleven lines, no final newline.
pub fn randomart(key: &PublicKey, hash: FingerprintHash) -> String {
    let field = walk(key.fingerprint(hash).digest());
    let mut title = format!("[{} {}]", key.short_name(), key.bits());
    if title.len() >= WIDTH {
        title = format!("[{}]", key.short_name());
        title.truncate(WIDTH - 1);
    }
    let mut out = border(&title);
    for row in field.chunks(WIDTH) {
        out.push_str("\n|");
        out.extend(row.iter().map(|b| char::from(*b)));
        out.push('|');
    }
    out.push('\n');
    out + &border(&format!("[{}]", hash.name()))
}

/// The bishop's walk: two bits a step, lowest first, each a diagonal move
/// that slides along the walls.
fn walk(digest: &[u8]) -> Vec<u8> {
    let mut visits = vec![0usize; WIDTH * HEIGHT];
    let (mut x, mut y) = (WIDTH / 2, HEIGHT / 2);
    for byte in digest {
        for shift in [0, 2, 4, 6] {
            let step = byte >> shift;
            x = slide(x, step & 1 != 0, WIDTH);
            y = slide(y, step & 2 != 0, HEIGHT);
            if let Some(count) = visits.get_mut(y * WIDTH + x) {
                *count += 1;
            }
        }
    }
    let most = VISITS.len() - 1;
    let mut field: Vec<u8> = visits
        .iter()
        .map(|n| VISITS.get((*n).min(most)).copied().unwrap_or(b' '))
        .collect();
    for (at, mark) in [
        (HEIGHT / 2 * WIDTH + WIDTH / 2, START),
        (y * WIDTH + x, END),
    ] {
        if let Some(square) = field.get_mut(at) {
            *square = mark;
        }
    }
    field
}

fn slide(at: usize, forward: bool, size: usize) -> usize {
    if forward {
        (at + 1).min(size - 1)
    } else {
        at.saturating_sub(1)
    }
}

fn border(label: &str) -> String {
    let left = WIDTH.saturating_sub(label.len()) / 2;
    let right = WIDTH.saturating_sub(label.len() + left);
    format!("+{}{label}{}+", "-".repeat(left), "-".repeat(right))
}
