//! Lines, and what they mean.

use super::*;
use crate::sftp::ls::{Sort, View};

fn command_of(line: &str) -> Result<Option<Command>, BadCommand> {
    parse(line.as_bytes()).command
}

fn word(name: &str) -> Word {
    Word::literal(name.as_bytes())
}

#[test]
fn marks_before_a_command() {
    for (line, may_fail, silent) in [
        ("pwd", false, false),
        (" -pwd", true, false),
        ("@pwd", false, true),
        ("-@ pwd", true, true),
        ("@-  pwd", true, true),
        ("--pwd", true, false),
    ] {
        let got = parse(line.as_bytes());
        assert_eq!((got.may_fail, got.silent), (may_fail, silent), "{line}");
        assert_eq!(got.command, Ok(Some(Command::Pwd)), "{line}");
    }
    assert_eq!(command_of("@ - pwd"), Err(BadCommand::Unknown));
}

#[test]
fn lines_without_a_command() {
    for line in ["", "  ", "# pwd", "  # x", "-", "@", "-# x"] {
        assert_eq!(command_of(line), Ok(None), "{line}");
    }
}

#[test]
fn names_in_any_case_and_quotes() {
    for line in ["pwd", "PWD x", "\"pwd\"", "p'w'd", "p\\wd", "pwd#x"] {
        assert_eq!(command_of(line), Ok(Some(Command::Pwd)), "{line}");
    }
    for line in ["pw", "pwdx", "\"pwd\"x", "''", "\\", "?x", "mls"] {
        assert_eq!(command_of(line), Err(BadCommand::Unknown), "{line}");
    }
}

#[test]
fn what_is_for_the_shell_is_left_as_it_is() {
    let shell = |text: &str| Ok(Some(Command::Shell(text.into())));
    assert_eq!(command_of("!"), shell(""));
    assert_eq!(command_of("! echo  'a  b' # c"), shell("echo  'a  b' # c"));
    assert_eq!(command_of("-!false"), shell("false"));
    let ls = |text: &str| Ok(Some(Command::LocalLs(text.into())));
    assert_eq!(command_of("lls"), ls(""));
    assert_eq!(command_of("lls  -l 'a b' *"), ls("  -l 'a b' *"));
    assert_eq!(
        command_of("!echo \"x"),
        Err(BadCommand::Line(BadLine::Unterminated))
    );
}

#[test]
fn transfers() {
    let transfer = |line: &str| match command_of(line) {
        Ok(Some(Command::Get(t) | Command::Put(t))) => t,
        other => panic!("{line}: {other:?}"),
    };
    let t = transfer("get -apf a b c");
    assert_eq!((t.from, t.to), (word("a"), Some(word("b"))));
    assert!(t.resume && t.preserve && t.sync && !t.recursive);
    assert!(transfer("put -R a").recursive && transfer("mget -r a").recursive);
    assert!(transfer("reget a").resume && transfer("reput -P a").preserve);
    assert_eq!(transfer("get a -p").to, Some(word("-p")));
    assert_eq!(transfer("get -- -p").from, word("-p"));
    assert_eq!(transfer("get -").from, word("-"));
}

#[test]
fn listings() {
    let how = |line: &str| match command_of(line) {
        Ok(Some(Command::Ls { how, .. })) => how,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(how("ls"), ls::How::default());
    assert_eq!(how("ls -l -1").view, View::Column);
    assert_eq!(how("dir -1l").view, View::Long { numeric: false });
    assert_eq!(how("ls -ln").view, View::Long { numeric: true });
    assert_eq!(how("ls -St").sort, Sort::Time);
    assert_eq!(how("ls -tSf").sort, Sort::None);
    assert!(how("ls -ahr").all && how("ls -ahr").units && how("ls -ahr").reverse);
}

/// As OpenSSH 10.0's sftp tells of them.
#[test]
fn what_is_wrong() {
    for (line, want) in [
        ("foo", "Invalid command."),
        ("ls \"x", "Unterminated quoted argument"),
        (
            "get",
            "You must specify at least one path after a get command.",
        ),
        (
            "reput -p",
            "You must specify at least one path after a reput command.",
        ),
        (
            "rename a",
            "You must specify two paths after a rename command.",
        ),
        ("ln -s", "You must specify two paths after a ln command."),
        ("cp a", "You must specify two paths after a cp command."),
        ("rm", "You must specify a path after a rm command."),
        ("lmkdir", "You must specify a path after a lmkdir command."),
        (
            "chmod",
            "You must supply a numeric argument to the chmod command.",
        ),
        (
            "chmod 644",
            "You must specify a path after a chmod command.",
        ),
        (
            "chmod 9 a",
            "You must supply a numeric argument to the chmod command.",
        ),
        (
            "chmod -- -5 a",
            "You must supply a numeric argument to the chmod command.",
        ),
        (
            "chown 1x a",
            "You must supply a numeric argument to the chown command.",
        ),
        (
            "lumask 0x22",
            "You must supply a numeric argument to the lumask command.",
        ),
        ("chmod -644 a", "chmod: Invalid flag -6"),
        ("ls -lz", "ls: Invalid flag -z"),
        ("REGET -z", "reget: Invalid flag -z"),
        ("cd -x", "cd: Invalid flag -x"),
        ("get -ar- a", "get: Invalid flag --"),
    ] {
        assert_eq!(command_of(line).unwrap_err().to_string(), want, "{line}");
    }
}

#[test]
fn any_line_ends_well() {
    for line in [
        "get -r 'a b' c",
        "-@chmod 644 x",
        "!ls",
        "lls a",
        "ls -l \"x\\\"y\" # z",
    ] {
        for at in 0..line.len() {
            let _ = parse(&line.as_bytes()[..at]);
            for byte in [0, b'\'', b'\\', b'-', b' ', 0xff] {
                let mut other = line.as_bytes().to_vec();
                other[at] = byte;
                let _ = parse(&other);
            }
        }
    }
}
