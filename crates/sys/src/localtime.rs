//! The machine's time zone: between seconds since 1970 and a date and time of
//! day as people there write them.

use std::fmt;
use std::mem::MaybeUninit;

/// A date and time of day in the machine's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Year.
    pub year: i32,
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
}

impl fmt::Display for LocalTime {
    /// `YYYY-MM-DDTHH:MM:SS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

impl LocalTime {
    /// Of its parts, in the order in which they are written.
    pub fn new(year: u16, [month, day, hour, minute, second]: [u8; 5]) -> Self {
        Self {
            year: year.into(),
            month,
            day,
            hour,
            minute,
            second,
        }
    }

    /// The local time at that many seconds since 1970; `None` if it cannot be
    /// told.
    pub fn at(seconds: i64) -> Option<Self> {
        let mut out = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are to live values of the right types, and
        // localtime_r keeps neither. It reads TZ, which nothing here sets.
        let filled = unsafe { libc::localtime_r(&raw const seconds, out.as_mut_ptr()) };
        if filled.is_null() {
            return None;
        }
        // SAFETY: all zeros is a valid tm, and localtime_r has filled it in.
        let tm = unsafe { out.assume_init() };
        Some(Self {
            year: tm.tm_year.checked_add(1900)?,
            month: u8::try_from(tm.tm_mon + 1).ok()?,
            day: u8::try_from(tm.tm_mday).ok()?,
            hour: u8::try_from(tm.tm_hour).ok()?,
            minute: u8::try_from(tm.tm_min).ok()?,
            second: u8::try_from(tm.tm_sec).ok()?,
        })
    }

    /// Seconds since 1970; `None` if that cannot be told, or would be before.
    /// Whether summer time is in force is for the zone's rules to say.
    pub fn seconds(&self) -> Option<u64> {
        // SAFETY: all zeros is a valid tm: numbers, and a null pointer that
        // mktime does not read.
        let mut tm: libc::tm = unsafe { MaybeUninit::zeroed().assume_init() };
        tm.tm_year = self.year.checked_sub(1900)?;
        tm.tm_mon = i32::from(self.month) - 1;
        tm.tm_mday = i32::from(self.day);
        tm.tm_hour = i32::from(self.hour);
        tm.tm_min = i32::from(self.minute);
        tm.tm_sec = i32::from(self.second);
        tm.tm_isdst = -1;
        // SAFETY: the pointer is to a live tm. mktime reads TZ, which nothing
        // here sets.
        u64::try_from(unsafe { libc::mktime(&raw mut tm) }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for seconds in [1_u64, 1_709_220_615, 4_102_444_800, 1_750_000_000] {
            let local = LocalTime::at(seconds.cast_signed()).expect("a time");
            assert!((1969..=2100).contains(&local.year), "{local:?}");
            assert_eq!(local.seconds(), Some(seconds));
        }
        assert_eq!(LocalTime::at(i64::MAX), None);
    }

    #[test]
    fn before_1970_is_no_time() {
        assert_eq!(LocalTime::new(1960, [1, 1, 0, 0, 0]).seconds(), None);
    }
}
