//! The SSH protocol as sans-IO machines: transport, key exchange, authentication, channels
