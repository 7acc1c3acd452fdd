//! The present in the forms that moduli files and their messages have.

use std::time::SystemTime;

use carrick_sys::localtime::LocalTime;

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs())
}

/// Now, in UTC, as `YYYYMMDDhhmmss`.
pub(super) fn stamp() -> String {
    digits(now())
}

fn digits(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// The date of a day since 1970: years of 365 days and leap days, counted
/// from a March, in eras of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + later, month, day)
}

/// Now, here, as ctime(3) has it: `Wed Nov 25 22:15:20 2026`.
pub(super) fn ctime() -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = now();
    let Some(local) = LocalTime::at(seconds.cast_signed()) else {
        return digits(seconds);
    };
    // The day of the week is that of the local date.
    let days = (0..=2)
        .map(|shift| (seconds / 86_400 + shift).saturating_sub(1))
        .find(|days| civil(*days).2 == u64::from(local.day))
        .unwrap_or_default();
    let weekday = usize::try_from(days % 7).map_or("", |day| DAYS[day]);
    let month = MONTHS[usize::from(local.month.clamp(1, 12) - 1)];
    format!(
        "{weekday} {month} {:2} {:02}:{:02}:{:02} {}",
        local.day, local.hour, local.minute, local.second, local.year
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, want) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_709_220_615, "20240229153015"),
            (1_735_689_599, "20241231235959"),
            (4_107_542_400, "21000301000000"),
        ] {
            assert_eq!(digits(seconds), want);
        }
        let text = ctime();
        assert_eq!(text.len(), 24, "{text}");
    }
}
