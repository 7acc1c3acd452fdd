use super::*;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";

fn options(field: &str) -> Result<Options, OptionError> {
    Options::parse(field.as_bytes())
}

#[test]
fn entries_with_and_without_options() {
    let text = format!(
        "# who\n\n{A} ann@home 2\n  command=\"echo {B} \\\" x\",no-pty\t {A}\r\nssh-rsa garbage\nnonsense\ncommand=\"x {A}\n"
    );
    let all: Vec<_> = entries(text.as_bytes()).collect();
    let lines: Vec<_> = all.iter().map(|(n, e)| (*n, e.is_ok())).collect();
    assert_eq!(
        lines,
        [(3, true), (4, true), (5, false), (6, false), (7, false)]
    );
    let first = all[0].1.as_ref().expect("entry");
    assert_eq!(
        (first.options, first.comment),
        (&b""[..], &b"ann@home 2"[..])
    );
    let second = all[1].1.as_ref().expect("entry");
    let parsed = second.parse_options().expect("options");
    assert_eq!(parsed.command, Some(format!("echo {B} \" x").into_bytes()));
    assert!(!parsed.pty && parsed.port_forwarding);
    assert_eq!(all[4].1, Err(LineError::UnclosedQuote));
    for line in ["ssh-dss AAAA me", "no-pty ssh-dss AAAA me"] {
        let error = entries(line.as_bytes())
            .next()
            .expect("a line")
            .1
            .expect_err("dsa");
        assert_eq!(error.to_string(), "unsupported key type \"ssh-dss\"");
    }
    let key = PublicKey::from_line(A).expect("key").0;
    assert_eq!(entries_for(text.as_bytes(), &key).count(), 2);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    assert!(Options::parse(b"").is_ok());
    assert_eq!(options("no-pty,,"), options("no-pty"));
    assert_eq!(
        options("no-restrict"),
        Err(OptionError::Unknown {
            name: "no-restrict".into()
        })
    );
    assert_eq!(
        options("zoom=\"x\""),
        Err(OptionError::Unknown {
            name: "zoom".into()
        })
    );
    assert_eq!(
        options("command"),
        Err(OptionError::Unknown {
            name: "command".into()
        })
    );
    assert_eq!(
        options("pty=\"x\""),
        Err(OptionError::Unknown { name: "pty".into() })
    );
}

#[test]
fn restrict_turns_off_and_later_flags_turn_on() {
    let o = options("restrict,pty,No-Touch-Required,verify-required").expect("options");
    assert!(o.restricted && o.pty && !o.agent_forwarding && !o.user_rc);
    assert!(!o.touch_required && o.verify_required);
    assert!(!options("pty,restrict").expect("options").pty);
}

#[test]
fn values_are_typed_and_checked() {
    let o = options(
        "from=\"10.0.0.0/8,!*.bad\",environment=\"A=1=2\",environment=\"A=3\",tunnel=\"any\",\
         permitopen=\"[::1]:80\",permitopen=\"h:*\",permitlisten=\"8080\",expiry-time=\"20300101Z\"",
    )
    .expect("options");
    assert_eq!(o.environment, [("A".to_owned(), b"1=2".to_vec())]);
    assert_eq!(
        o.permit_open[0],
        Permit {
            host: "::1".into(),
            port: Some(80)
        }
    );
    assert_eq!(
        o.permit_open[1],
        Permit {
            host: "h".into(),
            port: None
        }
    );
    assert_eq!(
        o.permit_listen[0],
        Permit {
            host: "*".into(),
            port: Some(8080)
        }
    );
    assert_eq!((o.tunnel, o.expiry.len()), (Some(Tunnel::Any), 1));
    for bad in [
        "environment=\"A\"",
        "environment=\"A B=1\"",
        "permitopen=\"80\"",
        "permitopen=\"h:0\"",
        "permitopen=\":80\"",
        "permitlisten=\"x\"",
        "expiry-time=\"soon\"",
        "tunnel=\"-1\"",
    ] {
        assert!(
            matches!(options(bad), Err(OptionError::BadValue { .. })),
            "{bad}"
        );
    }
    let twice = options("command=\"a\",command=\"b\"");
    assert_eq!(twice, Err(OptionError::Repeated { name: "command" }));
}
