//! `%` tokens and `${VARIABLE}`.

use std::fmt;

/// Why a text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandError {
    /// `${` without `}`.
    Unclosed(String),
    /// `${}`.
    EmptyName,
    /// The variable is not set.
    NoValue(String),
    /// `%` at the end.
    LonePercent,
    /// A token that may not stand here.
    UnknownToken(char),
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(name) => {
                write!(f, "environment variable '{name}' missing closing '}}'")
            }
            Self::EmptyName => f.write_str("zero-length environment variable"),
            Self::NoValue(name) => write!(f, "env var ${{{name}}} has no value"),
            Self::LonePercent => f.write_str("invalid format"),
            Self::UnknownToken(c) => write!(f, "unknown key %{c}"),
        }
    }
}

impl std::error::Error for ExpandError {}

/// Looks up a variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The tokens that may stand in a text, each with what it becomes.
pub type Tokens<'a> = &'a [(char, &'a str)];

fn run(
    text: &str,
    tokens: Option<Tokens<'_>>,
    env: Option<Env<'_>>,
) -> Result<String, ExpandError> {
    let mut out = String::new();
    let mut missing = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let (Some(env), Some(after)) = (env, rest.strip_prefix("${")) {
            let Some((name, next)) = after.split_once('}') else {
                return Err(ExpandError::Unclosed(after.to_owned()));
            };
            if name.is_empty() {
                return Err(ExpandError::EmptyName);
            }
            match env(name) {
                Some(value) => out.push_str(&value),
                None => missing = missing.or_else(|| Some(name.to_owned())),
            }
            rest = next;
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or("");
        let Some(tokens) = tokens.filter(|_| c == '%') else {
            out.push(c);
            continue;
        };
        let token = rest.chars().next().ok_or(ExpandError::LonePercent)?;
        rest = rest.get(token.len_utf8()..).unwrap_or("");
        if token == '%' {
            out.push('%');
        } else {
            let found = tokens.iter().find(|(t, _)| *t == token);
            out.push_str(found.ok_or(ExpandError::UnknownToken(token))?.1);
        }
    }
    match missing {
        Some(name) => Err(ExpandError::NoValue(name)),
        None => Ok(out),
    }
}

/// Expands `%` tokens.
pub fn expand(text: &str, tokens: Tokens<'_>) -> Result<String, ExpandError> {
    run(text, Some(tokens), None)
}

/// Expands `${VARIABLE}`.
pub fn expand_env(text: &str, env: Env<'_>) -> Result<String, ExpandError> {
    run(text, None, Some(env))
}

/// Expands both.
pub fn expand_all(text: &str, tokens: Tokens<'_>, env: Env<'_>) -> Result<String, ExpandError> {
    run(text, Some(tokens), Some(env))
}

/// What the client's tokens stand for, for one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTokens {
    /// `%C`: `connection_hash`.
    pub connection_hash: String,
    /// `%L`: local host name up to its first dot.
    pub short_host: String,
    /// `%l`: local host name.
    pub local_host: String,
    /// `%d`: home directory.
    pub home: String,
    /// `%h`: remote host name.
    pub host: String,
    /// `%k`: host key alias, or the host as typed.
    pub key_alias: String,
    /// `%n`: the host as typed.
    pub original_host: String,
    /// `%p`: port.
    pub port: String,
    /// `%r`: remote user.
    pub remote_user: String,
    /// `%u`: local user.
    pub local_user: String,
    /// `%i`: local user id.
    pub uid: String,
    /// `%j`: last jump host, or nothing.
    pub jump_host: String,
}

impl ClientTokens {
    /// The tokens for [`expand`]; add `%T` (LocalCommand) or `%H %I %K %f %t`
    /// (KnownHostsCommand) where they may stand.
    pub fn table(&self) -> Vec<(char, &str)> {
        vec![
            ('C', self.connection_hash.as_str()),
            ('L', self.short_host.as_str()),
            ('l', self.local_host.as_str()),
            ('d', self.home.as_str()),
            ('h', self.host.as_str()),
            ('k', self.key_alias.as_str()),
            ('n', self.original_host.as_str()),
            ('p', self.port.as_str()),
            ('r', self.remote_user.as_str()),
            ('u', self.local_user.as_str()),
            ('i', self.uid.as_str()),
            ('j', self.jump_host.as_str()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands() {
        let tokens: Tokens<'_> = &[('h', "host"), ('p', "22")];
        let env = |name: &str| (name == "X").then(|| "%h".to_owned());
        let check = |text: &str, expect: Result<&str, ExpandError>| {
            assert_eq!(
                expand_all(text, tokens, &env),
                expect.map(str::to_owned),
                "{text}"
            );
        };
        check("a%%b", Ok("a%b"));
        check("%h:%p", Ok("host:22"));
        check("${X}/%h", Ok("%h/host"));
        check("$X", Ok("$X"));
        check("%", Err(ExpandError::LonePercent));
        check("%z", Err(ExpandError::UnknownToken('z')));
        check("${", Err(ExpandError::Unclosed(String::new())));
        check("${}", Err(ExpandError::EmptyName));
        check("${Y}%z", Err(ExpandError::UnknownToken('z')));
        check("${Y}", Err(ExpandError::NoValue("Y".into())));
        assert_eq!(expand("${X}", tokens).as_deref(), Ok("${X}"));
        assert_eq!(expand_env("%h", &env).as_deref(), Ok("%h"));
    }
}
