//! Forwarding of ports, sockets, X11 and tunnels.

use super::super::options::{Options, PermitRemoteOpen};
use super::{Done, choice, flag, keyword, seconds};
use crate::forward::{self, ForwardKind};
use crate::keyword::{Dump, Keyword, Line};
use crate::types::{Endpoint, Forward, Target};
use crate::value;

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    flag!(
        "ClearAllForwardings",
        clear_all_forwardings,
        "drop all forwardings"
    ),
    keyword!(Append "DynamicForward", "SOCKS server here",
        |l, o| add(l, o, ForwardKind::Dynamic),
        |o, d| dump_forwards("DynamicForward", &o.local_forwards, true, d)),
    flag!(
        "ExitOnForwardFailure",
        exit_on_forward_failure,
        "a forwarding that fails ends us"
    ),
    flag!("ForwardX11", forward_x11, "forward X11"),
    seconds!(
        "ForwardX11Timeout",
        forward_x11_timeout,
        "refuse untrusted X11 after this time"
    ),
    flag!(
        "ForwardX11Trusted",
        forward_x11_trusted,
        "remote X11 clients may do anything"
    ),
    flag!(
        "GatewayPorts",
        gateway_ports,
        "other machines may use local forwardings"
    ),
    keyword!(Append "LocalForward", "listen here, connect from there",
        |l, o| add(l, o, ForwardKind::Local),
        |o, d| dump_forwards("LocalForward", &o.local_forwards, false, d)),
    keyword!(First "PermitRemoteOpen", "where remote SOCKS forwardings may go",
        permit_remote_open, dump_permit),
    keyword!(Append "RemoteForward", "listen there, connect from here",
        |l, o| add(l, o, ForwardKind::Remote),
        |o, d| dump_forwards("RemoteForward", &o.remote_forwards, false, d)),
    keyword!(Last "StreamLocalBindMask", "file mode mask of forwarded sockets",
        |l, o| {
            let word = l.next().filter(|w| !w.is_empty());
            let word = word.ok_or_else(|| l.bad("Missing StreamLocalBindMask argument."))?;
            o.stream_local_bind_mask = value::octal(&word).ok_or_else(|| l.bad("Bad mask."))?;
            Ok(())
        },
        |o, d| d.line("StreamLocalBindMask", format!("0{:o}", o.stream_local_bind_mask))),
    flag!(
        "StreamLocalBindUnlink",
        stream_local_bind_unlink,
        "remove a socket that is in the way"
    ),
    choice!("Tunnel", tunnel, "forward a network device"),
    keyword!(First "TunnelDevice", "the devices at both ends",
        |l, o| {
            let word = l.word()?;
            let device = value::tunnel_device(&word);
            o.tunnel_device = device.ok_or_else(|| l.bad("Bad tun device."))?;
            Ok(())
        },
        |o, d| d.line("TunnelDevice", format!("{}:{}", o.tunnel_device.0, o.tunnel_device.1))),
    keyword!(First "XAuthLocation", "the xauth program",
        |l, o| { o.xauth_location = l.word()?; Ok(()) },
        |o, d| d.line("XAuthLocation", &o.xauth_location)),
];

fn add(line: &mut Line<'_>, options: &mut Options, kind: ForwardKind) -> Done {
    let listen = line.word()?;
    let mut kind = kind;
    let target = match kind {
        ForwardKind::Dynamic => None,
        _ => line.next().filter(|t| !t.is_empty()),
    };
    if target.is_none() {
        kind = match kind {
            ForwardKind::Local => return Err(line.bad("Missing target argument.")),
            ForwardKind::Remote => ForwardKind::RemoteDynamic,
            other => other,
        };
    }
    let spec = match target {
        Some(target) => format!("{listen}:{target}"),
        None => listen,
    };
    let forward = forward::forward(&spec, kind, line.hooks)
        .ok_or_else(|| line.bad("Bad forwarding specification."))?;
    options.add_forward(kind, forward);
    Ok(())
}

fn dump_forwards(name: &str, list: &[Forward], dynamic: bool, dump: &mut Dump) {
    for forward in list {
        match (&forward.connect, dynamic) {
            (Target::Socks, true) => dump.line(name, &forward.listen),
            // A remote SOCKS forwarding has no target to show but this.
            (Target::Socks, false) if name == "RemoteForward" => {
                dump.line(name, format!("{} [socks]:0", forward.listen));
            }
            // OpenSSH takes a forwarding to a socket for a dynamic one as well.
            (Target::To(Endpoint::Unix { .. }), true) => dump.line(name, &forward.listen),
            (Target::To(to), false) => dump.line(name, format!("{} {to}", forward.listen)),
            _ => {}
        }
    }
}

fn permit_remote_open(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut list = Vec::new();
    while let Some(word) = line.next() {
        let any = word.eq_ignore_ascii_case("any");
        if any || word.eq_ignore_ascii_case("none") {
            if !list.is_empty() || !line.args.is_empty() {
                let text = format!(
                    "keyword {} \"{word}\" argument must appear alone.",
                    line.keyword
                );
                return Err(line.bad(text));
            }
            options.permit_remote_open = if any {
                PermitRemoteOpen::Any
            } else {
                PermitRemoteOpen::None
            };
            return Ok(());
        }
        let Some((_, port)) = forward::host_and_rest(&word) else {
            return Err(line.fatal(format!("missing host in {}", line.keyword)));
        };
        if !port.is_some_and(|p| p == "*" || value::real_port(p, line.hooks).is_some()) {
            return Err(line.fatal(format!("bad port number in {}", line.keyword)));
        }
        list.push(word);
    }
    if list.is_empty() {
        return Err(line.fatal(format!("missing {} specification", line.keyword)));
    }
    options.permit_remote_open = PermitRemoteOpen::Only(list);
    Ok(())
}

fn dump_permit(options: &Options, dump: &mut Dump) {
    let shown = match &options.permit_remote_open {
        PermitRemoteOpen::Any => "any".to_owned(),
        PermitRemoteOpen::None => "none".to_owned(),
        PermitRemoteOpen::Only(list) => list.join(" "),
    };
    dump.line("PermitRemoteOpen", shown);
}
