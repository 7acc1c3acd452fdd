//! `-M`: candidates for the moduli file, and finding the safe primes among
//! them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use carrick_keys::moduli::screen::{LINE_MAX, Screened, TRIALS_MIN, screen as test};
use carrick_keys::moduli::sieve;

use super::args::{Args, strtonum};
use super::clock::{ctime, stamp};
use super::kernel::KernelRng;
use super::{Outcome, Stop, files};
use crate::log::{debug, debug2, error, info};
use crate::text::os_error;

/// Bits of the safe primes when none are asked for.
const BITS_DEFAULT: u32 = 3072;
/// Rounds of Miller-Rabin when none are asked for.
const TRIALS_DEFAULT: u32 = 100;
/// Lines that each thread is given at a time.
const LINES_AT_ONCE: usize = 16;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(300);

/// Where the result goes.
fn output(args: &Args) -> Outcome<&Path> {
    match args.operands.as_slice() {
        [] => Err(Stop::fatal("No output file specified")),
        [one] => Ok(Path::new(one)),
        _ => Err(Stop::fatal("Too many output files specified")),
    }
}

fn open(path: &Path, options: &mut std::fs::OpenOptions, what: &str) -> Outcome<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdout()));
    }
    match options.create(true).open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(e) => Err(Stop::fatal(format!(
            "Couldn't open {what} file \"{}\": {}",
            path.display(),
            os_error(&e)
        ))),
    }
}

/// `-M generate`
pub(super) fn generate(args: &Args) -> Outcome {
    let path = output(args)?;
    let (mut bits, mut start) = (BITS_DEFAULT, None);
    for option in &args.options {
        if let Some(text) = option.strip_prefix("start=") {
            let digits = text.len();
            let padded = format!("{}{text}", if digits % 2 == 1 { "0" } else { "" });
            start = Some(unhex(&padded).ok_or_else(|| Stop::fatal("Invalid start point."))?);
        } else if let Some(text) = option.strip_prefix("bits=") {
            bits = number(text, i32::MAX.cast_unsigned())?;
        } else {
            return Err(Stop::fatal(format!(
                "Option \"{option}\" is unsupported for moduli generation"
            )));
        }
    }
    let mut options = File::options();
    let out = open(
        path,
        options.write(true).truncate(true),
        "modulus candidate",
    )?;
    if !sieve::BITS.contains(&bits) {
        let (min, max) = (sieve::BITS.start(), sieve::BITS.end());
        if bits > *max {
            error!("Too many bits: {bits} > {max}");
        } else {
            error!("Too few bits: {bits} < {min}");
        }
        return Err(Stop::fatal("modulus candidate generation failed"));
    }
    let start = start.unwrap_or_else(|| sieve::random_start(bits, &mut KernelRng));
    let numbers = sieve::numbers(bits);
    info!(
        "{} Sieve next {} plus {}-bit",
        ctime(),
        u64::from(numbers) * 2,
        bits - 1
    );
    let begun = Instant::now();
    let sieved = sieve::sieve(&start, numbers, sieve::FACTORS);
    info!(
        "{} Sieved with {} small primes in {} seconds",
        ctime(),
        sieved.tries,
        begun.elapsed().as_secs()
    );
    let mut out = BufWriter::new(out);
    let (time, mut count) = (stamp(), 0u32);
    let written = sieved
        .lines(bits, &time)
        .try_for_each(|line| {
            count += 1;
            out.write_all(line.as_bytes())
        })
        .and_then(|()| out.flush());
    info!("{} Found {count} candidates", ctime());
    written.map_err(|e| Stop::fatal(format!("{}: {}", path.display(), os_error(&e))))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn number(text: &str, max: u32) -> Outcome<u32> {
    strtonum(text, max).map_err(|why| Stop::fatal(format!("Invalid number: {text} ({why})")))
}

/// What `-M screen` was asked.
struct Job {
    trials: u32,
    generator: u32,
    /// Lines that are passed over.
    skip: u64,
    /// The line behind the last; `None` for all.
    end: Option<u64>,
    checkpoint: Option<String>,
}

impl Job {
    fn parse(options: &[String]) -> Outcome<Self> {
        let mut job = Self {
            trials: TRIALS_DEFAULT,
            generator: 0,
            skip: 0,
            end: None,
            checkpoint: None,
        };
        let (mut lines, mut start) = (0, 0);
        for option in options {
            if let Some(text) = option.strip_prefix("lines=") {
                lines = strtoul(text);
            } else if let Some(text) = option.strip_prefix("start-line=") {
                start = strtoul(text);
            } else if let Some(text) = option.strip_prefix("checkpoint=") {
                job.checkpoint = Some(text.to_owned());
            } else if let Some(text) = option.strip_prefix("generator=") {
                job.generator = strtonum(text, u32::MAX)
                    .map_err(|why| Stop::fatal(format!("Generator invalid: {text} ({why})")))?;
            } else if let Some(text) = option.strip_prefix("prime-tests=") {
                job.trials = number(text, i32::MAX.cast_unsigned())?;
            } else {
                return Err(Stop::fatal(format!(
                    "Option \"{option}\" is unsupported for moduli screening"
                )));
            }
        }
        job.skip = start;
        if lines > 0 {
            job.end = Some(start.saturating_add(lines));
        }
        Ok(job)
    }
}

/// A number at the start of a text, 0 if there is none, as strtoul(3) has it.
fn strtoul(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let digits = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    digits
        .parse()
        .unwrap_or(if digits.is_empty() { 0 } else { u64::MAX })
}

/// `-M screen`: tests the candidates on all processors at hand. Results are
/// written in the order of the lines.
pub(super) fn screen(args: &Args) -> Outcome {
    let path = output(args)?;
    let mut job = Job::parse(&args.options)?;
    let mut input: Box<dyn BufRead> = match &args.file {
        Some(path) if path.as_os_str() != "-" => match File::open(path) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(e) => {
                return Err(Stop::fatal(format!(
                    "Couldn't open modulus candidate file \"{}\": {}",
                    path.display(),
                    os_error(&e)
                )));
            }
        },
        _ => Box::new(io::stdin().lock()),
    };
    let mut out = open(path, File::options().append(true), "moduli")?;
    if job.trials < TRIALS_MIN {
        error!("Minimum primality trials is {TRIALS_MIN}");
        return Err(Stop::fatal("modulus screening failed"));
    }
    if let Some(file) = &job.checkpoint {
        job.skip = job.skip.max(read_checkpoint(file));
    }
    let begun = Instant::now();
    let mut counts = Counts::default();
    let done = run(&job, &mut input, &mut out, &mut counts);
    if let (Some(file), Ok(())) = (&job.checkpoint, &done) {
        // Nothing is left to go on with.
        let _ = std::fs::remove_file(file);
    }
    info!(
        "{} Found {} safe primes of {} candidates in {} seconds",
        ctime(),
        counts.safe,
        counts.tested,
        begun.elapsed().as_secs()
    );
    done.map_err(|e| {
        error!("{}: {}", path.display(), os_error(&e));
        Stop::fatal("modulus screening failed")
    })
}

#[derive(Default)]
struct Counts {
    lines: u64,
    tested: u32,
    safe: u32,
}

fn run(
    job: &Job,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    counts: &mut Counts,
) -> io::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let mut told = begun;
    loop {
        let batch = batch(job, input, counts, threads * LINES_AT_ONCE)?;
        if batch.is_empty() {
            return Ok(());
        }
        let results = test_all(job, &batch, threads);
        for ((number, _), result) in batch.iter().zip(results) {
            take(*number, result, out, counts)?;
        }
        if let Some(file) = &job.checkpoint {
            write_checkpoint(file, counts.lines);
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let minutes = begun.elapsed().as_secs() / 60;
            let (hours, minutes) = (minutes / 60, minutes % 60);
            let processed = counts.lines.saturating_sub(job.skip);
            info!("{} processed {processed} in {hours}:{minutes:02}", ctime());
        }
    }
}

/// The next lines to test, with their numbers.
fn batch(
    job: &Job,
    input: &mut dyn BufRead,
    counts: &mut Counts,
    most: usize,
) -> io::Result<Vec<(u64, String)>> {
    let mut batch = Vec::new();
    while batch.len() < most && job.end.is_none_or(|end| counts.lines < end) {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        if io::Read::take(&mut *input, limit).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        counts.lines += 1;
        if counts.lines > job.skip {
            let text = String::from_utf8_lossy(&line).into_owned();
            batch.push((counts.lines, text));
        }
    }
    Ok(batch)
}

/// Tests a batch, its results in its order.
fn test_all(job: &Job, batch: &[(u64, String)], threads: usize) -> Vec<Screened> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((_, line)) = batch.get(at) else {
                return mine;
            };
            mine.push((at, test(line, job.trials, job.generator)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(batch.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        let mut all = worker();
        for other in others {
            match other.join() {
                Ok(results) => all.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Writes and counts one result.
fn take(number: u64, result: Screened, out: &mut dyn Write, counts: &mut Counts) -> io::Result<()> {
    match result {
        Screened::Skipped(why) => {
            debug2!("{number:10}: {why}");
            return Ok(());
        }
        Screened::Composite(why) => debug!("{number:10}: {why}"),
        Screened::Safe(prime) => {
            debug!("{number:10}: p is almost certainly prime");
            debug!("{number:10}: q is almost certainly prime");
            out.write_all(prime.line(&stamp()).as_bytes())?;
            out.flush()?;
            counts.safe += 1;
        }
    }
    counts.tested += 1;
    Ok(())
}

/// The line that an earlier run had reached.
fn read_checkpoint(path: &str) -> u64 {
    let Ok(text) = std::fs::read_to_string(path) else {
        return 0;
    };
    match text.trim().parse() {
        Ok(line) => {
            info!("Loaded checkpoint from '{path}' line {line}");
            line
        }
        Err(_) => {
            info!("Failed to load checkpoint from '{path}'");
            0
        }
    }
}

/// Notes the last line that is done; a run that is ended goes on behind it.
fn write_checkpoint(path: &str, line: u64) {
    if let Err(e) = files::write_private(Path::new(path), format!("{line}\n").as_bytes()) {
        info!(
            "failed to write to checkpoint file '{path}': {}",
            os_error(&e)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_strtoul_takes_them() {
        assert_eq!(strtoul("12x"), 12);
        assert_eq!(strtoul("x"), 0);
        assert_eq!(strtoul("99999999999999999999999"), u64::MAX);
    }

    #[test]
    fn lines_are_chosen() {
        let options = ["lines=2", "start-line=1"].map(str::to_owned);
        let Ok(job) = Job::parse(&options) else {
            panic!("options")
        };
        let mut counts = Counts::default();
        let mut input = &b"a\nb\nc\nd\n"[..];
        let got = batch(&job, &mut input, &mut counts, 9).unwrap();
        assert_eq!(got, [(2, "b\n".into()), (3, "c\n".into())]);
    }

    #[test]
    fn results_keep_their_order() {
        let batch: Vec<_> = (0..40).map(|n| (n, format!("# line {n:>20}"))).collect();
        let job = Job::parse(&[]).unwrap_or_else(|_| panic!("no options"));
        assert_eq!(test_all(&job, &batch, 4).len(), 40);
    }
}
