//! `-e` and `-i`: keys to other programs' forms, and from them.

use std::path::{Path, PathBuf};

use carrick_keys::{
    FileForm, KeyFileError, PrivateKey, PublicForm, PublicKey, WriteOptions, parse_ssh_com,
};
use carrick_wire::Secret;

use super::args::{Args, Form};
use super::kernel::KernelRng;
use super::{Outcome, Stop, files, generate};
use crate::text::{os_error, out, outln};
use crate::{account, keyfile};

/// The file to convert, which must be there.
fn path(args: &Args) -> Outcome<PathBuf> {
    let path = files::name(args, "Enter file in which the key is")?;
    match std::fs::metadata(&path) {
        Ok(_) => Ok(path),
        Err(e) => Err(no_file(&path, &e)),
    }
}

fn no_file(path: &Path, error: &std::io::Error) -> Stop {
    Stop::fatal(format!(
        "ssh-keygen: {}: {}",
        path.display(),
        os_error(error)
    ))
}

/// The private key of `-f`, with its passphrase if it has one.
fn private(args: &Args, path: &Path) -> Outcome<files::Loaded> {
    let what = format!("Load key \"{}\"", path.display());
    let prompt = format!("Enter passphrase for \"{}\": ", path.display());
    files::load(args, path, &what, &prompt)
}

/// `-e`: the public half of a key file, or with `-m PPK` the whole of it.
pub(super) fn export(args: &Args) -> Outcome {
    let path = path(args)?;
    if let Some(Form::Putty(_)) = args.form {
        let loaded = private(args, &path)?;
        let passphrase = kept_passphrase(args, loaded.passphrase);
        let text = generate::private_text(args, &loaded.key, &passphrase)
            .map_err(|e| Stop::fatal(format!("{}: {e}", path.display())))?;
        return print(&text);
    }
    let key = match files::load_public(&path) {
        Some((key, _)) => key,
        None => private(args, &path)?.key.public().clone(),
    };
    let (from, text) = match args.form {
        Some(Form::Pkcs8) => ("do_convert_to_pkcs8", key.to_pkcs8()),
        Some(Form::Pem) => ("do_convert_to_pem", key.to_pem()),
        _ => ("", Some(key.to_rfc4716(&export_comment(&key)))),
    };
    let text = text
        .ok_or_else(|| Stop::fatal(format!("{from}: unsupported key type {}", key.short_name())))?;
    out!("{text}");
    Ok(())
}

fn export_comment(key: &PublicKey) -> String {
    let user = account::me().map_or("", |a| a.name.as_str());
    format!(
        "{}-bit {}, converted by {user}@{} from OpenSSH",
        key.bits(),
        key.short_name(),
        account::host_name()
    )
}

/// `-N`, or what opened the file.
fn kept_passphrase(args: &Args, opened_by: Option<Secret>) -> Secret {
    let new = args.new_passphrase.clone();
    new.or(opened_by).unwrap_or_else(|| Secret::from(""))
}

/// Prints a private key.
fn print(text: &Secret) -> Outcome {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.expose())
        .map_err(|e| Stop::fatal(format!("write: {}", os_error(&e))))
}

/// `-i`: a key in another form, in OpenSSH's.
pub(super) fn import(args: &Args) -> Outcome {
    let path = path(args)?;
    if let Some(Form::Putty(_)) = args.form {
        let loaded = private(args, &path)?;
        let options = WriteOptions {
            passphrase: Some(&kept_passphrase(args, loaded.passphrase)),
            cipher: args.cipher.as_deref().unwrap_or("aes256-ctr"),
            ..WriteOptions::default()
        };
        let text = loaded
            .key
            .to_file(FileForm::OpenSsh, &options, &mut KernelRng)
            .map_err(|e| Stop::fatal(format!("{}: {e}", path.display())))?;
        return print(&text);
    }
    let text = std::fs::read(&path).map_err(|e| no_file(&path, &e))?;
    let key = match args.form {
        Some(Form::Pkcs8) => PublicKey::from_form(&text, PublicForm::Pkcs8).map_err(|_| {
            Stop::fatal(format!(
                "do_convert_from_pkcs8: {} is not a recognised public key format",
                path.display()
            ))
        })?,
        Some(Form::Pem) => PublicKey::from_form(&text, PublicForm::Pem)
            .map_err(|_| Stop::fatal("do_convert_from_pem: unrecognised raw private key format"))?,
        _ => match parse_ssh_com(&text) {
            Some(Ok(key)) => return print_pem(&key),
            Some(Err(e)) => {
                return Err(Stop::fatal(format!(
                    "do_convert_from_ssh2: private key conversion failed: {e}"
                )));
            }
            None => PublicKey::from_form(&text, PublicForm::Rfc4716).map_err(|e| {
                let (what, why) = match &e {
                    KeyFileError::Invalid { what: "base64" } => {
                        ("base64 decode", "invalid format".into())
                    }
                    other => ("parse key", keyfile::reason(other)),
                };
                Stop::fatal(format!("do_convert_from_ssh2: {what}: {why}"))
            })?,
        },
    };
    outln!("{}", key.to_line(""));
    Ok(())
}

/// A private key is printed as OpenSSL would write it.
fn print_pem(key: &PrivateKey) -> Outcome {
    let text = key
        .to_file(FileForm::Pem, &WriteOptions::default(), &mut KernelRng)
        .map_err(|e| Stop::fatal(format!("key write failed: {e}")))?;
    print(&text)
}
