//! Names as they stand on the wire: algorithms, services, methods, channel
//! types, requests, extensions, signals (RFC 4250 section 4, the RFCs of each
//! algorithm, OpenSSH's PROTOCOL files).

/// Modules of name constants; each name is its own documentation.
macro_rules! names {
    ($( $(#[$meta:meta])* $module:ident { $( $name:ident = $text:literal, )* } )*) => { $(
        $(#[$meta])*
        pub mod $module {
            $( #[doc = concat!("`", $text, "`")] pub const $name: &str = $text; )*

            /// All of the above, in the order of this list.
            pub const ALL: &[&str] = &[ $( $name ),* ];
        }
    )* };
}

names! {
    /// Services (RFC 4250 section 4.7).
    service {
        USERAUTH = "ssh-userauth",
        CONNECTION = "ssh-connection",
    }

    /// Key exchange methods.
    kex {
        MLKEM768X25519_SHA256 = "mlkem768x25519-sha256",
        MLKEM768NISTP256_SHA256 = "mlkem768nistp256-sha256",
        SNTRUP761X25519_SHA512 = "sntrup761x25519-sha512",
        SNTRUP761X25519_SHA512_OPENSSH = "sntrup761x25519-sha512@openssh.com",
        CURVE25519_SHA256 = "curve25519-sha256",
        CURVE25519_SHA256_LIBSSH = "curve25519-sha256@libssh.org",
        ECDH_SHA2_NISTP256 = "ecdh-sha2-nistp256",
        ECDH_SHA2_NISTP384 = "ecdh-sha2-nistp384",
        ECDH_SHA2_NISTP521 = "ecdh-sha2-nistp521",
        DH_GEX_SHA256 = "diffie-hellman-group-exchange-sha256",
        DH_GEX_SHA1 = "diffie-hellman-group-exchange-sha1",
        DH_GROUP18_SHA512 = "diffie-hellman-group18-sha512",
        DH_GROUP16_SHA512 = "diffie-hellman-group16-sha512",
        DH_GROUP14_SHA256 = "diffie-hellman-group14-sha256",
        DH_GROUP14_SHA1 = "diffie-hellman-group14-sha1",
        DH_GROUP1_SHA1 = "diffie-hellman-group1-sha1",
    }

    /// Markers in the key exchange list that are not methods.
    kex_marker {
        EXT_INFO_C = "ext-info-c",
        EXT_INFO_S = "ext-info-s",
        STRICT_C = "kex-strict-c-v00@openssh.com",
        STRICT_S = "kex-strict-s-v00@openssh.com",
    }

    /// Ciphers.
    cipher {
        CHACHA20_POLY1305 = "chacha20-poly1305@openssh.com",
        AES128_GCM = "aes128-gcm@openssh.com",
        AES256_GCM = "aes256-gcm@openssh.com",
        AES128_CTR = "aes128-ctr",
        AES192_CTR = "aes192-ctr",
        AES256_CTR = "aes256-ctr",
        AES128_CBC = "aes128-cbc",
        AES192_CBC = "aes192-cbc",
        AES256_CBC = "aes256-cbc",
        TRIPLE_DES_CBC = "3des-cbc",
        BLOWFISH_CBC = "blowfish-cbc",
        NONE = "none",
    }

    /// MACs.
    mac {
        UMAC_64_ETM = "umac-64-etm@openssh.com",
        UMAC_128_ETM = "umac-128-etm@openssh.com",
        HMAC_SHA2_256_ETM = "hmac-sha2-256-etm@openssh.com",
        HMAC_SHA2_512_ETM = "hmac-sha2-512-etm@openssh.com",
        HMAC_SHA1_ETM = "hmac-sha1-etm@openssh.com",
        UMAC_64 = "umac-64@openssh.com",
        UMAC_128 = "umac-128@openssh.com",
        HMAC_SHA2_256 = "hmac-sha2-256",
        HMAC_SHA2_512 = "hmac-sha2-512",
        HMAC_SHA1 = "hmac-sha1",
        HMAC_SHA1_96 = "hmac-sha1-96",
        HMAC_SHA1_96_ETM = "hmac-sha1-96-etm@openssh.com",
        HMAC_MD5 = "hmac-md5",
        HMAC_MD5_ETM = "hmac-md5-etm@openssh.com",
        HMAC_MD5_96 = "hmac-md5-96",
        HMAC_MD5_96_ETM = "hmac-md5-96-etm@openssh.com",
        NONE = "none",
    }

    /// Compression methods.
    compression {
        NONE = "none",
        ZLIB_OPENSSH = "zlib@openssh.com",
        ZLIB = "zlib",
    }

    /// Public key and signature algorithms. A plain name is a key type too,
    /// but for the `rsa-sha2` and `webauthn` ones, which only name signatures.
    key {
        SSH_ED25519 = "ssh-ed25519",
        ECDSA_SHA2_NISTP256 = "ecdsa-sha2-nistp256",
        ECDSA_SHA2_NISTP384 = "ecdsa-sha2-nistp384",
        ECDSA_SHA2_NISTP521 = "ecdsa-sha2-nistp521",
        SK_SSH_ED25519 = "sk-ssh-ed25519@openssh.com",
        SK_ECDSA_SHA2_NISTP256 = "sk-ecdsa-sha2-nistp256@openssh.com",
        WEBAUTHN_SK_ECDSA_SHA2_NISTP256 = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
        RSA_SHA2_512 = "rsa-sha2-512",
        RSA_SHA2_256 = "rsa-sha2-256",
        SSH_RSA = "ssh-rsa",
        SSH_DSS = "ssh-dss",
        SSH_MLDSA44_ED25519 = "ssh-mldsa44-ed25519@openssh.com",
        SSH_MLDSA44_ED25519_CERT = "ssh-mldsa44-ed25519-cert-v01@openssh.com",
        SSH_ED25519_CERT = "ssh-ed25519-cert-v01@openssh.com",
        ECDSA_SHA2_NISTP256_CERT = "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        ECDSA_SHA2_NISTP384_CERT = "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        ECDSA_SHA2_NISTP521_CERT = "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        SK_SSH_ED25519_CERT = "sk-ssh-ed25519-cert-v01@openssh.com",
        SK_ECDSA_SHA2_NISTP256_CERT = "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        WEBAUTHN_SK_ECDSA_SHA2_NISTP256_CERT =
            "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        RSA_SHA2_512_CERT = "rsa-sha2-512-cert-v01@openssh.com",
        RSA_SHA2_256_CERT = "rsa-sha2-256-cert-v01@openssh.com",
        SSH_RSA_CERT = "ssh-rsa-cert-v01@openssh.com",
    }

    /// Curve identifiers inside ECDSA blobs (RFC 5656 section 10.1).
    curve {
        NISTP256 = "nistp256",
        NISTP384 = "nistp384",
        NISTP521 = "nistp521",
    }

    /// Extensions in EXT_INFO (RFC 8308 section 3, OpenSSH PROTOCOL, RFC 9987).
    ext {
        SERVER_SIG_ALGS = "server-sig-algs",
        DELAY_COMPRESSION = "delay-compression",
        NO_FLOW_CONTROL = "no-flow-control",
        ELEVATION = "elevation",
        PUBLICKEY_HOSTBOUND = "publickey-hostbound@openssh.com",
        PING = "ping@openssh.com",
        EXT_INFO_IN_AUTH = "ext-info-in-auth@openssh.com",
        AGENT_FORWARD = "agent-forward",
    }

    /// Authentication methods (RFC 4250 section 4.8).
    method {
        NONE = "none",
        PUBLICKEY = "publickey",
        PUBLICKEY_HOSTBOUND = "publickey-hostbound-v00@openssh.com",
        PASSWORD = "password",
        KEYBOARD_INTERACTIVE = "keyboard-interactive",
        HOSTBASED = "hostbased",
        GSSAPI_WITH_MIC = "gssapi-with-mic",
    }

    /// Channel types (RFC 4250 section 4.9.1, OpenSSH PROTOCOL, RFC 9987).
    channel {
        SESSION = "session",
        DIRECT_TCPIP = "direct-tcpip",
        FORWARDED_TCPIP = "forwarded-tcpip",
        DIRECT_STREAMLOCAL = "direct-streamlocal@openssh.com",
        FORWARDED_STREAMLOCAL = "forwarded-streamlocal@openssh.com",
        X11 = "x11",
        AUTH_AGENT = "auth-agent@openssh.com",
        AGENT_CONNECT = "agent-connect",
        TUN = "tun@openssh.com",
    }

    /// Channel requests (RFC 4250 section 4.9.3, RFC 4335, OpenSSH PROTOCOL).
    request {
        PTY_REQ = "pty-req",
        X11_REQ = "x11-req",
        ENV = "env",
        SHELL = "shell",
        EXEC = "exec",
        SUBSYSTEM = "subsystem",
        WINDOW_CHANGE = "window-change",
        XON_XOFF = "xon-xoff",
        SIGNAL = "signal",
        EXIT_STATUS = "exit-status",
        EXIT_SIGNAL = "exit-signal",
        BREAK = "break",
        EOW = "eow@openssh.com",
        AUTH_AGENT_REQ = "auth-agent-req@openssh.com",
        AGENT_REQ = "agent-req",
        KEEPALIVE = "keepalive@openssh.com",
    }

    /// Global requests (RFC 4250 section 4.9.2, OpenSSH PROTOCOL).
    global {
        TCPIP_FORWARD = "tcpip-forward",
        CANCEL_TCPIP_FORWARD = "cancel-tcpip-forward",
        STREAMLOCAL_FORWARD = "streamlocal-forward@openssh.com",
        CANCEL_STREAMLOCAL_FORWARD = "cancel-streamlocal-forward@openssh.com",
        NO_MORE_SESSIONS = "no-more-sessions@openssh.com",
        KEEPALIVE = "keepalive@openssh.com",
        HOSTKEYS = "hostkeys-00@openssh.com",
        HOSTKEYS_PROVE = "hostkeys-prove-00@openssh.com",
    }

    /// Subsystems (RFC 4250 section 4.10).
    subsystem {
        SFTP = "sftp",
    }

    /// Signals (RFC 4254 section 6.10, and OpenSSH's addition).
    signal {
        ABRT = "ABRT",
        ALRM = "ALRM",
        FPE = "FPE",
        HUP = "HUP",
        ILL = "ILL",
        INT = "INT",
        KILL = "KILL",
        PIPE = "PIPE",
        QUIT = "QUIT",
        SEGV = "SEGV",
        TERM = "TERM",
        USR1 = "USR1",
        USR2 = "USR2",
        INFO = "INFO@openssh.com",
    }
}
