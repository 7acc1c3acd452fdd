//! Times as options and certificates write them: `YYYYMMDD[HHMM[SS]][Z]`.

/// A date and time of day, in UTC or in the machine's zone, which is not
/// known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilTime {
    /// Year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// In UTC and not in local time.
    pub utc: bool,
}

impl CivilTime {
    /// Seconds since 1970; `None` for a time before. A time in the machine's
    /// zone is for `local` to tell: the year, then month, day, hour, minute and
    /// second.
    pub fn seconds(&self, local: impl FnOnce(u16, [u8; 5]) -> Option<u64>) -> Option<u64> {
        if self.utc {
            return u64::try_from(self.seconds_as_utc()).ok();
        }
        let rest = [self.month, self.day, self.hour, self.minute, self.second];
        local(self.year, rest)
    }

    /// Seconds since 1970 if the time is read as UTC. For local time,
    /// subtract the zone's offset from UTC.
    pub fn seconds_as_utc(&self) -> i64 {
        // Days from the civil date, the year beginning in March so that the
        // leap day is its last.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        days * 86_400
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
    }
}

/// Reads a time; a final `Z` or `UTC` makes it UTC.
pub fn parse_time(text: &str) -> Option<CivilTime> {
    let upper = text.to_ascii_uppercase();
    let (digits, utc) = match upper.strip_suffix("UTC").or(upper.strip_suffix('Z')) {
        Some(digits) => (digits, true),
        None => (upper.as_str(), false),
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let field = |from: usize, max: u8| match digits.get(from..from + 2) {
        Some(two) => two.parse::<u8>().ok().filter(|n| *n <= max),
        None => Some(0),
    };
    let time = CivilTime {
        year: digits.get(..4)?.parse().ok()?,
        month: field(4, 12)?,
        day: field(6, 31)?,
        hour: field(8, 23)?,
        minute: field(10, 59)?,
        second: field(12, 60)?,
        utc,
    };
    (time.month > 0 && time.day > 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_counted() {
        for (text, seconds, utc) in [
            ("20240229", 1_709_164_800, false),
            ("202402291530Z", 1_709_220_600, true),
            ("20240229153015utc", 1_709_220_615, true),
            ("19991231235959Z", 946_684_799, true),
        ] {
            let time = parse_time(text).expect("a time");
            assert_eq!((time.seconds_as_utc(), time.utc), (seconds, utc), "{text}");
        }
        for bad in [
            "",
            "Z",
            "2024",
            "20241301",
            "20240100",
            "20240101 1",
            "202401012460",
            "2024010112",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
