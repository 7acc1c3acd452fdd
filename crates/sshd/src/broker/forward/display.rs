//! Displays: a session's programs connect to one as to an X server of this
//! machine's, and reach the client's (RFC 4254 section 6.3).
//!
//! A display is a listener at port 6000 and its number, a name in `DISPLAY`, and
//! a cookie that the session puts where the programs look for it (`xauth`).
//!
//! What could each of these do with it?
//! - A hostile client or worker: have a port above 6000 listened at, one for each
//!   session, if configuration and key permit it; it chooses neither port nor
//!   address. What it says goes to `xauth` and to the user's rc file, of which a
//!   line break or a blank could make other commands: protocol and cookie are
//!   made of plain characters ([`is_plain`]) or there is no display. It could put
//!   a wrong cookie there, for a display that leads to itself.
//! - A hostile local user: connect to the port, as to any port of loopback, and
//!   be let in by nobody without the cookie, which the client checks: it is in a
//!   file of the user's, and seen in no command line. Take the port before: then
//!   we take another, and in no case is one listened at where somebody else has
//!   a part of it, at the other family's address say, and could be taken for us.
//! - The programs of the session do what the client's X server lets them.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use carrick::x11::is_plain;
use carrick_sys::{hostname, listen as sockets};
use carrick_wire::Secret;

use super::listen::Listener;
use crate::listener::bind::strerror;
use crate::log::{self, Level, debug, error};
use crate::rpc::broker::Start;
use crate::rpc::x11::{Rules, Show};

/// The port of display 0.
const FIRST_PORT: u16 = 6000;
/// Numbers are below this.
const NUMBERS: u16 = 1000;
/// The longest protocol and the longest cookie; `xauth` reads lines that are not
/// much longer.
const LONGEST: usize = 512;

/// A session's display.
#[derive(Debug)]
pub struct Display {
    session: u32,
    listener: u32,
    /// For `DISPLAY`.
    name: String,
    /// For `xauth`.
    auth_name: String,
    protocol: String,
    cookie: Secret,
    /// The program that keeps cookies.
    xauth: String,
}

/// Why a session has no display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has one.
    Active(u32),
    /// There are too many listeners.
    TooMany,
    /// The key does not permit it.
    Key,
    /// The configuration does not.
    Config,
    /// Protocol or cookie is none.
    Invalid,
    /// Nobody would keep the cookie.
    NoXauth,
    /// No number is free.
    NoNumber,
}

impl Refused {
    /// Tells it, in OpenSSH's words.
    pub fn log(self) {
        match self {
            Self::Active(session) => {
                error!("session_x11_req: session {session}: x11 forwarding already active");
            }
            Self::TooMany => debug!("X11 forwarding: too many listeners."),
            Self::Key => debug!("X11 forwarding disabled by key options."),
            Self::Config => debug!("X11 forwarding disabled in server configuration file."),
            Self::Invalid => error!("Invalid X11 forwarding data"),
            Self::NoXauth => debug!("No xauth program; cannot forward X11."),
            Self::NoNumber => {
                error!("Failed to allocate internet-domain X11 display socket.");
                debug!("x11_create_display_inet failed.");
            }
        }
    }
}

impl Display {
    /// Makes one, if rules and key permit it.
    pub fn make(start: &Start, ask: Show) -> Result<(Self, Listener), Refused> {
        let texts = [ask.protocol.as_bytes(), ask.cookie.expose()];
        if !texts
            .iter()
            .all(|text| is_plain(text) && text.len() <= LONGEST)
        {
            return Err(Refused::Invalid);
        }
        if !start.permissions.x11_forwarding {
            return Err(Refused::Key);
        }
        let rules = start.x11.as_ref().ok_or(Refused::Config)?;
        let xauth = rules.xauth.clone().ok_or(Refused::NoXauth)?;
        if std::fs::metadata(&xauth).is_err() {
            return Err(Refused::NoXauth);
        }
        let (number, port, sockets) = listen(rules, start.forwarding.ipv4)?;
        let screen = ask.screen;
        let (name, auth_name) = if rules.localhost {
            let number = format!("{number}.{screen}");
            (format!("localhost:{number}"), format!("unix:{number}"))
        } else {
            let name = format!("{}:{number}.{screen}", hostname::own());
            (name.clone(), name)
        };
        let display = Self {
            session: ask.session,
            listener: ask.listener,
            name,
            auth_name,
            protocol: ask.protocol,
            cookie: ask.cookie,
            xauth,
        };
        let listener = Listener::display(ask.listener, port, sockets, ask.single);
        Ok((display, listener))
    }

    /// Whose it is.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// The worker's number for its listener.
    pub fn listener(&self) -> u32 {
        self.listener
    }

    /// What programs know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user's rc file finds on its standard input, and is to keep
    /// (sshd(8), SSHRC).
    pub fn for_rc(&self) -> String {
        format!("{} {}\n", self.protocol, self.cookie())
    }

    /// The command line that keeps the cookie where there is no such file, and
    /// what it finds there.
    pub fn for_xauth(&self) -> (Option<OsString>, String) {
        let quoted = self.xauth.replace('\'', "'\\''");
        let line = format!("'{quoted}' -q -");
        let name = &self.auth_name;
        let (protocol, cookie) = (&self.protocol, self.cookie());
        let input = format!("remove {name}\nadd {name} {protocol} {cookie}\n");
        (Some(line.into()), input)
    }

    fn cookie(&self) -> &str {
        // It is plain, and so it is text.
        str::from_utf8(self.cookie.expose()).unwrap_or_default()
    }
}

/// Listens for the first number that is free at every address: the number, the
/// port, the sockets.
fn listen(rules: &Rules, ipv4: Option<bool>) -> Result<(u16, u16, Vec<TcpListener>), Refused> {
    let first = u16::try_from(rules.offset).map_err(|_| Refused::NoNumber)?;
    for number in first..NUMBERS {
        let port = FIRST_PORT + number;
        match at(port, rules.localhost, ipv4) {
            Ok(sockets) if sockets.is_empty() => return Err(Refused::NoNumber),
            Ok(sockets) => return Ok((number, port, sockets)),
            Err(problem) => log::write(
                Level::Debug2,
                format_args!("bind port {port}: {}", strerror(&problem)),
            ),
        }
    }
    Err(Refused::NoNumber)
}

/// Listens at a port of each family that this machine has; an error if one of
/// them is taken.
fn at(port: u16, localhost: bool, ipv4: Option<bool>) -> io::Result<Vec<TcpListener>> {
    let addresses: [IpAddr; 2] = if localhost {
        [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
    } else {
        [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()]
    };
    let mut out = Vec::new();
    for address in addresses {
        if ipv4.is_some_and(|ipv4| ipv4 != address.is_ipv4()) {
            continue;
        }
        let address = SocketAddr::new(address, port);
        let bound = if localhost {
            sockets::tcp(address)
        } else {
            sockets::tcp_alone(address)
        };
        match bound {
            Ok(listener) => out.push(listener),
            // Nobody has it who has not got the family, or its address.
            Err((sockets::Step::Socket, _)) => {}
            Err((_, problem)) if problem.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err((_, problem)) => return Err(problem),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::Forwarding;
    use super::*;
    use crate::broker::env::tests::start;
    use crate::rpc::broker::Answer;
    use std::net::TcpStream;

    fn ask(session: u32) -> Show {
        Show {
            session,
            listener: session + 100,
            single: false,
            protocol: "MIT-MAGIC-COOKIE-1".into(),
            cookie: Secret::from("00ff"),
            screen: 1,
        }
    }

    /// Rules with an offset of these tests' own: they run beside each other.
    fn permitting(offset: u32) -> Start {
        Start {
            x11: Some(Rules {
                offset,
                localhost: true,
                xauth: Some("/bin/sh".into()),
            }),
            ..start()
        }
    }

    fn port_of(display: &Display) -> u16 {
        let (_, number) = display.name().split_once(':').unwrap();
        let (number, _) = number.split_once('.').unwrap();
        6000 + number.parse::<u16>().unwrap()
    }

    #[test]
    fn each_session_has_one_until_it_is_over() {
        let (mut forwarding, start) = (Forwarding::default(), permitting(600));
        assert_eq!(forwarding.show(&start, ask(1)).unwrap(), Ok(()));
        assert_eq!(forwarding.show(&start, ask(2)).unwrap(), Ok(()));
        let again = Show {
            listener: 7,
            ..ask(1)
        };
        let active = Err(Refused::Active(1));
        assert_eq!(forwarding.show(&start, again).unwrap(), active);
        // A number for two is a lie of the worker's.
        let other = Show {
            session: 3,
            ..ask(1)
        };
        assert!(forwarding.show(&start, other).is_err());
        let ports = [1, 2].map(|session| port_of(forwarding.display(session).unwrap()));
        assert_ne!(ports[0], ports[1]);
        for port in ports {
            TcpStream::connect(("127.0.0.1", port)).unwrap();
        }
        forwarding.hide(1);
        assert!(forwarding.display(1).is_none());
        assert!(TcpStream::connect(("127.0.0.1", ports[0])).is_err());
        TcpStream::connect(("127.0.0.1", ports[1])).unwrap();
    }

    #[test]
    fn a_single_connection_is_the_last() {
        let (mut forwarding, start) = (Forwarding::default(), permitting(950));
        let single = Show {
            single: true,
            ..ask(1)
        };
        assert_eq!(forwarding.show(&start, single).unwrap(), Ok(()));
        let port = port_of(forwarding.display(1).unwrap());
        let _both = [0; 2].map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap());
        let fired = vec![true; forwarding.watched().count()];
        let news = forwarding.serve(&fired);
        assert_eq!(news.len(), 1);
        assert!(matches!(&news[0], (Answer::Visitor(visitor), Some(_)) if visitor.listener == 101));
        assert_eq!(forwarding.watched().count(), 0);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        // The session keeps the name, and may not have another.
        assert!(forwarding.display(1).is_some());
    }

    #[test]
    fn what_is_forbidden_or_no_cookie_is_refused() {
        let refused = |change: fn(&mut Start), ask| {
            let mut start = permitting(900);
            change(&mut start);
            Display::make(&start, ask).err()
        };
        assert_eq!(refused(|_| {}, ask(1)), None);
        let by_key = refused(|start| start.permissions.x11_forwarding = false, ask(1));
        assert_eq!(by_key, Some(Refused::Key));
        assert_eq!(
            refused(|start| start.x11 = None, ask(1)),
            Some(Refused::Config)
        );
        fn with(change: fn(&mut Rules)) -> Option<Refused> {
            let mut start = permitting(900);
            change(start.x11.as_mut().unwrap());
            Display::make(&start, ask(1)).err()
        }
        let no_xauth = Some(Refused::NoXauth);
        assert_eq!(with(|rules| rules.xauth = None), no_xauth);
        assert_eq!(
            with(|rules| rules.xauth = Some("/nowhere".into())),
            no_xauth
        );
        for offset in [1000, 60000, 70000, u32::MAX] {
            let start = permitting(offset);
            assert_eq!(Display::make(&start, ask(1)).err(), Some(Refused::NoNumber));
        }
        let long = "a".repeat(LONGEST + 1);
        for bad in ["00\nadd x y z", "00 11", "$(id)", "'", "\u{e9}", &long] {
            let cookie = Show {
                cookie: Secret::from(bad),
                ..ask(1)
            };
            assert_eq!(refused(|_| {}, cookie), Some(Refused::Invalid));
            let protocol = Show {
                protocol: bad.into(),
                ..ask(1)
            };
            assert_eq!(refused(|_| {}, protocol), Some(Refused::Invalid));
        }
    }

    #[test]
    fn a_port_that_somebody_has_a_part_of_is_left_alone() {
        let taken = TcpListener::bind("127.0.0.1:6710").unwrap();
        let (display, _listener) = Display::make(&permitting(710), ask(1)).ok().unwrap();
        assert!(port_of(&display) > 6710);
        // Not even the other family's address was kept.
        drop(taken);
        TcpListener::bind("[::]:6710")
            .or_else(|_| TcpListener::bind("0.0.0.0:6710"))
            .unwrap();
    }

    #[test]
    fn what_the_session_keeps() {
        let (display, _listener) = Display::make(&permitting(800), ask(1)).ok().unwrap();
        let (line, input) = display.for_xauth();
        assert_eq!(line.unwrap(), "'/bin/sh' -q -");
        let number = port_of(&display) - 6000;
        assert_eq!(
            input,
            format!("remove unix:{number}.1\nadd unix:{number}.1 MIT-MAGIC-COOKIE-1 00ff\n")
        );
        assert_eq!(display.for_rc(), "MIT-MAGIC-COOKIE-1 00ff\n");
        assert_eq!(display.name(), format!("localhost:{number}.1"));
    }
}
