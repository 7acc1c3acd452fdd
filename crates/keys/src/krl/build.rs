//! Writing a list. The sections are chosen as OpenSSH chooses them, so that
//! the same statements give the same bytes.

use carrick_wire::{Encode, Mpint, Writer};

use super::{
    CERTIFICATES, Certs, EXPLICIT_KEY, FORMAT, KEY_ID, Krl, MAGIC, SERIAL_BITMAP, SERIAL_LIST,
    SERIAL_RANGE, SHA1, SHA256, Serials,
};

/// Most bits that a bitmap gets. OpenSSH writes longer ones, and then cannot
/// read them again: it takes no number of more than 16384 bits.
const BITMAP_MAX: u64 = 16384;

/// Cost in bits of a section's head, and of a serial number.
const HEAD: u64 = 8;
const NUMBER: u64 = 64;

/// Which kind of section holds a run of serial numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Range,
    Bitmap,
}

/// A section that is being filled.
enum Open {
    List(Vec<u64>),
    Range(u64, u64),
    Bitmap { offset: u64, runs: Vec<(u64, u64)> },
}

impl Open {
    fn kind(&self) -> Kind {
        match self {
            Self::List(_) => Kind::List,
            Self::Range(..) => Kind::Range,
            Self::Bitmap { .. } => Kind::Bitmap,
        }
    }

    fn start(kind: Kind, low: u64, high: u64) -> Self {
        match kind {
            Kind::List => Self::List((low..=high).collect()),
            Kind::Range => Self::Range(low, high),
            Kind::Bitmap => Self::Bitmap {
                offset: low,
                runs: vec![(low, high)],
            },
        }
    }

    fn write(&self, w: &mut Writer<'_>) {
        match self {
            Self::List(serials) => {
                w.u8(SERIAL_LIST);
                w.sub(|w| serials.iter().for_each(|serial| w.u64(*serial)));
            }
            Self::Range(low, high) => {
                w.u8(SERIAL_RANGE);
                w.sub(|w| {
                    w.u64(*low);
                    w.u64(*high);
                });
            }
            Self::Bitmap { offset, runs } => {
                w.u8(SERIAL_BITMAP);
                w.sub(|w| {
                    w.u64(*offset);
                    Mpint::from_magnitude(&bits(*offset, runs)).encode(w);
                });
            }
        }
    }
}

/// A bitmap's bytes, the bit for `offset` being the last.
fn bits(offset: u64, runs: &[(u64, u64)]) -> Vec<u8> {
    let top = runs.last().map_or(0, |(_, high)| high - offset);
    let len = usize::try_from(top / 8 + 1).unwrap_or(0);
    let mut bytes = vec![0_u8; len];
    for (low, high) in runs {
        for bit in (low - offset)..=(high - offset) {
            let back = usize::try_from(bit / 8).unwrap_or(usize::MAX);
            let at = len.checked_sub(1).and_then(|last| last.checked_sub(back));
            if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    bytes
}

/// What is known of a run when its section is chosen. Numbers are capped, so
/// that sums of them cannot overflow.
struct Run {
    /// How many serials it has.
    length: u64,
    /// From the end of the run before.
    gap_before: u64,
    /// To the next run; `None` if it is the last.
    gap_after: Option<u64>,
}

/// Chooses the kind of section that costs least for a run, and whether a new
/// one is begun although one of that kind is open.
fn choose(open: Option<Kind>, run: &Run) -> (Kind, bool) {
    let new_bitmap = HEAD + NUMBER;
    // What it costs to go over to each kind. A range never holds two runs.
    let (to_list, to_bitmap) = match open {
        Some(Kind::List) => (0, new_bitmap),
        Some(Kind::Bitmap) => (HEAD, 0),
        Some(Kind::Range) | None => (HEAD, new_bitmap),
    };
    let next = run.gap_after.map_or(0, |_| HEAD + NUMBER);
    let next_bit = run.gap_after.map_or(0, |gap| gap.min(HEAD + NUMBER));
    let bytes = |bits: u64| bits.div_ceil(8);
    let bitmap = bytes(to_bitmap + run.gap_before + run.length + next_bit);
    let range = bytes(HEAD + 2 * NUMBER + next);
    let list = bytes(to_list + NUMBER * run.length + next);
    let restarted = bytes(new_bitmap + run.length + next_bit);
    let mut best = (bitmap, Kind::Bitmap, false);
    for other in [
        (range, Kind::Range, false),
        (list, Kind::List, false),
        (restarted, Kind::Bitmap, true),
    ] {
        if other.0 < best.0 {
            best = other;
        }
    }
    (best.1, best.2)
}

fn write_serials(serials: &Serials, w: &mut Writer<'_>) {
    const CAP: u64 = 1 << 31;
    let mut open: Option<Open> = None;
    let mut last = 0;
    let mut runs = serials.iter().peekable();
    while let Some((low, high)) = runs.next() {
        let run = Run {
            length: (high - low).saturating_add(1).min(CAP),
            gap_before: if open.is_some() {
                (low - last).min(CAP)
            } else {
                0
            },
            gap_after: runs.peek().map(|(next, _)| (next - high).min(CAP)),
        };
        last = high;
        let (kind, new) = choose(open.as_ref().map(Open::kind), &run);
        match &mut open {
            Some(Open::List(serials)) if kind == Kind::List && !new => serials.extend(low..=high),
            Some(Open::Bitmap { offset, runs })
                if kind == Kind::Bitmap && !new && high - *offset < BITMAP_MAX =>
            {
                runs.push((low, high));
            }
            _ => {
                if let Some(full) = open.replace(Open::start(kind, low, high)) {
                    full.write(w);
                }
            }
        }
    }
    if let Some(full) = open {
        full.write(w);
    }
}

impl Certs {
    fn write(&self, w: &mut Writer<'_>) {
        match &self.authority {
            Some(key) => w.string(&key.to_blob()),
            None => w.string(b""),
        }
        w.string(b""); // reserved
        write_serials(&self.serials, w);
        if !self.key_ids.is_empty() {
            w.u8(KEY_ID);
            w.sub(|w| self.key_ids.iter().for_each(|id| w.string(id)));
        }
    }
}

impl Krl {
    /// The list's bytes.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.raw(MAGIC);
        w.u32(FORMAT);
        w.u64(self.version);
        w.u64(self.generated);
        w.u64(self.flags);
        w.string(b""); // reserved
        w.string(&self.comment);
        for certs in &self.certs {
            w.u8(CERTIFICATES);
            w.sub(|w| certs.write(w));
        }
        section(&mut w, EXPLICIT_KEY, self.keys.iter().map(Vec::as_slice));
        section(&mut w, SHA1, self.sha1.iter().map(<[u8; 20]>::as_slice));
        section(&mut w, SHA256, self.sha256.iter().map(<[u8; 32]>::as_slice));
        out
    }
}

/// A section of strings, if there are any.
fn section<'a>(w: &mut Writer<'_>, kind: u8, items: impl Iterator<Item = &'a [u8]>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        w.u8(kind);
        w.sub(|w| items.for_each(|item| w.string(item)));
    }
}
