//! sftp: files on another machine, by commands like those of ftp(1).
//!
//! The server is reached through ssh, or is a program on this machine (`-D`).
//! Commands come from a terminal, with completion and history, or from a file.
//!
//! The server may be hostile. It can give files any content; what it says and
//! the names it gives reach the terminal with control characters made visible
//! ([`crate::text::shown`]); a name that leads out of its folder is taken for
//! none ([`session`], [`crate::transfer`]). What a downloaded file is called
//! here is for the user's command to say, and in folders for plain names.

mod args;
mod command;
mod complete;
mod df;
mod help;
mod input;
mod listing;
mod local;
mod ls;
mod run;
mod session;
mod transfers;
mod words;

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carrick_sys::tty;
use signal_hook::consts::SIGINT;

use crate::log::{self, error, log};
use crate::text::{err, os_error, outln, shown};
use crate::transfer::connect::{self, Caller, Destination, Service};
use crate::transfer::option::FATAL;
use crate::transfer::{Link, Lost, Remote, Resume};
use args::{Args, Server};
use command::{Command, Transfer};
use input::{Input, Line, PROMPT};
use run::Next;
use session::{Session, Settings, Stop};
use words::Word;

/// Runs the program.
pub(crate) fn main(argv: Vec<OsString>) -> ExitCode {
    let args = match args::parse(argv) {
        Ok(args) => args,
        Err(bad) => return bad.tell(args::USAGE),
    };
    log::set_level(args.level);
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            log!(Fatal, "{text}");
            ExitCode::from(FATAL)
        }
    }
}

/// Does all that was asked for; whether it went well. What ends everything is
/// an error.
fn run(args: &Args) -> Result<bool, String> {
    let batch = match &args.batch {
        Some(name) => {
            let told = |e| format!("{} ({}).", os_error(&e), shown(name.as_bytes()));
            Some(Input::file(name).map_err(told)?)
        }
        None => None,
    };
    let link = start(args).map_err(|text| {
        err!("{text}\n");
        String::from("Connection closed")
    })?;
    let over = |lost: Lost| lost.to_string();
    let mut remote = Remote::start(link).map_err(over)?;
    if let Some(kbits) = args.limit {
        remote.limit_rate(kbits);
    }
    remote.set_options(&args.options);
    if !args.quiet {
        let how = match args.server {
            Server::Here(_) => "Attached",
            Server::There { .. } => "Connected",
        };
        err!("{how} to {}.\n", shown(&args.server_name));
    }
    // Paths of commands begin there; those that are whole need not wait for it.
    remote.ask_ahead(b".");
    let interrupted = Arc::new(AtomicBool::new(false));
    remote.end_lists_on(Arc::clone(&interrupted));
    let session = Session {
        remote,
        folder: Vec::new(),
        start: Vec::new(),
        settings: settings(args),
        accounts: ls::Accounts::default(),
        interrupted,
    };
    let session = Rc::new(RefCell::new(session));
    let well = work(&session, batch, args)?;
    end(session);
    Ok(well)
}

/// Starts what leads to the server.
fn start(args: &Args) -> Result<Link, String> {
    match &args.server {
        Server::Here(words) => connect::local_server(Caller::Sftp, words).map_err(|e| {
            let program = words.first().map_or(&b""[..], |word| word.as_bytes());
            format!("exec: {}: {}", shown(program), os_error(&e))
        }),
        Server::There { host, service } => {
            let service = match service {
                Some(path) if path.as_bytes().contains(&b'/') => Service::Command(path.clone()),
                Some(name) => Service::Subsystem(name.clone()),
                None => Service::Subsystem("sftp".into()),
            };
            let to = Destination {
                host: host.host.clone(),
                user: host.user.clone(),
                port: args.port,
                service,
            };
            let words = connect::ssh_args(Caller::Sftp, &args.ssh_flags, &to);
            connect::ssh(Caller::Sftp, args.ssh.as_deref(), &words).map_err(|e| {
                let program = args.ssh.as_deref().unwrap_or(OsStr::new("ssh"));
                format!("exec: {}: {}", shown(program.as_bytes()), os_error(&e))
            })
        }
    }
}

fn settings(args: &Args) -> Settings {
    Settings {
        quiet: args.quiet,
        progress: args.progress && tty::is_terminal(rustix::stdio::stderr()),
        abort: args.batch.is_some(),
        resume: args.resume,
        resumed: if args.options.blind {
            Resume::Blind
        } else {
            Resume::Verified
        },
        sync: args.sync,
        preserve: args.preserve,
        recursive: args.recursive,
    }
}

/// The path of the command line, then the commands.
fn work(session: &Rc<RefCell<Session>>, batch: Option<Input>, args: &Args) -> Result<bool, String> {
    if let Some(path) = &args.path {
        session.borrow_mut().settle()?;
        let arrived = arrive(&mut session.borrow_mut(), path, args.target.as_deref());
        match arrived {
            Ok(Arrived::Fetched) => return Ok(true),
            Ok(Arrived::InFolder) => {}
            Err(Stop::Failed) => return Ok(false),
            Err(Stop::Lost(lost)) => return Err(lost.to_string()),
        }
    }
    let is_batch = batch.is_some();
    let mut input = match batch {
        Some(input) => input,
        None if tty::is_terminal(rustix::stdio::stdin()) => {
            Input::typed(session).unwrap_or_else(|_| Input::stdin())
        }
        None => Input::stdin(),
    };
    if input.is_typed() {
        session.borrow_mut().settle()?;
        let interrupted = Arc::clone(&session.borrow().interrupted);
        // Without it, an interruption ends everything.
        let _ = signal_hook::flag::register(SIGINT, interrupted);
    }
    let well = converse(session, &mut input, is_batch)?;
    session.borrow_mut().settle()?;
    Ok(well)
}

/// What came of the command line's path.
enum Arrived {
    InFolder,
    Fetched,
}

fn arrive(session: &mut Session, path: &[u8], target: Option<&OsStr>) -> Result<Arrived, Stop> {
    let absolute = session.absolute(path);
    if target.is_none() && session.is_folder(&absolute)? {
        if !session.settings.quiet {
            outln!("Changing to: {}", shown(&absolute));
        }
        session.chdir(Some(&Word::literal(&absolute)))?;
        return Ok(Arrived::InFolder);
    }
    // It is read like a word of a command; with blanks, as it stands.
    let from = match words::split(path).map(|split| split.list) {
        Ok(words) if words.len() == 1 => words.into_iter().next().unwrap_or_default(),
        _ => Word::literal(path),
    };
    session.settings.abort = true;
    session.get(&Transfer {
        from,
        to: target.map(|target| Word::literal(target.as_bytes())),
        resume: false,
        sync: false,
        preserve: false,
        recursive: false,
    })?;
    Ok(Arrived::Fetched)
}

/// Carries out one command after the other.
fn converse(
    session: &Rc<RefCell<Session>>,
    input: &mut Input,
    batch: bool,
) -> Result<bool, String> {
    loop {
        let text = match input.next() {
            Line::Text(text) => text,
            Line::Again => continue,
            Line::TooLong => {
                error!("Error: input line too long");
                return Ok(false);
            }
            Line::End => return Ok(true),
        };
        let line = command::parse(&text);
        if let Err(bad) = &line.command {
            error!("{bad}");
        }
        if !input.is_typed() && !line.silent {
            repeat(&text);
        }
        let mut session = session.borrow_mut();
        session.settings.abort = batch && !line.may_fail;
        session.interrupted.store(false, Ordering::Relaxed);
        if !matches!(&line.command, Ok(Some(command)) if command.is_whole()) {
            session.settle()?;
        }
        match carry_out(&mut session, line.command) {
            Ok(Next::GoOn) => {}
            Ok(Next::Quit) => return Ok(true),
            Err(Stop::Failed) if session.settings.abort => return Ok(false),
            Err(Stop::Failed) => {}
            Err(Stop::Lost(lost)) => return Err(lost.to_string()),
        }
    }
}

fn carry_out(
    session: &mut Session,
    command: Result<Option<Command>, command::BadCommand>,
) -> Result<Next, Stop> {
    match command {
        Ok(Some(command)) => session.run(command),
        Ok(None) => Ok(Next::GoOn),
        Err(_) => Err(Stop::Failed),
    }
}

/// Shows a command that nobody typed.
fn repeat(text: &[u8]) {
    use std::io::Write as _;
    let line = [PROMPT.as_bytes(), text, b"\n"].concat();
    // Who does not look misses nothing.
    let _ = std::io::stdout().write_all(&line);
}

/// Takes leave of the server.
fn end(session: Rc<RefCell<Session>>) {
    if let Some(session) = Rc::into_inner(session) {
        // How ssh ends tells nothing of the files.
        let _ = session.into_inner().remote.finish();
    }
}
